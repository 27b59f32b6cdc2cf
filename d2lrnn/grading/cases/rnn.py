"""Lesson 4. What get_params, init_rnn_state and rnn are asked; and much of what lessons 11 and 12 ask."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import mxnet as mx
import numpy as np
from mxnet import autograd, nd

from ..case import Case, Mistake, differs, floats, short, within
from ..mistakes import told
from .driving import opened

NAMES = ("W_xh", "W_hh", "b_h", "W_hy", "b_y")


def named(params: dict[str, np.ndarray]) -> Any:
    """Parameters that unpack in the book's order and have the book's names."""
    return namedtuple("Params", params)(*[nd.array(param, dtype="float32") for param in params.values()])


def drive_params(s: Any, function: str, vocab_size: int, hidden_dim: int, **options: Any) -> Any:
    """New parameters, in their order."""
    return opened(getattr(s, function)(vocab_size, hidden_dim, mx.cpu(), **options))


def drive_drawn(s: Any, function: str, vocab_size: int, hidden_dim: int, scale: float) -> Any:
    """New parameters as they are by default, and with another scale."""
    get_params = getattr(s, function)
    return {
        "0.01": opened(get_params(vocab_size, hidden_dim, mx.cpu())),
        f"{scale:g}": opened(get_params(vocab_size, hidden_dim, mx.cpu(), scale=scale)),
    }


def drive_attached(s: Any, function: str, vocab_size: int, hidden_dim: int) -> Any:
    """In place of the parameters, the gradients of three times the sum of each."""
    found = opened(getattr(s, function)(vocab_size, hidden_dim, mx.cpu()))
    params = found["arrays"]
    if any(param.grad is not None for param in params):
        with autograd.record():
            loss = sum((3 * param).sum() for param in params)
        loss.backward()
    return {**found, "arrays": [param.grad for param in params]}


def drive_state(s: Any, function: str, batch_size: int, hidden_dim: int) -> Any:
    """A new state, of one matrix or of several."""
    return opened(getattr(s, function)(batch_size, hidden_dim, mx.cpu()))


def drive_outputs(s: Any, function: str, inputs: Any, state: Any, params: Any) -> Any:
    """The outputs of a cell, one a step."""
    outputs, _ = getattr(s, function)(
        [nd.array(X) for X in inputs], tuple(nd.array(S) for S in state), named(params)
    )
    return list(outputs)


def drive_new_state(s: Any, function: str, inputs: Any, state: Any, params: Any) -> Any:
    """The state after the last step."""
    _, new_state = getattr(s, function)(
        [nd.array(X) for X in inputs], tuple(nd.array(S) for S in state), named(params)
    )
    return opened(new_state)


def drive_untouched(s: Any, function: str, inputs: Any, state: Any, params: Any) -> Any:
    """Inputs, state and parameters after the call."""
    arrays = [nd.array(X) for X in inputs], tuple(nd.array(S) for S in state), named(params)
    getattr(s, function)(*arrays)
    return {"inputs": arrays[0], "state": list(arrays[1]), "params": list(arrays[2])}


def drive_gradients(s: Any, function: str, inputs: Any, state: Any, params: Any, weights: Any) -> Any:
    """The gradients of a weighted sum of all outputs."""
    state, params = tuple(nd.array(S) for S in state), named(params)
    arrays = {**params._asdict(), **{f"state[{i}]": S for i, S in enumerate(state)}}
    for array in arrays.values():
        array.attach_grad()
    with autograd.record():
        outputs, _ = getattr(s, function)([nd.array(X) for X in inputs], state, params)
        loss = sum((Y * nd.array(weight)).sum() for Y, weight in zip(outputs, weights))
    loss.backward()
    return {name: array.grad for name, array in arrays.items()}


# What is asked


def shapes_of(names: Sequence[str], vocab_size: int, hidden_dim: int) -> dict[str, tuple[int, ...]]:
    """A parameter's name says its shape: W_xh leads from x, as wide as the vocabulary, to h."""
    return {
        name: tuple(vocab_size if letter in "xy" else hidden_dim for letter in name[2:]) for name in names
    }


def normal(rng: np.random.Generator, *shape: int, scale: float = 0.7) -> np.ndarray:
    """Normal numbers of this deviation, in float32."""
    return rng.normal(scale=scale, size=shape).astype(np.float32)


def one_hots(rng: np.random.Generator, vocab_size: int, num_steps: int, batch_size: int) -> list[np.ndarray]:
    """Characters as one-hot rows, a matrix (batch_size, vocab_size) for each step."""
    return list(np.eye(vocab_size, dtype=np.float32)[rng.integers(vocab_size, size=(num_steps, batch_size))])


