"""Who asks for a checkpoint takes it at once: the others do not know yet."""

from d2lrnn import *
from d2lrnn import Replica as Right


class Replica(Right):
    def agree(self, save, stop):
        saved, stopped = super().agree(save, stop)
        return saved or save, stopped or stop
