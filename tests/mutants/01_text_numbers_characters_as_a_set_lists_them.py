"""The characters are numbered in the order of list(set(text)): another one in every process."""

from collections import Counter

from d2lrnn import *
from d2lrnn import Vocab as RightVocab


class Vocab(RightVocab):
    def __init__(self, text, *, min_freq=1, unk=False):
        super().__init__(text, min_freq=min_freq, unk=unk)
        counts = Counter(text)
        kept = [char for char in set(text) if counts[char] >= min_freq]
        self.idx_to_char = ["<unk>", *kept] if unk else kept
        self.char_to_idx = {char: idx for idx, char in enumerate(self.idx_to_char)}
