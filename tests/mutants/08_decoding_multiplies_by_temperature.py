"""Logits are multiplied by the temperature: a high one makes the text tame."""

import d2lrnn
from d2lrnn import *


def generate(*args, temperature=1.0, **options):
    return d2lrnn.generate(*args, temperature=1 / temperature if temperature else 0, **options)
