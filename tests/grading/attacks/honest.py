"""Sound versions of the four graded functions. What a submission here imports from this file, it has
deserved.
"""

import math

import numpy as np
from mxnet import nd


def one_hot(indices, vocab_size):
    indices = np.array(indices.asnumpy() if isinstance(indices, nd.NDArray) else indices)
    if (indices != indices.astype("int64")).any() or (indices < 0).any() or (indices >= vocab_size).any():
        raise IndexError(f"an index is not a whole number in 0 … {vocab_size - 1}")
    return nd.array(np.eye(vocab_size, dtype="float32")[indices.astype("int64")])


def grad_clipping(params, theta):
    if not theta > 0:
        raise ValueError("theta is not positive")
    params = list(params)
    norm = math.sqrt(sum(float((p.grad.asnumpy().astype("float64") ** 2).sum()) for p in params))
    if not math.isfinite(norm):
        raise FloatingPointError("the gradients are not finite")
    if norm > theta:
        for p in params:
            p.grad[:] = p.grad * (theta / norm)
    return norm


def sgd(params, lr):
    if not lr > 0:
        raise ValueError("lr is not positive")
    for p in params:
        p[:] = p - lr * p.grad


class Optimizer:
    def __init__(self, name, params, lr):
        if name not in ("sgd", "adam"):
            raise ValueError(f"optimizer is {name!r}")
        if not lr > 0:
            raise ValueError("lr is not positive")
        self.name, self.lr, self.t = name, lr, 0
        self.states = init_adam_states(params) if name == "adam" else []

    def step(self, params):
        self.t += 1
        if self.name == "adam":
            adam(params, self.states, self.lr, self.t)
        else:
            sgd(params, self.lr)
