"""Both biases of a layer are trained: under SGD their sum learns at twice the rate."""

import d2lrnn
from d2lrnn import *


def get_rnn_model(cell, vocab_size, hidden_dim, num_layers=1, ctx=None):
    model = d2lrnn.get_rnn_model(cell, vocab_size, hidden_dim, num_layers, ctx)
    model.collect_params(".*h2h_bias").setattr("grad_req", "write")
    return model
