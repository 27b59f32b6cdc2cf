"""The update gate is used the wrong way round: where Z is 1, the candidate replaces the state."""

from mxnet import nd

from d2lrnn import *


def gru(inputs, state, params):
    (H,) = state
    W_xz, W_hz, b_z, W_xr, W_hr, b_r, W_xh, W_hh, b_h, W_hy, b_y = params
    outputs = []
    for X in inputs:
        Z = nd.sigmoid(nd.dot(X, W_xz) + nd.dot(H, W_hz) + b_z)
        R = nd.sigmoid(nd.dot(X, W_xr) + nd.dot(H, W_hr) + b_r)
        H_tilde = nd.tanh(nd.dot(X, W_xh) + nd.dot(R * H, W_hh) + b_h)
        H = (1 - Z) * H + Z * H_tilde
        outputs.append(nd.dot(H, W_hy) + b_y)
    return outputs, (H,)
