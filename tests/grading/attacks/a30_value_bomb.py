"""Answers with values that explode when they are sent, printed, compared or turned into an array."""

import numpy as np
from mxnet import nd

from honest import sgd

LAUGHS = "lol"
for _ in range(12):
    LAUGHS = [LAUGHS] * 10


def one_hot(indices, vocab_size):
    return np.broadcast_to(np.float32(0), (10**6, 10**6))


def grad_clipping(params, theta):
    if len(params) % 2:
        return 10 ** (10**6)
    return LAUGHS


class Optimizer:
    def __init__(self, name, params, lr):
        self.t = LAUGHS
        self.states = [(nd.zeros((10**5, 10**5)),)]

    def step(self, params):
        params[0]._grad = LAUGHS
