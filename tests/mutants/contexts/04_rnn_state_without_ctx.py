"""The first state is made where MXNet makes everything by default, wherever the parameters are."""

from mxnet import nd

from d2lrnn import *


def init_rnn_state(batch_size, hidden_dim, ctx=None):
    return (nd.zeros((batch_size, hidden_dim)),)