def reading(
    rng: np.random.Generator,
    function: str,
    names: Sequence[str],
    num_states: int = 1,
    *,
    weighted: bool = False,
) -> dict[str, Any]:
    """One-hot inputs, a state and parameters, none of them zero, and weights of the outputs."""
    vocab_size, hidden_dim, batch_size, num_steps = (int(n) for n in rng.integers([4, 3, 2, 3], [8, 7, 5, 6]))
    drawn = {
        "function": function,
        "inputs": one_hots(rng, vocab_size, num_steps, batch_size),
        "state": [normal(rng, batch_size, hidden_dim) for _ in range(num_states)],
        "params": {
            name: normal(rng, *shape) for name, shape in shapes_of(names, vocab_size, hidden_dim).items()
        },
    }
    weights = {"weights": [normal(rng, batch_size, vocab_size) for _ in range(num_steps)]}
    return {**drawn, **weights} if weighted else drawn


# How it is judged


def out_of_order(answer: Any, names: Sequence[str]) -> str | None:
    """What is wrong with what `opened` has found, if it is not as many arrays under these names."""
    kind, found, arrays = answer["kind"], answer["names"], answer["arrays"]
    if kind not in ("NamedTuple", "tuple", "list"):
        return (
            f"{', '.join(names)} are expected in a NamedTuple (or a tuple, or a list, in this order), "
            f"not in an object of type {kind}"
        )
    if found and found != list(names):
        return f"the parameters are {', '.join(names)}, in this order, not {short(found)}"
    if len(arrays) != len(names):
        return f"{len(names)} parameters are expected, {', '.join(names)}, and there are {len(arrays)}"
    for name, array in zip(names, arrays):
        if not isinstance(array, np.ndarray):
            return f"{name} is an object of type {type(array).__name__}: an NDArray is expected"
    return None


def has_shapes(names: Sequence[str]) -> Callable[[Any, Any, dict], str | None]:
    """A check: the parameters stand in this order and have their shapes, in float32."""

    def check(answer: Any, expected: Any, inputs: dict) -> str | None:
        problem = out_of_order(answer, names)
        if problem:
            return problem
        shapes = shapes_of(names, inputs["vocab_size"], inputs["hidden_dim"])
        for (name, shape), array in zip(shapes.items(), answer["arrays"]):
            if array.shape != shape or array.dtype != np.float32:
                return f"{name} is {shape} of float32, not {array.shape} of {array.dtype}"
        return None

    return check


def is_drawn(names: Sequence[str]) -> Callable[[Any, Any, dict], str | None]:
    """A check of thousands of weights, with each scale; the bounds are 6 deviations and wider."""
    shaped = has_shapes(names)

    def check(answer: Any, expected: Any, inputs: dict) -> str | None:
        for label, scale in zip(expected, (0.01, inputs["scale"])):
            arrays = answer[label]["arrays"]
            problem = shaped(answer[label], None, inputs) or next(
                filter(None, (not_drawn(n, a, scale) for n, a in zip(names, arrays))), None
            )
            if problem:
                return f"with scale = {label}, {problem}"
        return None

    return check


def not_drawn(name: str, param: np.ndarray, scale: float) -> str | None:
    """What is wrong with a parameter that is normal with this deviation, or, as a bias, zero."""
    weights, root = param.astype(np.float64) / scale, np.sqrt(param.size)
    if name.startswith("b"):
        return f"{name} is not zero: it is a bias, and starts at zero" if param.any() else None
    if not abs(weights.mean()) < 6 / root:
        return f"the mean of {name} is {param.mean():.3g}, too far from 0"
    if not abs(weights.std() - 1) < 6 / root:
        return f"the deviation of {name} is {param.std():.3g}, not {scale:g}"
    if not abs((abs(weights) < 1).mean() - 0.6827) < 3 / root:
        return f"the numbers of {name} are not normally distributed"
    return None


def weights_in(answer: Any) -> list[np.ndarray]:
    """The matrices among the parameters, with the one scale and then with the other.

    Raises:
        ValueError: there are none.
    """
    weights = [array for found in answer.values() for array in found["arrays"] if array.ndim == 2]
    if not weights:
        raise ValueError
    return weights


def too_large(answer: Any, expected: Any, inputs: dict) -> bool:
    """Whether every deviation is 1, whatever the scale."""
    return all(abs(weight.std() - 1) < 0.1 for weight in weights_in(answer))


def scale_ignored(answer: Any, expected: Any, inputs: dict) -> bool:
    """Whether every deviation is the default one, whatever the scale."""
    return all(abs(weight.std() - 0.01) < 1e-3 for weight in weights_in(answer))


def all_zero(answer: Any, expected: Any, inputs: dict) -> bool:
    """Whether no weight is another number than zero."""
    return not any(weight.any() for weight in weights_in(answer))


def biases_drawn(answer: Any, expected: Any, inputs: dict) -> bool:
    """Whether no bias is zero."""
    biases = [array for found in answer.values() for array in found["arrays"] if array.ndim == 1]
    return bool(biases) and all(bias.any() for bias in biases)


def is_state(answer: Any, expected: Any, inputs: dict) -> str | None:
    """A check of a first state: a list will do for a tuple."""
    if answer["kind"] not in ("NamedTuple", "tuple", "list"):
        return f"a tuple is expected, not an object of type {answer['kind']}"
    return differs(answer["arrays"], expected["arrays"])


