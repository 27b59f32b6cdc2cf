"""The weights of Gluon's layers are on the default device."""

import mxnet as mx

import d2lrnn
from d2lrnn import *


def get_rnn_model(cell, vocab_size, hidden_dim, num_layers=1, ctx=None):
    return d2lrnn.get_rnn_model(cell, vocab_size, hidden_dim, num_layers, mx.current_context())
