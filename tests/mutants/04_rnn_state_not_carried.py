"""Every time step starts from the first state: what the last step has read is forgotten."""

from mxnet import nd

from d2lrnn import *


def rnn(inputs, state, params):
    (H,) = state
    W_xh, W_hh, b_h, W_hy, b_y = params
    outputs = []
    for X in inputs:
        H_new = nd.tanh(nd.dot(X, W_xh) + nd.dot(H, W_hh) + b_h)
        outputs.append(nd.dot(H_new, W_hy) + b_y)
    return outputs, (H_new,)
