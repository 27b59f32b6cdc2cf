"""Answers with NaN, infinity, complex, objects, strings, masked and half-precision numbers, booleans for
ones.
"""

import numpy as np
from mxnet import nd


def one_hot(indices, vocab_size):
    return nd.array(np.full((len(indices), vocab_size), np.nan, "float32"))


def grad_clipping(params, theta):
    for p in params:
        p.grad[:] = float("nan")
    return [float("inf"), np.ma.masked, np.datetime64("NaT"), 1j, np.array("x", object)][len(params) % 5]


def sgd(params, lr):
    for p in params:
        p[:] = float("inf")


class Optimizer:
    t = True
    states = np.array([None, {}, "nan"], object)

    def __init__(self, name, params, lr):
        pass

    def step(self, params):
        params[0][:] = -np.inf
