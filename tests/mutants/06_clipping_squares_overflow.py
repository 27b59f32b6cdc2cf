"""The norm is the root of a sum of float32 squares: 1e20 squared is infinite, and everything becomes 0."""

from importlib import import_module

from mxnet import nd

from d2lrnn import *

checks = import_module("d2lrnn.checks")


def grad_clipping(params, theta):
    checks.check_positive(theta=theta)
    gradients = [g for _, g in checks.check_gradients(params)]
    norm = nd.add_n(*[(g**2).sum() for g in gradients]).sqrt().asscalar()
    if norm > theta:
        for g in gradients:
            g *= theta / norm
    return float(norm)
