"""Subclasses of int, str, list and dict whose conversions loop, lie and change while they are read."""

import numpy as np

from honest import sgd


class Int(int):
    def __index__(self):
        raise SystemExit

    __int__ = __float__ = __bool__ = __len__ = __hash__ = __index__


class Text(str):
    def encode(self, *args):
        return b"\xff" * 2**20

    def __len__(self):
        return 2**40


class Growing(list):
    def __iter__(self):
        while True:
            self.append(0)
            yield self

    def __len__(self):
        return 1


class Table(dict):
    def items(self):
        yield Text("x"), self
        raise KeyboardInterrupt

    keys = values = __iter__ = items

    def __len__(self):
        return -1


class Array(np.ndarray):
    shape = property(lambda self: (2**62, 2**62))
    nbytes = property(lambda self: -1)
    dtype = property(lambda self: Text("float32"))

    def tobytes(self, order=None):
        return b""

    def __array__(self, *args):
        raise SystemExit


def one_hot(indices, vocab_size):
    return Growing([np.zeros(3).view(Array)])


def grad_clipping(params, theta):
    return Int(3)


class Optimizer:
    t = Int(1)
    states = Table()
    lr = Text("1")
    name = Growing()

    def __init__(self, name, params, lr):
        params[0].__class__ = type("A", (type(params[0]),), {"asnumpy": lambda self: np.zeros(3).view(Array)})

    def step(self, params):
        return Growing()
