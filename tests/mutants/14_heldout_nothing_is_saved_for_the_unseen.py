"""Counts are divided by their sum and no more: what was never seen has probability zero."""

import d2lrnn
from d2lrnn import *


class CountModel(d2lrnn.CountModel):
    def probability(self, char, context=()):
        history = tuple(context)[-self.order + 1 :] if self.order > 1 else ()
        if self.order < 2 or history not in self.followers:
            return super().probability(char, context)
        return self.followers[history][char] / self.totals[history]
