"""Answers with objects that run a command when they are unpickled or copied."""

import os

from mxnet import nd

from honest import sgd


class Run:
    def __reduce__(self):
        return os.system, ("echo x > @outside@/results/pickled",)

    __reduce_ex__ = lambda self, protocol: self.__reduce__()
    __deepcopy__ = __copy__ = lambda self, memo=None: os.system("echo x > @outside@/results/copied")


class Array(nd.NDArray):
    __reduce__ = Run.__reduce__
    __reduce_ex__ = Run.__reduce_ex__


def one_hot(indices, vocab_size):
    return Run()


def grad_clipping(params, theta):
    return {"norm": [Run(), Run()]}


def Optimizer(name, params, lr):
    for p in params:
        p.__class__ = Array
    return Run()
