"""All workers start from the state of the first."""

from d2lrnn import *
from d2lrnn import Replica as Right


class Replica(Right):
    def _parts(self, data, label, state):
        parts = list(super()._parts(data, label, state))
        return [(data, label, parts[0][2]) for data, label, _ in parts]
