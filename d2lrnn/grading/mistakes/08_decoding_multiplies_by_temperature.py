"""the temperature acts the wrong way round: a high one has to make the characters more alike, so the
logits are divided by it, not multiplied"""

import d2lrnn
from d2lrnn.grading.mistakes import *


def generate(*args, temperature=1.0, **options):
    return d2lrnn.generate(*args, temperature=temperature and 1 / temperature, **options)
