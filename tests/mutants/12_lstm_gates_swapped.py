"""The forget gate and the input gate have changed places."""

from mxnet import nd

from d2lrnn import *


def lstm(inputs, state, params):
    H, C = state
    W_xi, W_hi, b_i, W_xf, W_hf, b_f, W_xo, W_ho, b_o, W_xc, W_hc, b_c, W_hy, b_y = params
    outputs = []
    for X in inputs:
        I = nd.sigmoid(nd.dot(X, W_xi) + nd.dot(H, W_hi) + b_i)
        F = nd.sigmoid(nd.dot(X, W_xf) + nd.dot(H, W_hf) + b_f)
        O = nd.sigmoid(nd.dot(X, W_xo) + nd.dot(H, W_ho) + b_o)
        C_tilde = nd.tanh(nd.dot(X, W_xc) + nd.dot(H, W_hc) + b_c)
        C = I * C + F * C_tilde
        H = O * nd.tanh(C)
        outputs.append(nd.dot(H, W_hy) + b_y)
    return outputs, (H, C)
