"""decode lets Python look a negative index up: -1 becomes the last character."""

from d2lrnn import *
from d2lrnn import Vocab as RightVocab
from d2lrnn.checks import to_integers


class Vocab(RightVocab):
    def decode(self, indices):
        return "".join(self.idx_to_char[int(idx)] for idx in to_integers(indices).reshape(-1))
