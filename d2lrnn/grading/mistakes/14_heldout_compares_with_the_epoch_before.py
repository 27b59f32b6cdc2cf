"""every epoch is compared with the one just before it: compare with the best so far"""

import math

from d2lrnn import *


def should_stop(perplexities, patience):
    tail = [math.inf if math.isnan(value) else value for value in perplexities[-patience - 1 :]]
    return len(tail) > patience and tail == sorted(tail)
