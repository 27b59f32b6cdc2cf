"""Lesson 6. What grad_clipping is asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ..case import Case, Mistake, differs, floats, refused, within
from ..mistakes import told
from .driving import number, refusal, with_gradients


def drive_norm(s: Any, gradients: Any, theta: float) -> Any:
    """The norm that is returned."""
    params = with_gradients([np.ones_like(g) for g in gradients], gradients)
    return number(s.grad_clipping(params, theta))


def drive_gradients(s: Any, gradients: Any, theta: float) -> Any:
    """The gradients after the call."""
    params = with_gradients([np.ones_like(g) for g in gradients], gradients)
    s.grad_clipping(params, theta)
    return [param.grad for param in params]


def drive_values(s: Any, gradients: Any, theta: float) -> Any:
    """The parameters after the call."""
    params = with_gradients([np.ones_like(g) for g in gradients], gradients)
    s.grad_clipping(params, theta)
    return params


def drive_no_number(s: Any, gradients: Any, last: Sequence[str], theta: float) -> Any:
    """The errors that gradients cause the last of which is not a number."""
    grad_clipping, errors = s.grad_clipping, []
    for last_one in last:
        all_gradients = [*gradients, np.array([float(last_one)])]
        params = with_gradients([np.ones_like(g) for g in all_gradients], all_gradients)
        errors.append(refusal(lambda: grad_clipping(params, theta)))  # noqa: B023 (called at once)
    return errors


def drive_scaled(s: Any, gradients: Any, theta: float, size: float) -> Any:
    """Norm and gradients of enormous or tiny gradients, in units of size."""
    params = with_gradients([np.ones_like(g) for g in gradients], [g * np.float32(size) for g in gradients])
    norm = number(s.grad_clipping(params, theta * size))
    return {
        "norm / size": norm / size if isinstance(norm, float) else norm,
        "gradients / size": [param.grad.asnumpy() / size for param in params],
    }


def _drawn(rng: np.random.Generator, share: tuple[float, float] = (0.2, 0.8)) -> dict:
    """theta: a share of the norm."""
    shapes = [tuple(int(n) for n in rng.integers(1, 4, size=2)) for _ in range(int(rng.integers(2, 5)))]
    gradients = [rng.normal(scale=rng.uniform(0.5, 5), size=shape).astype(np.float32) for shape in shapes]
    return {"gradients": gradients, "theta": float(rng.uniform(*share) * _norm(gradients))}


def _short(rng: np.random.Generator) -> dict:
    """Gradients that are shorter than theta even if their norms are added up."""
    gradients = _drawn(rng)["gradients"]
    return {"gradients": gradients, "theta": rng.uniform(1.1, 9) * sum(_norm([g]) for g in gradients)}


def _norm(gradients: Any) -> float:
    return math.sqrt(sum((np.asarray(g, dtype=np.float64) ** 2).sum() for g in gradients))


def _shortened(inputs: dict) -> list[np.ndarray]:
    factor = min(1, inputs["theta"] / _norm(inputs["gradients"]))
    return [(g * factor).astype(np.float32) for g in inputs["gradients"]]


def _each_refused(answer: Any, expected: Any, inputs: dict) -> str | None:
    check = refused("FloatingPointError")
    for last_one, errors in zip(inputs["last"], answer, strict=True):
        problem = check(errors, expected, inputs)
        if problem:
            return f"a gradient of {last_one}: {problem}"
    return None


NO_NUMBERS = ["nan", "inf", "-inf"]
THREE_FOUR_TWELVE = {"gradients": [floats([3, 4]), floats([[12]])], "theta": 1.3}
build = partial(Case, function="grad_clipping", lesson=6)

CASES = [
    build(
        name="the norm of all gradients together, as it was before, is returned",
        drive=drive_norm,
        example=THREE_FOUR_TWELVE,
        draw=_drawn,
        expect=lambda inputs: _norm(inputs["gradients"]),
    ),
    build(
        name="gradients longer than theta are shortened together, in place, to theta",
        drive=drive_gradients,
        example=THREE_FOUR_TWELVE,
        draw=_drawn,
        expect=_shortened,
    ),
    build(
        name="gradients no longer than theta are not touched",
        drive=drive_gradients,
        example={"gradients": [floats([3]), floats([4])], "theta": 10.0},
        draw=_short,
        expect=lambda inputs: inputs["gradients"],
    ),
    build(
        name="gradients of zero stay zero",
        drive=drive_gradients,
        example={"gradients": [np.zeros(2, np.float32), np.zeros((1, 1), np.float32)], "theta": 1.0},
        draw=lambda rng: {"gradients": [np.zeros_like(g) for g in _drawn(rng)["gradients"]], "theta": 0.5},
        expect=lambda inputs: inputs["gradients"],
        mistakes=(
            Mistake(
                "zero divided by zero is not a number: near a minimum there is nothing to clip",
                shows=lambda answer, expected, inputs: any(np.isnan(g).any() for g in answer),
            ),
        ),
    ),
    build(
        name="the parameters themselves are not touched",
        drive=drive_values,
        example=THREE_FOUR_TWELVE,
        draw=_drawn,
        expect=lambda inputs: [np.ones_like(g) for g in inputs["gradients"]],
        mistakes=(
            Mistake(
                "the parameters have changed: clipping is about their gradients",
                shows=lambda answer, expected, inputs: differs(answer, expected) is not None,
            ),
        ),
    ),
    build(
        name="a norm that is NaN or infinite is a FloatingPointError",
        drive=drive_no_number,
        example={"gradients": [floats([3, 4])], "last": NO_NUMBERS, "theta": 1.0},
        draw=lambda rng: {"gradients": _drawn(rng)["gradients"], "last": NO_NUMBERS, "theta": 1.0},
        check=_each_refused,
        mistakes=(
            Mistake(
                "a gradient that is not a number goes through: every parameter would be NaN after the next "
                "step. Refuse it",
                shows=lambda answer, expected, inputs: [] in answer,
            ),
        ),
    ),
    build(
        name="the squares of gradients may be too large for float32",
        drive=drive_scaled,
        example={"gradients": [floats([3]), floats([4])], "theta": 1.0, "size": 1e20},
        draw=lambda rng: {**_drawn(rng), "size": float(10 ** rng.uniform(21, 30))},
        expect=lambda inputs: {
            "norm / size": _norm(inputs["gradients"]),
            "gradients / size": _shortened(inputs),
        },
        check=within(atol=1e-5),
        mistakes=(
            Mistake(
                told("06_clipping_squares_overflow"),
                shows=lambda answer, expected, inputs: not math.isfinite(answer["norm / size"]),
            ),
        ),
    ),
]
