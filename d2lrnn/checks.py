"""Every check of the lessons: what MXNet would silently get wrong is refused in words."""

from __future__ import annotations

import contextlib
import functools
import math
import numbers
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from mxnet import nd

MAX_INT32 = 2**31 - 1
MAX_FLOAT = sys.float_info.max  # an int may be larger, and infinite as a float


@functools.lru_cache(maxsize=1)
def memory() -> int:
    """The bytes of memory that this process can have: the machine's, or what its control group allows."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")] if hasattr(os, "sysconf") else [2**63]
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # "max": no limit
            sizes.append(int(Path(path).read_text()))
    return min(sizes)


def check_memory(what: str, num_bytes: int, remedy: str) -> None:
    """Check that num_bytes fit into memory: asked for more, MXNet ends the process or waits forever.

    Raises:
        ValueError: naming what needs them, and the remedy.
    """
    if num_bytes > memory():
        sizes = (
            f"{min(num_bytes, 2**80) / 2**30:,.1f} GiB of memory, more than the {memory() / 2**30:,.1f} here"
        )
        raise ValueError(f"{what} {sizes}: {remedy}")


def check_size(**sizes: Any) -> None:
    """Check that every size is an integer of at least 1: MXNet reads a 0 in a shape as «unknown».

    Raises:
        ValueError: naming the first size that is not.
    """
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, numbers.Integral) or int(size) < 1:
            raise ValueError(f"{name} is {size!r}: give an integer of at least 1")


def check_positive(**values: Any) -> None:
    """Check that every value is a finite number above 0.

    Raises:
        ValueError: naming the first value that is not.
    """
    for name, value in values.items():
        if not 0 < _to_number(value) <= MAX_FLOAT:  # of NaN every comparison is false
            raise ValueError(f"{name} is {value!r}: give a number above 0")


def check_not_negative(**values: Any) -> None:
    """Check that every value is a finite number of at least 0.

    Raises:
        ValueError: naming the first value that is not.
    """
    for name, value in values.items():
        if not 0 <= _to_number(value) <= MAX_FLOAT:
            raise ValueError(f"{name} is {value!r}: give a number of at least 0")


def _to_number(value: Any) -> Any:
    """value, or NaN if it is no real number; NumPy's as Python's, since NumPy 2 compares in float32."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return math.nan
    return value.item() if isinstance(value, np.generic) else value


def check_seed(seed: Any) -> int:
    """seed as an int in 0 … 2^32 - 1: MXNet takes any other modulo 2^32, and 2^32 becomes 0.

    Raises:
        ValueError: it is not.
    """
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral) or not 0 <= int(seed) < 2**32:
        raise ValueError(f"seed is {seed!r}: give an integer from 0 to {2**32 - 1}")
    return int(seed)


def to_integers(indices: Any, what: str = "indices") -> np.ndarray:
    """indices (NDArray, array, list, range or number, any shape) as whole numbers in numpy.

    Raises:
        TypeError: they are neither whole numbers nor floats (True, a string, a ragged list).
        IndexError: one of them has a fraction, is NaN or infinite: MXNet would cut or clip it.
    """
    array = indices.asnumpy() if isinstance(indices, nd.NDArray) else np.asarray(indices)
    if array.size == 0 and array.dtype.kind == "f":  # np.asarray([])
        array = array.astype(np.int64)
    if array.dtype.kind == "f":
        bad = array[~(np.isfinite(array) & (array == np.floor(array)))]
        if bad.size:
            raise IndexError(f"{what} hold {bad[0]}: an index is a whole number")
    elif array.dtype.kind not in "iu":
        raise TypeError(f"{what} hold {array.dtype} values: an index is a whole number")
    return array


def to_indices(indices: Any, vocab_size: int, *, ndim: int | None = None) -> np.ndarray:
    """indices (of any shape, or of ndim dimensions) as int32 in numpy, each in 0 … vocab_size - 1.

    Raises:
        IndexError: one of them is out of range or no whole number.
        ValueError: there are none, or they do not have ndim dimensions.
    """
    integers = to_integers(indices)
    if integers.size == 0:
        raise ValueError(f"indices of shape {integers.shape} hold nothing: give at least one")
    if ndim and integers.ndim != ndim:
        raise ValueError(f"indices have {integers.ndim} dimensions: give {ndim}")
    bad = integers[(integers < 0) | (integers >= vocab_size)]
    if bad.size:
        raise IndexError(
            f"index {bad[0]} is outside a vocabulary of {vocab_size}: give 0 to {vocab_size - 1}"
        )
    return integers.astype(np.int32, copy=False)


def check_indices(indices: Any, vocab_size: int, ctx: Any, *, ndim: int | None = None) -> nd.NDArray:
    """The same as an NDArray: one stays where it is, anything else goes to ctx.

    MXNet's one_hot makes an all-zero row of an index out of range; take and pick clip it.

    Raises:
        IndexError, ValueError, TypeError: as in to_indices.
    """
    integers = to_indices(indices, vocab_size, ndim=ndim)
    if isinstance(indices, nd.NDArray):
        return indices.astype("int32", copy=False)
    return nd.array(integers, ctx=ctx, dtype="int32")


def check_floats(**arrays: nd.NDArray) -> None:
    """Check that every array holds floats: MXNet divides, scales and differentiates integers differently.

    Raises:
        TypeError: naming the first array that does not.
    """
    for name, array in arrays.items():
        if not isinstance(array, nd.NDArray) or np.dtype(array.dtype).kind != "f":
            found = (
                f"{np.dtype(array.dtype)} values" if isinstance(array, nd.NDArray) else type(array).__name__
            )
            raise TypeError(f"{name} holds {found}: give an NDArray of float32")


def check_gradients(params: Iterable[nd.NDArray]) -> list[tuple[nd.NDArray, nd.NDArray]]:
    """Every parameter with its gradient.

    Raises:
        ValueError: there are no parameters (a generator is empty when read again), or one has no gradient
            (attach_grad() was not called, or `param = param - ...` made a new array).
        TypeError: a gradient holds integers.
    """
    pairs = [(param, param.grad) for param in params]
    if not pairs:
        raise ValueError("there are no parameters: give a list (a generator can be read only once)")
    for i, (_, gradient) in enumerate(pairs):
        if gradient is None:
            raise ValueError(
                f"parameter {i} has no gradient: call attach_grad(), and assign to param[:], not to param"
            )
        check_floats(gradient=gradient)
    return pairs


def check_backward_reached(params: Iterable[nd.NDArray]) -> None:
    """Check that backward() has written every parameter's gradient since the last call of this function.

    MXNet keeps the old gradient of a parameter that takes no part in the loss, without a warning.

    Raises:
        ValueError: naming the parameter whose gradient is an old one.
    """
    names = getattr(params, "_fields", None)
    for i, param in enumerate(params):
        if not param._fresh_grad:
            raise ValueError(
                f"{names[i] if names else i} takes no part in the loss: its gradient is an old one"
            )
        param._fresh_grad = False


def check_loss(nats: float) -> None:
    """Check that the loss in nats per character is finite, and so is its perplexity.

    Raises:
        FloatingPointError: it is not.
    """
    if not nats <= math.log(MAX_FLOAT):  # of NaN every comparison is false
        raise FloatingPointError(f"the loss is {nats:g} nats per character: try a smaller learning rate")
