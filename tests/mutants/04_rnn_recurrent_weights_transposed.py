"""H is multiplied by W_hh transposed. W_hh is square, so no shape complains."""

from mxnet import nd

from d2lrnn import *


def rnn(inputs, state, params):
    (H,) = state
    W_xh, W_hh, b_h, W_hy, b_y = params
    outputs = []
    for X in inputs:
        H = nd.tanh(nd.dot(X, W_xh) + nd.dot(H, W_hh.T) + b_h)
        outputs.append(nd.dot(H, W_hy) + b_y)
    return outputs, (H,)
