"""Answers with lists nested a hundred thousand deep, lists that hold themselves, and endless generators."""

from itertools import count

from honest import sgd


def one_hot(indices, vocab_size):
    deep = []
    for _ in range(100_000):
        deep = [deep]
    return deep


def grad_clipping(params, theta):
    ring = []
    ring.append(ring)
    return {"ring": ring, "dict": {1: ring}}


class Optimizer:
    def __init__(self, name, params, lr):
        self.t = self.states = count()

    def step(self, params):
        return count()
