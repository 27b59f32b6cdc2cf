"""The state itself is dropped, and so what it remembers is lost to all later steps."""

from mxnet import nd

from d2lrnn import *


def rnn_dropout(inputs, state, params, p):
    (H,) = state
    W_xh, W_hh, b_h, W_hy, b_y = params
    outputs = []
    for X in inputs:
        H = dropout(nd.tanh(dropout(nd.dot(X, W_xh), p) + nd.dot(H, W_hh) + b_h), p)
        outputs.append(nd.dot(H, W_hy) + b_y)
    return outputs, (H,)
