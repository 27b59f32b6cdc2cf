"""encode leaves out what the vocabulary does not know: the indices no longer fit the text."""

from d2lrnn import *
from d2lrnn import Vocab as RightVocab


class Vocab(RightVocab):
    def encode(self, text):
        if self.unk:
            return [self.char_to_idx.get(char, 0) for char in text]
        return [self.char_to_idx[char] for char in text if char in self.char_to_idx]
