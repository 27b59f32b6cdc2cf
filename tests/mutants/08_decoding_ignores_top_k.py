"""top_k is taken and not used: the unlikeliest characters are drawn too."""

import d2lrnn
from d2lrnn import *


def generate(*args, top_k=None, **options):
    return d2lrnn.generate(*args, **options)
