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

    Take the function out of the submission before: that it is missing is no refusal.
    """
    try:
        call()
    except NotImplementedError:  # not written yet
        raise
    except Exception as error:
        return [kind.__name__ for kind in type(error).__mro__]
    return []


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
