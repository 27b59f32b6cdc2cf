"""Lesson 11: what get_gru_params, init_gru_state and gru are asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mxnet import nd

from ..case import Case, Mistake, doing, within
from .rnn import (
    drive_gradients,
    drive_new_state,
    drive_outputs,
    params_cases,
    reading,
    shapes,
    state_case,
    twins,
    untouched_case,
)

NAMES = ("W_xz", "W_hz", "b_z", "W_xr", "W_hr", "b_r", "W_xh", "W_hh", "b_h", "W_hy", "b_y")


def mistaken(
    *,
    reset: str = "before",
    reversed_update: bool = False,
    carried: bool = True,
    bent: bool = True,
    swapped: bool = False,
    detached: bool = False,
    output: Callable = lambda Y: Y,
) -> Callable:
    """A gru with one thing wrong. reset: R acts "before" or "after" the product with W_hh, or "never"."""

    def gru(inputs: Any, state: Any, params: Any) -> Any:
        (first,) = state
        H = first
        W_xz, W_hz, b_z, W_xr, W_hr, b_r, W_xh, W_hh, b_h, W_hy, b_y = params
        outputs = []
        for X in inputs:
            H = H if carried else first
            H = H.detach() if detached else H
            Z = nd.sigmoid(nd.dot(X, W_xz) + nd.dot(H, W_hz) + b_z)
            R = nd.sigmoid(nd.dot(X, W_xr) + nd.dot(H, W_hr) + b_r)
            Z, R = (R, Z) if swapped else (Z, R)
            from_state = {
                "before": nd.dot(R * H, W_hh),
                "after": R * nd.dot(H, W_hh),
                "never": nd.dot(H, W_hh),
            }[reset]
            A = nd.dot(X, W_xh) + from_state + b_h
            candidate = nd.tanh(A) if bent else A
            H = (1 - Z) * H + Z * candidate if reversed_update else Z * H + (1 - Z) * candidate
            outputs.append(output(nd.dot(H, W_hy) + b_y))
        return outputs, (H,)

    return gru


WRONG = {
    "the reset gate acts after the product with W_hh: that is Gluon's form. The book's acts on H first": (
        mistaken(reset="after")
    ),
    "the update gate is the wrong way round: where Z is 1, the old state stays": mistaken(
        reversed_update=True
    ),
    "the reset gate has no effect: it decides how much of H the candidate sees": mistaken(reset="never"),
    "the update gate and the reset gate have changed places": mistaken(swapped=True),
    "the candidate does not bend: tanh is missing": mistaken(bent=False),
    "your outputs are probabilities: give the logits, the loss takes the softmax itself": mistaken(
        output=nd.softmax
    ),
    "every time step starts from the first state: what the last step has read is forgotten": mistaken(
        carried=False
    ),
}


def smallest(function: str, names: Sequence[str], num_states: int = 1) -> dict[str, Any]:
    """Two steps of one row through two units, in short numbers. One unit would hide where R acts."""
    rng = np.random.default_rng(5)

    def rounded(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).round(1).astype(np.float32)

    return {
        "function": function,
        "inputs": [np.array([[0, 1]], np.float32), np.array([[1, 0]], np.float32)],
        "state": [rounded(1, 2) for _ in range(num_states)],
        "params": {name: rounded(*shape) for name, shape in shapes(names, 2, 2).items()},
    }


def cell_cases(
    function: str,
    lesson: int,
    names: Sequence[str],
    wrong: dict,
    states: tuple[Mistake, ...],
    detached: Callable,
) -> list[Case]:
    """What a cell with gates is asked. states: mistakes that only the new state shows; detached: a cell."""
    num_states = 2 if function == "lstm" else 1
    example = smallest(function, names, num_states)

    def case(name: str, drive: Callable, mistakes: tuple[Mistake, ...] = (), **options: Any) -> Case:
        return Case(
            name=name,
            function=function,
            lesson=lesson,
            drive=drive,
            mistakes=(*mistakes, *twins(drive, wrong, function)),
            **{"example": example, "draw": lambda rng: reading(rng, function, names, num_states), **options},
        )

    return [
        case("the outputs are those of the formulas, one matrix a step", drive_outputs),
        case("the new state is the one after the last step", drive_new_state, states),
        case(
            "gradients go back through all time steps",
            drive_gradients,
            (
                Mistake(
                    "no gradient goes back through time: the state is cut off from the graph at every step",
                    twin=doing(drive_gradients, **{function: detached}),
                ),
            ),
            example={**example, "weights": [np.array([[0, 0]], np.float32), np.array([[1, 0]], np.float32)]},
            draw=lambda rng: reading(rng, function, names, num_states, weighted=True),
            check=within(atol=1e-5),
        ),
        untouched_case(function, lesson, names, num_states),
    ]


CASES = [
    *params_cases("get_gru_params", 11, NAMES),
    state_case("init_gru_state", 11, 1),
    *cell_cases(
        "gru",
        11,
        NAMES,
        WRONG,
        (
            Mistake(
                "the state that came in is returned, not the one after the last step",
                twin=lambda inputs: inputs["state"],
            ),
        ),
        mistaken(detached=True),
    ),
]
