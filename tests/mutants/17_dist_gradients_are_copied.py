"""The buffer is a copy of the gradients: what backward() writes later does not stand in it."""

from mxnet import nd

from d2lrnn import *


def flat_gradients(params, spare=0):
    if any(param.grad is None for param in params):
        raise ValueError("a parameter has no gradient")
    return nd.concat(*[param.grad.reshape(-1) for param in params], nd.zeros(spare + 1), dim=0)[:-1]
