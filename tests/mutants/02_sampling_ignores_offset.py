"""Windows start at 0 whatever the offset: the end of the corpus is never trained on."""

import numpy as np

from d2lrnn import *
from d2lrnn.checks import to_integers
from d2lrnn.sampling import _check_batches, _corpus_from, _shifted_pair


def data_iter_random(corpus_indices, batch_size, num_steps, ctx=None, *, rng=None, offset=0):
    corpus = _corpus_from(offset, corpus_indices, batch_size, num_steps)
    num_windows = (len(corpus) - 1) // num_steps
    _check_batches(num_windows // batch_size, corpus, batch_size, num_steps, batch_size * num_steps + 1)
    starts = num_steps * np.arange(num_windows)
    np.random.default_rng(rng).shuffle(starts)
    for i in range(0, num_windows - batch_size + 1, batch_size):
        windows = starts[i : i + batch_size, None] + np.arange(num_steps + 1)
        yield _shifted_pair(to_integers(corpus_indices)[windows], ctx)
