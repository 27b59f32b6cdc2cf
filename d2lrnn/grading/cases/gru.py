"""Lesson 11: what get_gru_params, init_gru_state and gru are asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..case import Case, within
from .rnn import (
    BARE_STATE,
    drive_gradients,
    drive_new_state,
    drive_outputs,
    is_state,
    params_cases,
    reading,
    shapes_of,
    state_case,
    untouched_case,
)

NAMES = ("W_xz", "W_hz", "b_z", "W_xr", "W_hr", "b_r", "W_xh", "W_hh", "b_h", "W_hy", "b_y")


def smallest(function: str, names: Sequence[str], num_states: int = 1) -> dict[str, Any]:
    """Two steps of one row through two units, in short numbers. One unit would hide where R acts."""
    rng = np.random.default_rng(5)

    def rounded(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).round(1).astype(np.float32)

    return {
        "function": function,
        "inputs": [np.array([[0, 1]], np.float32), np.array([[1, 0]], np.float32)],
        "state": [rounded(1, 2) for _ in range(num_states)],
        "params": {name: rounded(*shape) for name, shape in shapes_of(names, 2, 2).items()},
    }


def cell_cases(function: str, lesson: int, names: Sequence[str]) -> list[Case]:
    """What a cell with gates is asked."""
    num_states = 2 if function == "lstm" else 1
    example = smallest(function, names, num_states)

    def case(name: str, drive: Callable, **options: Any) -> Case:
        return Case(
            name=name,
            function=function,
            lesson=lesson,
            drive=drive,
            **{"example": example, "draw": lambda rng: reading(rng, function, names, num_states), **options},
        )

    return [
        case("the outputs are those of the formulas, one matrix a step", drive_outputs),
        case(
            "the new state is the one after the last step",
            drive_new_state,
            check=is_state,
            mistakes=(BARE_STATE,),
        ),
        case(
            "gradients go back through all time steps",
            drive_gradients,
            example={**example, "weights": [np.array([[0, 0]], np.float32), np.array([[1, 0]], np.float32)]},
            draw=lambda rng: reading(rng, function, names, num_states, weighted=True),
            check=within(atol=1e-5),
        ),
        untouched_case(function, lesson, names, num_states),
    ]


CASES = [
    *params_cases("get_gru_params", 11, NAMES),
    state_case("init_gru_state", 11, 1),
    *cell_cases("gru", 11, NAMES),
]
