"""Control: everything is wrong, no marks."""

from mxnet import nd


def one_hot(indices, vocab_size):
    return nd.zeros((len(indices), vocab_size))


def grad_clipping(params, theta):
    return 1.0


def sgd(params, lr):
    return params


class Optimizer:
    def __init__(self, name, params, lr):
        pass

    def step(self, params):
        pass
