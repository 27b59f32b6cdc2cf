"""The gradients of all workers are added up, and nobody divides them."""

from d2lrnn import *
from d2lrnn import Replica as Right


class Replica(Right):
    def learn(self, data, label, state, params):
        learnt = super().learn(data, label, state, params)
        for param in params:
            param.grad[:] *= label.size
        return learnt
