"""The last two rows are added first: in float32 another order gives another sum."""

import functools
import operator

from d2lrnn import *
from d2lrnn import InTurn as Right


class InTurn(Right):
    def add_up(self, rows, out):
        out[:] = functools.reduce(operator.add, rows[::-1])
