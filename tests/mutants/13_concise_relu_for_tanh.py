"""The layer is asked for without an activation: Gluon takes relu, and the network is another one."""

from mxnet import gluon

import d2lrnn
from d2lrnn import *


def get_rnn_model(cell, vocab_size, hidden_dim, num_layers=1, ctx=None):
    model = d2lrnn.get_rnn_model(cell, vocab_size, hidden_dim, num_layers, ctx)
    if cell == "rnn":
        model.rnn = gluon.rnn.RNN(hidden_dim, num_layers, input_size=vocab_size)
        model.rnn.collect_params(".*h2h_bias").setattr("grad_req", "null")
        model.rnn.initialize(ctx=ctx)
    return model
