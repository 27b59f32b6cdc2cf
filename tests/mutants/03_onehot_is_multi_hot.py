"""A row of indices becomes one vector with several ones: which came first is lost."""

import numpy as np
from mxnet import nd

from d2lrnn import *
from d2lrnn.checks import check_indices, check_size


def one_hot(indices, vocab_size):
    check_size(vocab_size=vocab_size)
    rows = check_indices(indices, vocab_size, try_gpu()).asnumpy()
    rows = rows.reshape(len(rows), -1)
    encoded = np.zeros((len(rows), vocab_size))
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            encoded[i, rows[i, j]] = 1
    return nd.array(encoded)
