"""The hidden layer uses ReLU, as in a multilayer perceptron, and not tanh."""

from mxnet import nd

from d2lrnn import *


def rnn(inputs, state, params):
    (H,) = state
    W_xh, W_hh, b_h, W_hy, b_y = params
    outputs = []
    for X in inputs:
        H = nd.relu(nd.dot(X, W_xh) + nd.dot(H, W_hh) + b_h)
        outputs.append(nd.dot(H, W_hy) + b_y)
    return outputs, (H,)
