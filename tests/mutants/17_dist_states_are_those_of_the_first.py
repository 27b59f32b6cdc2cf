"""All workers start from the state of the first."""

from d2lrnn import *
from d2lrnn import Replica as Right


class Replica(Right):
    def _parts(self, data, label, state):
        parts = list(super()._parts(data, label, state))
        return [part._replace(state=parts[0].state) for part in parts]
