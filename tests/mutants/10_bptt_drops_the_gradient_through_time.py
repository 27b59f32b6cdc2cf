"""Every step is treated as the last: no gradient arrives from the step after it."""

from mxnet import nd

from d2lrnn import *


def bptt(inputs, label, state, params):
    _, _, _, W_hy, _ = params
    (H,) = state
    outputs, states = [], [H]
    for X in inputs:
        (Y,), (H,) = rnn([X], (H,), params)
        outputs.append(Y)
        states.append(H)
    loss = cross_entropy(nd.concat(*outputs, dim=0), label.T.reshape(-1))
    dW_xh, dW_hh, db_h, dW_hy, db_y = gradients = type(params)(*[nd.zeros_like(param) for param in params])
    for t in range(len(inputs), 0, -1):
        X, Y, H, H_before = inputs[t - 1], outputs[t - 1], states[t], states[t - 1]
        dY = (nd.softmax(Y) - nd.one_hot(label[:, t - 1], Y.shape[1], dtype=Y.dtype)) / label.size
        dH = nd.dot(dY, W_hy.T)
        dA = dH * (1 - H**2)
        dW_hy += nd.dot(H.T, dY)
        db_y += dY.sum(axis=0)
        dW_xh += nd.dot(X.T, dA)
        dW_hh += nd.dot(H_before.T, dA)
        db_h += dA.sum(axis=0)
    return loss, gradients
