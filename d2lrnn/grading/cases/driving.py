"""What drivers share. It runs in the worker, beside a submission, so it contains no answers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mxnet import nd


def refusal(call: Callable[[], Any]) -> list[str]:
    """The names of the error that a call raises, its own and those of its bases; none if it raises none.

    First take the function out of the submission: that it is missing does not count as a refusal.
    """
    try:
        call()
    except NotImplementedError:  # not written yet
        raise
    except Exception as error:
        return [kind.__name__ for kind in type(error).__mro__]
    return []


def opened(params: Any) -> dict[str, Any]:
    """What a function returns for a NamedTuple of arrays: of what kind it is, its names, and its arrays.

    A plain tuple or list will do, too: its arrays have no names but an order.
    """
    is_sequence = isinstance(params, (tuple, list))
    names = list(getattr(params, "_fields", ())) if is_sequence else []
    return {
        "kind": "NamedTuple" if names else type(params).__name__,
        "names": names,
        "arrays": list(params) if is_sequence else [],
    }


def number(loss: Any) -> Any:
    """A loss as a float, be it an NDArray, an array of NumPy or a number; of several numbers, all."""
    if hasattr(loss, "asnumpy"):
        loss = loss.asnumpy()
    return (
        float(loss.reshape(-1)[0]) if isinstance(loss, (np.ndarray, np.generic)) and loss.size == 1 else loss
    )


def with_gradients(values: Sequence[np.ndarray], gradients: Sequence[np.ndarray]) -> list[nd.NDArray]:
    """Parameters of these values whose gradients are given, not computed."""
    params = [nd.array(value, dtype="float32") for value in values]
    for param, gradient in zip(params, gradients):
        param.attach_grad()
        param.grad[:] = nd.array(gradient, dtype="float32")
    return params


def with_file(name: str, content: bytes, call: Callable[[str], Any]) -> Any:
    """What call(path) returns while there is a file of this name and content."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.write(content)
        return call(path)
