"""A history that was never seen falls back to the unigram at once, over the head of shorter histories."""

import d2lrnn
from d2lrnn import *


class CountModel(d2lrnn.CountModel):
    def probability(self, char, context=()):
        context = tuple(context)[-self.order + 1 :] if self.order > 1 else ()
        if context not in self.followers:
            context = ()
        return super().probability(char, context)
