"""Perplexity is 2 ** loss, as in formulas with logarithms of base 2: ours is in nats."""

from d2lrnn import *


def perplexity(nats_per_char):
    return 2.0**nats_per_char
