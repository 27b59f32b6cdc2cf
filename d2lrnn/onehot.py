"""Lesson 3. An index becomes a vector with a single 1, the form in which a character enters the network."""

from __future__ import annotations

from typing import Any

import numpy as np
from mxnet import nd

from .checks import check_indices, check_size
from .sampling import try_gpu


def one_hot(indices: Any, vocab_size: int) -> nd.NDArray:
    """indices of any shape (…,) become (…, vocab_size) float32: zeros, and a 1 at every index.

    Raises:
        IndexError: an index is not a whole number in 0 … vocab_size - 1.
    """
    check_size(vocab_size=vocab_size)
    if np.ndim(indices) == 0:  # a bare number: MXNet knows no array without dimensions
        return one_hot([indices], vocab_size)[0]
    return nd.one_hot(check_indices(indices, vocab_size, try_gpu()), vocab_size)


def get_inputs(data: nd.NDArray, vocab_size: int) -> list[nd.NDArray]:
    """data (batch_size, num_steps) as num_steps matrices (batch_size, vocab_size), one for every time step.

    Raises:
        IndexError: an index is not a whole number in 0 … vocab_size - 1.
        ValueError: data is not a matrix.
    """
    check_size(vocab_size=vocab_size)
    return [nd.one_hot(X, vocab_size) for X in check_indices(data, vocab_size, try_gpu(), ndim=2).T]