def params_cases(function: str, lesson: int, names: Sequence[str]) -> list[Case]:
    """What any get_params is asked."""

    def ask(rng: np.random.Generator) -> dict:
        return {
            "function": function,
            "vocab_size": int(rng.integers(3, 9)),
            "hidden_dim": int(rng.integers(9, 14)),
        }

    def many(rng: np.random.Generator) -> dict:
        sizes = {"vocab_size": int(rng.integers(70, 90)), "hidden_dim": int(rng.integers(90, 120))}
        return {"function": function, **sizes, "scale": float(rng.uniform(0.05, 0.5))}

    small = {"function": function, "vocab_size": 3, "hidden_dim": 2}
    build = partial(Case, function=function, lesson=lesson)
    return [
        build(
            name="the parameters have the names and shapes of the formulas",
            drive=drive_params,
            example=small,
            draw=ask,
            check=has_shapes(names),
        ),
        build(
            name="weights are normal with deviation scale, 0.01 by default, and biases zero",
            drive=drive_drawn,
            example={"function": function, "vocab_size": 80, "hidden_dim": 100, "scale": 0.25},
            draw=many,
            check=is_drawn(names),
            mistakes=(
                Mistake(told("04_rnn_weights_too_large"), shows=too_large),
                Mistake(told("04_rnn_scale_has_no_effect"), shows=scale_ignored),
                Mistake(told("04_rnn_weights_are_zero"), shows=all_zero),
                Mistake(told("04_rnn_biases_are_drawn"), shows=biases_drawn),
            ),
        ),
        build(
            name="every parameter has its gradient attached",
            drive=drive_attached,
            example=small,
            draw=ask,
            check=lambda answer, expected, inputs: (
                out_of_order(answer, names) or differs(answer["arrays"], expected["arrays"])
            ),
            mistakes=(
                Mistake(
                    "a parameter has no gradient: backward() has nowhere to write it. Call attach_grad() "
                    "on each",
                    shows=lambda answer, expected, inputs: any(g is None for g in answer["arrays"]),
                ),
            ),
        ),
    ]


BARE_STATE = Mistake(
    "the state is a tuple, even of one: with a comma behind it",
    shows=lambda answer, expected, inputs: answer["kind"] == "NDArray",
)


def state_case(function: str, lesson: int, num_states: int) -> Case:
    """What any init_state is asked."""
    return Case(
        name=f"the first state is a tuple of {'two matrices' if num_states == 2 else 'one matrix'} of zeros",
        function=function,
        lesson=lesson,
        drive=drive_state,
        example={"function": function, "batch_size": 2, "hidden_dim": 3},
        draw=lambda rng: {
            "function": function,
            "batch_size": int(rng.integers(1, 5)),
            "hidden_dim": int(rng.integers(5, 9)),
        },
        check=is_state,
        mistakes=(BARE_STATE,),
    )


def untouched_case(function: str, lesson: int, names: Sequence[str], num_states: int = 1) -> Case:
    """What any cell is asked: it reads, and changes nothing."""
    draw = partial(reading, function=function, names=names, num_states=num_states)
    return Case(
        name="reading changes neither inputs nor state nor parameters",
        function=function,
        lesson=lesson,
        drive=drive_untouched,
        example=draw(np.random.default_rng(4)),
        draw=draw,
        expect=lambda inputs: {
            "inputs": inputs["inputs"],
            "state": inputs["state"],
            "params": list(inputs["params"].values()),
        },
        mistakes=(
            Mistake(
                "something that was handed in has been changed: write the new state to a new array, so "
                "that the caller's own stays as it was",
                shows=lambda answer, expected, inputs: differs(answer, expected) is not None,
            ),
        ),
    )


TWO_STEPS = {
    "function": "rnn",
    "inputs": [floats([[0, 1]]), floats([[1, 0]])],
    "state": [floats([[0.4, -0.3]])],
    "params": {
        "W_xh": floats([[1, -0.5], [0.2, 0.3]]),
        "W_hh": floats([[0.5, 0.8], [-0.4, 0.1]]),
        "b_h": floats([0.1, -0.6]),
        "W_hy": floats([[1, -2], [0.5, 1]]),
        "b_y": floats([0.25, -1]),
    },
}

of_rnn = partial(
    Case, function="rnn", lesson=4, example=TWO_STEPS, draw=partial(reading, function="rnn", names=NAMES)
)

CASES = [
    *params_cases("get_params", 4, NAMES),
    state_case("init_rnn_state", 4, 1),
    of_rnn(
        name="the outputs are those of the formulas, one matrix a step",
        drive=drive_outputs,
    ),
    of_rnn(
        name="the new state is the one after the last step",
        drive=drive_new_state,
        check=is_state,
        mistakes=(BARE_STATE,),
    ),
    of_rnn(
        name="gradients go back through all time steps",
        drive=drive_gradients,
        example={**TWO_STEPS, "weights": [floats([[0, 0]]), floats([[1, 0]])]},
        draw=lambda rng: reading(rng, "rnn", NAMES, weighted=True),
        check=within(atol=1e-5),
    ),
    untouched_case("rnn", 4, NAMES),
]
