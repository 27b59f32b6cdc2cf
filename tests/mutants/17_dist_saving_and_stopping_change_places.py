"""Who asks for a checkpoint stops the training."""

from d2lrnn import *
from d2lrnn import Replica as Right


class Replica(Right):
    def agree(self, save, stop):
        stopped, saved = super().agree(save, stop)
        return saved, stopped
