"""not one batch is yielded: the loop is never entered, or there is no yield in it"""

from d2lrnn.grading.mistakes import *


def data_iter_random(corpus_indices, batch_size, num_steps, ctx=None, *, rng=None, offset=0):
    yield from ()
