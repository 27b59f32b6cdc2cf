"""Lesson 15: the same networks by rows, and several layers of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import mxnet as mx
import numpy as np
from mxnet import autograd, nd

from ..case import Case, Mistake, differs, doing, within
from .concise import LAYERS, our_params
from .driving import refusal
from .rnn import normal

STATES = {"rnn": 1, "gru": 1, "lstm": 2}

# --- drivers --------------------------------------------------------------------------------------


def drive_rows(s: Any, data: list, vocab_size: int) -> Any:
    """The indices that get_rows makes of data."""
    return s.get_rows(nd.array(data, dtype="int32"), vocab_size)


def drive_bad_rows(s: Any, data: list, vocab_size: int) -> dict[str, Any]:
    """The error that an index from elsewhere causes, and the shape that a good one gives."""
    get_rows = s.get_rows
    return {
        "error": refusal(lambda: get_rows(nd.array(data, dtype="int32"), vocab_size)),
        "shape": list(get_rows(nd.array([[0, 1, 0]], dtype="int32"), vocab_size).shape),
    }


def drive_network(
    s: Any, cell: str, num_layers: int, reads: str, params: dict, state: list, data: list, label: list
) -> dict[str, Any]:
    """Logits, new state and gradients of a network. reads: "rows" or "matrices"."""
    network, arrays = s.get_network(cell, num_layers), [nd.array(S) for S in state]
    weights = network.get_params(len(params["b_y"]), len(state[0][0]), mx.cpu())
    for weight, values in zip(weights, params.values()):
        weight[:] = nd.array(values)
    read = s.get_rows if reads == "rows" else s.get_inputs
    with autograd.record():
        outputs, new_state = network.rnn(
            read(nd.array(data, dtype="int32"), len(params["b_y"])), tuple(arrays), weights
        )
        logits = nd.concat(*outputs, dim=0)
        loss = s.cross_entropy(logits, nd.array(label, dtype="int32").T.reshape((-1,)))
    loss.backward()
    return {
        "logits": logits,
        "state": list(new_state),
        "gradients": {name: weight.grad for name, weight in zip(params, weights)},
    }


def drive_new(
    s: Any, cell: str, num_layers: int, vocab_size: int, hidden_dim: int, batch_size: int
) -> dict[str, Any]:
    """Names and shapes of a network's parameters, whether gradients are attached, and its first state."""
    network = s.get_network(cell, num_layers)
    params = network.get_params(vocab_size, hidden_dim, mx.cpu(), scale=0.5)
    return {
        "shapes": [[name, list(param.shape)] for name, param in params._asdict().items()],
        "gradients": all(param.grad is not None for param in params),
        "state": list(network.init_state(batch_size, hidden_dim, mx.cpu())),
    }


def drive_dropping(s: Any, p: float, params: dict, state: list, data: list) -> dict[str, Any]:
    """Logits and new state of two layers that drop a share p: in training, and when they predict."""
    vocab_size = len(params["b_y"])
    network = s.get_network("rnn", 2, dropout=p)
    weights = network.get_params(vocab_size, vocab_size, mx.cpu())
    for weight, values in zip(weights, params.values()):
        weight[:] = nd.array(values)

    def read() -> dict[str, Any]:
        rows = s.get_rows(nd.array(data, dtype="int32"), vocab_size)
        outputs, new_state = network.rnn(rows, tuple(nd.array(S) for S in state), weights)
        return {"logits": nd.concat(*outputs, dim=0), "state": list(new_state)}

    with autograd.record():
        training = read()
    return {"training": training, "predicting": read()}


def drive_bad_network(s: Any, cell: str, num_layers: int) -> dict[str, Any]:
    """The error that a bad cell or number of layers causes, and how many states a good network has."""
    get_network = s.get_network
    return {
        "error": refusal(lambda: get_network(cell, num_layers)),
        "states": len(get_network("lstm", 2).init_state(1, 1, mx.cpu())),
    }


# --- inputs ---------------------------------------------------------------------------------------


def _drawn(
    rng: np.random.Generator, cell: str, num_layers: int, reads: str, sizes: Sequence[int] = ()
) -> dict[str, Any]:
    """All that a network of this kind is asked; several layers are as wide as the vocabulary."""
    vocab_size, hidden_dim, batch_size, num_steps = sizes or rng.integers((4, 3, 2, 3), (8, 6, 4, 6)).tolist()
    hidden_dim = vocab_size if num_layers > 1 else hidden_dim
    return {
        "cell": cell,
        "num_layers": num_layers,
        "reads": reads,
        "params": our_params(rng, cell, num_layers, vocab_size, hidden_dim),
        "state": [normal(rng, batch_size, hidden_dim) for _ in range(num_layers * STATES[cell])],
        "data": rng.integers(vocab_size, size=(batch_size, num_steps)).tolist(),
        "label": rng.integers(vocab_size, size=(batch_size, num_steps)).tolist(),
    }


def _draw_dropping(rng: np.random.Generator, size: int = 16) -> dict[str, Any]:
    """Two layers whose logits are what the upper one hands up: W_hy is the unit matrix, b_y zero."""
    inputs = _drawn(rng, "rnn", 2, "rows", (size, size, 6, 5))
    inputs["params"].update(W_hy=np.eye(size, dtype=np.float32), b_y=np.zeros(size, np.float32))
    return {"p": float(rng.uniform(0.3, 0.6)), **{name: inputs[name] for name in ("params", "state", "data")}}


def _draw_data(rng: np.random.Generator) -> dict[str, Any]:
    vocab_size, batch_size, num_steps = rng.integers((4, 2, 4), (9, 4, 7)).tolist()
    return {
        "data": rng.integers(vocab_size, size=(batch_size, num_steps)).tolist(),
        "vocab_size": vocab_size,
    }


