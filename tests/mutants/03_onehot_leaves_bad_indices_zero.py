"""An index out of range becomes a row of zeros, as nd.one_hot makes it, and nobody hears of it."""

from mxnet import nd

from d2lrnn import *
from d2lrnn.checks import check_size


def one_hot(indices, vocab_size):
    check_size(vocab_size=vocab_size)
    if not isinstance(indices, nd.NDArray):
        indices = nd.array(indices)
    return nd.one_hot(indices, vocab_size)
