"""Lesson 3. What one_hot and get_inputs are asked."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from mxnet import nd

from ..case import Case, Mistake, refused, unquoted
from .driving import refusal


def drive_one_hot(s: Any, indices: Any, vocab_size: int) -> Any:
    """The vectors of indices."""
    return s.one_hot(nd.array(indices, dtype="int32"), vocab_size)


def drive_kind(s: Any, indices: Any, vocab_size: int) -> Any:
    """What one_hot returns, and of what dtype."""
    encoded = s.one_hot(nd.array(indices, dtype="int32"), vocab_size)
    kind = type(encoded).__name__
    return f"{kind} of {np.dtype(encoded.dtype)}" if hasattr(encoded, "dtype") else kind


def drive_get_inputs(s: Any, data: Any, vocab_size: int) -> Any:
    """The matrices of a batch."""
    return list(s.get_inputs(nd.array(data, dtype="int32"), vocab_size))


def drive_bad_index(s: Any, name: str, indices: Any, vocab_size: int) -> Any:
    """The error that an index from elsewhere causes."""
    function, indices = getattr(s, name), nd.array(indices, dtype="int32")
    return refusal(lambda: _computed(function(indices, vocab_size)))


def _computed(answer: Any) -> None:
    """Wait for all that a function returns or yields: an error may come late."""
    for part in () if answer is None else answer:
        if isinstance(part, nd.NDArray):
            part.wait_to_read()


def _indices(rng: np.random.Generator, ndim: int, name: str = "indices") -> dict:
    vocab_size = int(rng.integers(3, 9))
    shape = tuple(int(size) for size in rng.integers(2, 5, size=ndim))
    return {name: rng.integers(vocab_size, size=shape), "vocab_size": vocab_size}


def _batch(rng: np.random.Generator) -> dict:
    batch_size = int(rng.integers(2, 4))
    vocab_size, num_steps = int(rng.integers(4, 9)), batch_size + int(rng.integers(1, 3))
    return {
        "data": rng.permutation(batch_size * num_steps).reshape(batch_size, -1) % vocab_size,
        "vocab_size": vocab_size,
    }


def _bad(rng: np.random.Generator, name: str) -> dict:
    vocab_size = int(rng.integers(3, 9))
    indices = rng.integers(vocab_size, size=(2, 3))
    indices[rng.integers(2), rng.integers(3)] = rng.choice([-1, vocab_size, vocab_size + 5])
    return {"name": name, "indices": indices, "vocab_size": vocab_size}


def _is_of_kind(answer: Any, expected: Any, inputs: dict) -> str | None:
    return (
        None if answer == expected else f"an {expected} is expected, not an object of type {unquoted(answer)}"
    )


def _bad_index_of(name: str) -> Case:
    return Case(
        name="an index outside 0 … vocab_size - 1 is an IndexError",
        function=name,
        lesson=3,
        drive=drive_bad_index,
        example={"name": name, "indices": [[0, 3]], "vocab_size": 3},
        draw=lambda rng: _bad(rng, name),
        check=refused("IndexError"),
    )


of_one_hot = partial(Case, function="one_hot", lesson=3)
CASES = [
    of_one_hot(
        name="each index becomes a row with a single 1, at its place",
        drive=drive_one_hot,
        example={"indices": [0, 2, 2], "vocab_size": 3},
        draw=lambda rng: _indices(rng, 1),
    ),
    of_one_hot(
        name="indices of shape (…) become vectors of shape (…, vocab_size)",
        drive=drive_one_hot,
        example={"indices": [[0, 1], [2, 0]], "vocab_size": 3},
        draw=lambda rng: _indices(rng, int(rng.integers(2, 4))),
    ),
    of_one_hot(
        name="the vectors are an NDArray of float32",
        drive=drive_kind,
        example={"indices": [1, 0], "vocab_size": 2},
        draw=lambda rng: _indices(rng, 1),
        check=_is_of_kind,
    ),
    _bad_index_of("one_hot"),
    Case(
        name="there is one matrix (batch_size, vocab_size) for every time step",
        function="get_inputs",
        lesson=3,
        drive=drive_get_inputs,
        example={"data": [[0, 1, 2], [3, 4, 5]], "vocab_size": 6},
        draw=_batch,
        mistakes=(
            Mistake(
                "a list of matrices is expected, one for every time step, not one array",
                shows=lambda answer, expected, inputs: len(answer) == 1,
            ),
        ),
    ),
    _bad_index_of("get_inputs"),
]