def _draw_bad_data(rng: np.random.Generator) -> dict[str, Any]:
    inputs = _draw_data(rng)
    inputs["data"][0][1] = int(rng.choice([-1, -2, inputs["vocab_size"], inputs["vocab_size"] + 3]))
    return inputs


def _draw_sizes(rng: np.random.Generator) -> dict[str, Any]:
    vocab_size, hidden_dim, batch_size = rng.integers((4, 10, 1), (9, 15, 4)).tolist()
    return {
        "cell": str(rng.choice(list(LAYERS))),
        "num_layers": int(rng.integers(2, 4)),
        "vocab_size": vocab_size,
        "hidden_dim": hidden_dim,
        "batch_size": batch_size,
    }


# --- checks ---------------------------------------------------------------------------------------


def _drops(answer: Any, expected: Any, inputs: dict) -> str | None:
    """expected: what the two layers answer when nothing is dropped."""
    p, logits, state = inputs["p"], answer["training"]["logits"], answer["training"]["state"]
    if differs(answer["predicting"], expected, atol=1e-5):
        return "outside training numbers are dropped, too, or the answer is wrong without that"
    if differs(state[0], expected["state"][0], atol=1e-5):
        return "the first layer's way from step to step has to be spared: drop only what goes up"
    if not differs(state[1], expected["state"][1], atol=1e-2):
        return "in training nothing is dropped from what the first layer hands to the second"
    last = logits[-len(state[1]) :]
    if differs(last[last != 0], (state[1] / (1 - p))[last != 0], atol=1e-5):
        return "what the last layer hands up is its state: dropped, or made larger by 1 / (1 - p)"
    share = float((logits == 0).mean())
    if abs(share - p) > 6 * math.sqrt(p * (1 - p) / logits.size):
        return f"a share of {share:.2f} is dropped of what the last layer hands up: about {p:.2f} is expected"
    return None


def _refuses(error: str, key: str) -> Callable:
    def check(answer: Any, expected: Any, inputs: dict) -> str | None:
        if error not in answer["error"]:
            return f"{error} is expected, not {answer['error'][0] if answer['error'] else 'an answer'}"
        return None if answer[key] == expected[key] else f"the {key} for good arguments is wrong"

    return check


# --- the cases ------------------------------------------------------------------------------------

of_rows = partial(Case, function="get_rows", lesson=15)
of_network = partial(Case, function="get_network", lesson=15)
ROWS = of_rows(
    name="the rows are the indices step by step",
    drive=drive_rows,
    example={"data": [[0, 1, 2], [3, 4, 0]], "vocab_size": 5},
    draw=_draw_data,
    mistakes=(
        Mistake(
            "reshape does not turn rows into columns: it reads the same numbers on in another shape",
            shows=lambda answer, expected, inputs: np.array_equal(
                answer.reshape(-1), np.reshape(inputs["data"], -1)
            ),
        ),
        Mistake(
            "indices are expected, whole numbers: the rows of W_xh are looked up by them",
            shows=lambda answer, expected, inputs: answer.dtype.kind == "f",
        ),
    ),
)
BAD_ROWS = of_rows(
    name="an index outside the vocabulary is an IndexError",
    drive=drive_bad_rows,
    example={"data": [[0, 5, 2]], "vocab_size": 5},
    draw=_draw_bad_data,
    check=_refuses("IndexError", "shape"),
)
ONE_LAYER = [
    of_network(
        name=f"one layer of {cell!r} cells reads {reads} as the book's function does, gradients included",
        drive=drive_network,
        example=_drawn(np.random.default_rng(1), cell, 1, reads, (3, 2, 1, 2)),
        draw=partial(_drawn, cell=cell, num_layers=1, reads=reads),
        check=within(atol=1e-5),
    )
    for cell, reads in (("rnn", "matrices"), ("rnn", "rows"), ("gru", "rows"), ("lstm", "rows"))
]
LAYERED = [
    of_network(
        name=f"{count} layers of {cell!r} cells: each reads what the one below it says",
        drive=drive_network,
        example=_drawn(np.random.default_rng(1), cell, num_layers, "rows", (3, 3, 1, 2)),
        draw=partial(_drawn, cell=cell, num_layers=num_layers, reads="rows"),
        check=within(atol=1e-5),
    )
    for cell, num_layers, count in (("gru", 3, "three"), ("lstm", 2, "two"))
]
NEW = of_network(
    name="names and shapes of parameters and states tell layer and gate",
    drive=drive_new,
    example={"cell": "rnn", "num_layers": 2, "vocab_size": 5, "hidden_dim": 3, "batch_size": 2},
    draw=_draw_sizes,
)
DROPPING = of_network(
    name="in training a share of what each layer hands up is dropped, and its state is not",
    drive=drive_dropping,
    example={**_draw_dropping(np.random.default_rng(1)), "p": 0.25},
    draw=_draw_dropping,
    check=_drops,
    expect=lambda inputs: doing(drive_dropping)({**inputs, "p": 0.0})["predicting"],
)
BAD_NETWORK = of_network(
    name="an unknown cell, or no layer, is a ValueError",
    drive=drive_bad_network,
    example={"cell": "elman", "num_layers": 1},
    draw=lambda rng: {"cell": "gru", "num_layers": -int(rng.integers(1000))},
    check=_refuses("ValueError", "states"),
)

CASES = [ROWS, BAD_ROWS, *ONE_LAYER, *LAYERED, DROPPING, NEW, BAD_NETWORK]
