"""Raises exceptions whose text raises, never ends, or is enormous, and classes that are no exceptions."""

import sys

from honest import sgd


class Never(BaseException):
    def __str__(self):
        while True:
            pass

    __repr__ = __str__


class Enormous(Exception):
    def __str__(self):
        return "x" * 50_000_000

    def __getattribute__(self, name):
        raise self


class Lies(NotImplementedError, KeyboardInterrupt):
    __name__ = 5
    __module__ = property(lambda self: 1 / 0)
    __str__ = None


def one_hot(indices, vocab_size):
    raise Never


def grad_clipping(params, theta):
    raise Enormous


class Optimizer:
    def __init__(self, name, params, lr):
        sys.tracebacklimit = -5
        error = Lies()
        error.__cause__ = error.__context__ = error
        raise error
