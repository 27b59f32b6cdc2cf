"""the seed is taken and not used: two calls with the same seed write two texts. Draw from a generator that
is made anew, with the seed, in every call"""

import d2lrnn
from d2lrnn.grading.mistakes import *


def generate(*args, seed=None, **options):
    return d2lrnn.generate(*args, **options)
