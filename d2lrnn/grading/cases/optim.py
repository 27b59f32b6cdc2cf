"""Lesson 7. What sgd, init_adam_states, adam, adamw, learning_rate and Optimizer are asked."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from mxnet import autograd, nd

from ..case import Case, Mistake, differs, floats, refused, within
from ..mistakes import told
from .driving import refusal, with_gradients


def drive_sgd(s: Any, values: Any, gradients: Any, lr: float) -> Any:
    """The parameters after a step."""
    params = with_gradients(values, gradients)
    s.sgd(params, lr)
    return params


def drive_init(s: Any, values: Any) -> Any:
    """The states, and v after m has been filled with ones: the two may not be one array."""
    states = [tuple(state) for state in s.init_adam_states([nd.array(value) for value in values])]
    before = [[S.asnumpy() for S in state] for state in states]
    for state in states:
        state[0][:] = 1
    return {"states": before, "v when m has changed": [state[1] for state in states]}


def drive_adam(s: Any, values: Any, steps: Any, lr: float, **options: Any) -> Any:
    """The parameters after every step of Adam; steps: a list of gradients for each."""
    params = with_gradients(values, steps[0])
    states = s.init_adam_states(params)
    path = []
    for t, gradients in enumerate(steps, start=1):
        for param, gradient in zip(params, gradients):
            param.grad[:] = nd.array(gradient)
        s.adam(params, states, lr, t, **options)
        path.append([param.asnumpy() for param in params])
    return path


def drive_adamw(s: Any, values: Any, steps: Any, lr: float, **options: Any) -> Any:
    """The parameters after every step of AdamW; steps: a list of gradients for each."""
    params = with_gradients(values, steps[0])
    states = s.init_adam_states(params)
    path = []
    for t, gradients in enumerate(steps, start=1):
        for param, gradient in zip(params, gradients):
            param.grad[:] = nd.array(gradient)
        s.adamw(params, states, lr, t, **options)
        path.append([param.asnumpy() for param in params])
    return path


def drive_learning_rate(s: Any, lr: float, num_updates: int, **options: Any) -> Any:
    """The learning rate of every step."""
    how = {"num_updates": num_updates, **options}
    return [float(s.learning_rate(t, lr, **how)) for t in range(1, num_updates + 1)]


def drive_adam_states(s: Any, values: Any, gradients: Any, lr: float) -> Any:
    """m and v after the first step."""
    params = with_gradients(values, gradients)
    states = s.init_adam_states(params)
    s.adam(params, states, lr, 1)
    return [list(state) for state in states]


def drive_optimizer(s: Any, name: str, values: Any, steps: Any, lr: float) -> Any:
    """The parameters after every step of an Optimizer."""
    params = with_gradients(values, steps[0])
    optimizer = s.Optimizer(name, params, lr)
    path = []
    for gradients in steps:
        for param, gradient in zip(params, gradients):
            param.grad[:] = nd.array(gradient)
        optimizer.step(params)
        path.append([param.asnumpy() for param in params])
    return path


def drive_same_array(s: Any, names: list[str], values: Any, lr: float) -> Any:
    """For each optimizer, the gradients of the sum of squares after a step: the arrays are still the same."""
    found = {}
    for name in names:
        params = with_gradients(values, values)
        s.Optimizer(name, params, lr).step(params)
        with autograd.record():
            loss = sum((param * param).sum() for param in params)
        loss.backward()
        found[name] = [param.grad for param in params]
    return found


def drive_unknown(s: Any, name: str) -> Any:
    """The error that an unknown name causes."""
    Optimizer = s.Optimizer
    return refusal(lambda: Optimizer(name, with_gradients([np.ones(1)], [np.ones(1)]), 0.1))


def _drawn(rng: np.random.Generator) -> dict:
    shapes = [tuple(int(n) for n in rng.integers(1, 4, size=2)) for _ in range(int(rng.integers(2, 4)))]
    values, gradients = ([rng.normal(size=shape).astype(np.float32) for shape in shapes] for _ in range(2))
    return {"values": values, "gradients": gradients, "lr": float(rng.uniform(0.01, 0.5))}


def _not_tiny(gradient: np.ndarray) -> np.ndarray:
    """So large that eps, at 1e-8, makes no difference: the case of eps asks for it."""
    return (gradient + 0.05 * np.sign(gradient)).astype(np.float32)


def _steps(rng: np.random.Generator, num_steps: int) -> dict:
    inputs = _drawn(rng)
    shapes = [g.shape for g in inputs.pop("gradients")]
    scales = rng.uniform(0.1, 3, size=num_steps)
    steps = [[_not_tiny(rng.normal(scale=scale, size=shape)) for shape in shapes] for scale in scales]
    return {**inputs, "steps": steps}


# What is right


def _moved(inputs: dict) -> list:
    return [np.float32(v - inputs["lr"] * g) for v, g in zip(inputs["values"], inputs["gradients"])]


def _adam(inputs: dict) -> list:
    """Algorithm 1 of Kingma & Ba 2015 in float64, on parameters that decay before each step."""
    kept = 1 - inputs["lr"] * inputs.get("weight_decay", 0)
    beta1, beta2, eps = 0.9, 0.999, inputs.get("eps", 1e-8)
    params = [value.astype(np.float64) for value in inputs["values"]]
    m, v = [0.0 * param for param in params], [0.0 * param for param in params]
    path = []
    for t, gradients in enumerate(inputs["steps"], start=1):
        for i, g in enumerate(gradients):
            m[i] = beta1 * m[i] + (1 - beta1) * g
            v[i] = beta2 * v[i] + (1 - beta2) * g * g
            m_hat, v_hat = m[i] / (1 - beta1**t), v[i] / (1 - beta2**t)
            params[i] = kept * params[i] - inputs["lr"] * m_hat / (np.sqrt(v_hat) + eps)
        path.append([np.float32(param) for param in params])
    return path


def _nan_from_the_second_on(answer: Any, expected: Any, inputs: dict) -> bool:
    first, second = answer[:2]
    return differs(first, expected[0]) is None and all(np.isnan(param).all() for param in second)


def _rates(inputs: dict) -> list[float]:
    lr, last, warmup = inputs["lr"], inputs["num_updates"], inputs.get("warmup", 0)
    rising = [lr * t / warmup for t in range(1, min(warmup, last) + 1)]
    left = last - len(rising)
    falls = inputs["schedule"] == "cosine"
    return rising + [lr * np.cos(np.pi / 2 * k / left * falls).item() ** 2 for k in range(left)]


def _drawn_schedule(rng: np.random.Generator, schedule: str, most: int) -> dict:
    warmup = {"warmup": int(rng.integers(2, most))} if most else {}
    last = int(rng.integers(6, 12))
    return {"lr": float(rng.uniform(0.01, 2)), "num_updates": last, "schedule": schedule, **warmup}


# two parameters: a loop that ends after the first is noticed
ONE_STEP = {"values": [floats([1]), floats([2])], "steps": [[floats([4]), floats([-0.5])]], "lr": 0.1}
THREE_STEPS = {
    "values": [floats([1]), floats([-1])],
    "steps": [[floats([2]), floats([1])], [floats([-1]), floats([3])], [floats([0.5]), floats([-2])]],
    "lr": 0.1,
}
close = within(atol=1e-5)
of_adam = partial(Case, function="adam", lesson=7, drive=drive_adam, expect=_adam, check=close)
of_adamw = partial(Case, function="adamw", lesson=7, drive=drive_adamw, expect=_adam, check=close)
of_learning_rate = partial(Case, function="learning_rate", lesson=7, drive=drive_learning_rate, expect=_rates)
of_optimizer = partial(Case, function="Optimizer", lesson=7)

CASES = [
    Case(
        name="the parameters go against the gradient by lr times its length, in place",
        function="sgd",
        lesson=7,
        drive=drive_sgd,
        example={
            "values": [floats([1, 2]), floats([3])],
            "gradients": [floats([10, -20]), floats([5])],
            "lr": 0.1,
        },
        draw=_drawn,
        expect=_moved,
    ),
    Case(
        name="every parameter gets two arrays of zeros of its shape",
        function="init_adam_states",
        lesson=7,
        drive=drive_init,
        example={"values": [np.ones((2, 3), np.float32), np.ones(4, np.float32)]},
        draw=lambda rng: {"values": _drawn(rng)["values"]},
        mistakes=(
            Mistake(
                "m and v of a parameter are one array: what is written to one changes the other",
                shows=lambda answer, expected, inputs: any(v.any() for v in answer["v when m has changed"]),
            ),
        ),
    ),
    of_adam(
        name="the first step has length lr, whatever the size of the gradient",
        example=ONE_STEP,
        draw=lambda rng: _steps(rng, 1),
        mistakes=(
            Mistake(
                told("07_optim_adam_v_is_not_squared"),
                shows=lambda answer, expected, inputs: np.isnan(answer[0][0]).any(),
            ),
        ),
    ),
    of_adam(
        name="several steps follow algorithm 1 of Kingma & Ba",
        example=THREE_STEPS,
        draw=lambda rng: _steps(rng, int(rng.integers(3, 7))),
        mistakes=(Mistake(told("07_optim_adam_beta_times_t"), shows=_nan_from_the_second_on),),
    ),
    of_adam(
        name="eps is added to the corrected root",
        example={
            "values": [floats([0]), floats([1])],
            "steps": [[floats([3]), floats([-1])]],
            "lr": 1.0,
            "eps": 1.0,
        },
        draw=lambda rng: {**_steps(rng, 2), "eps": float(rng.uniform(0.1, 2))},
    ),
    Case(
        name="m and v are changed in place",
        function="adam",
        lesson=7,
        drive=drive_adam_states,
        example={"values": [floats([1]), floats([1])], "gradients": [floats([2]), floats([-3])], "lr": 0.1},
        draw=_drawn,
    ),
    of_adamw(
        name="a parameter whose gradient is zero decays by the share lr * weight_decay of itself",
        example={
            "values": [floats([8]), floats([-4])],
            "steps": [[floats([0]), floats([0])]],
            "lr": 0.5,
            "weight_decay": 0.2,
        },
        draw=lambda rng: {
            **(inputs := _steps(rng, 2)),
            "steps": [[0 * g for g in gradients] for gradients in inputs["steps"]],
            "weight_decay": float(rng.uniform(0.1, 1)),
        },
    ),
    of_adamw(
        name="several steps are those of adam, and the decay goes into neither m nor v",
        example={**THREE_STEPS, "weight_decay": 0.5},
        draw=lambda rng: {
            **_steps(rng, int(rng.integers(3, 7))),
            "weight_decay": float(rng.uniform(0.1, 1)),
        },
    ),
    of_learning_rate(
        name="constant, it is lr at every step",
        example={"lr": 0.1, "num_updates": 3, "schedule": "constant"},
        draw=lambda rng: _drawn_schedule(rng, "constant", 0),
    ),
    of_learning_rate(
        name="it rises in a straight line and is lr at step warmup",
        example={"lr": 0.1, "num_updates": 6, "schedule": "constant", "warmup": 4},
        draw=lambda rng: _drawn_schedule(rng, "constant", 15),
    ),
    of_learning_rate(
        name="a cosine falls from lr to almost 0",
        example={"lr": 0.1, "num_updates": 4, "schedule": "cosine"},
        draw=lambda rng: _drawn_schedule(rng, "cosine", 0),
    ),
    of_learning_rate(
        name="the cosine begins when the warm-up is over",
        example={"lr": 0.1, "num_updates": 7, "schedule": "cosine", "warmup": 3},
        draw=lambda rng: _drawn_schedule(rng, "cosine", 6),
    ),
    of_optimizer(
        name="under the name sgd it takes the steps of sgd",
        drive=drive_optimizer,
        example={"name": "sgd", **THREE_STEPS},
        draw=lambda rng: {"name": "sgd", **_steps(rng, 3)},
    ),
    of_optimizer(
        name="under the name adam it counts its steps and remembers its states",
        drive=drive_optimizer,
        example={"name": "adam", **THREE_STEPS},
        draw=lambda rng: {"name": "adam", **_steps(rng, int(rng.integers(3, 7)))},
        expect=_adam,
        check=close,
    ),
    of_optimizer(
        name="the array itself moves, and can be differentiated again",
        drive=drive_same_array,
        example={"names": ["sgd", "adam"], "values": [floats([3]), floats([1])], "lr": 0.5},
        draw=lambda rng: {"names": ["sgd", "adam"], "values": _drawn(rng)["values"], "lr": 0.1},
    ),
    of_optimizer(
        name="an unknown name is a ValueError",
        drive=drive_unknown,
        example={"name": "Adam"},
        draw=lambda rng: {"name": str(rng.choice(["rmsprop", "", "SGD", "momentum"]))},
        check=refused("ValueError"),
        mistakes=(
            Mistake(
                "an unknown name goes through: a typo would train with another optimizer than asked for",
                shows=lambda answer, expected, inputs: answer == [],
            ),
        ),
    ),
]
