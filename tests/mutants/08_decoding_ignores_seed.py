"""The seed is taken and not used: no text can be written again."""

import d2lrnn
from d2lrnn import *


def generate(*args, seed=None, **options):
    return d2lrnn.generate(*args, **options)
