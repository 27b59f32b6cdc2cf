"""Every batch draws windows anew: some come twice in an epoch, others never."""

import numpy as np

from d2lrnn import *
from d2lrnn.sampling import _check_batches, _corpus_from, _shifted_pair


def data_iter_random(corpus_indices, batch_size, num_steps, ctx=None, *, rng=None, offset=0):
    corpus = _corpus_from(offset, corpus_indices, batch_size, num_steps)
    num_windows = (len(corpus) - 1) // num_steps
    _check_batches(num_windows // batch_size, corpus, batch_size, num_steps, batch_size * num_steps + 1)
    starts = num_steps * np.arange(num_windows)
    rng = np.random.default_rng(rng)
    for _ in range(num_windows // batch_size):
        windows = rng.choice(starts, size=(batch_size, 1)) + np.arange(num_steps + 1)
        yield _shifted_pair(corpus[windows], ctx)
