"""`param = param - ...` makes a new array under the old name: the network's own parameter never moves."""

from d2lrnn import *


def sgd(params, lr):
    for param in params:
        param = param - lr * param.grad
