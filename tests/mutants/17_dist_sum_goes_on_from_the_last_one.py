"""The rows are added to what stood in the buffer before."""

from d2lrnn import *
from d2lrnn import InTurn as Right


class InTurn(Right):
    def add_up(self, rows, out):
        for row in rows:
            out += row
