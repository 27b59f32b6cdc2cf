"""The rows are one buffer, written over by every worker that follows."""

from d2lrnn import *
from d2lrnn import Replica as Right


class Replica(Right):
    def learn(self, data, label, state, params):
        add_up = self.workers.add_up
        self.workers.add_up = lambda rows, out: add_up(rows[-1:] * len(rows), out)
        try:
            return super().learn(data, label, state, params)
        finally:
            self.workers.add_up = add_up
