"""Consecutive windows fill one batch after the other: its row r does not go on in row r of the next."""

import numpy as np

from d2lrnn import *
from d2lrnn.sampling import _check_batches, _corpus_from, _shifted_pair


def data_iter_consecutive(corpus_indices, batch_size, num_steps, ctx=None, *, rng=None, offset=0):
    corpus = _corpus_from(offset, corpus_indices, batch_size, num_steps)
    row_len = len(corpus) // batch_size
    num_batches = (row_len - 1) // num_steps
    _check_batches(num_batches, corpus, batch_size, num_steps, batch_size * (num_steps + 1))
    starts = num_steps * np.arange(num_batches * batch_size).reshape(num_batches, batch_size, 1)
    for i in range(num_batches):
        yield _shifted_pair(corpus[starts[i] + np.arange(num_steps + 1)], ctx)
