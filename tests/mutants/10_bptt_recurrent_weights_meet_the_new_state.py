"""dW_hh is made with H_t, which W_hh has produced, not with H_{t-1}, which it read."""

from mxnet import nd

from d2lrnn import *


def bptt(inputs, label, state, params):
    _, W_hh, _, W_hy, _ = params
    (H,) = state
    outputs, states = [], [H]
    for X in inputs:
        (Y,), (H,) = rnn([X], (H,), params)
        outputs.append(Y)
        states.append(H)
    loss = cross_entropy(nd.concat(*outputs, dim=0), label.T.reshape(-1))
    dW_xh, dW_hh, db_h, dW_hy, db_y = gradients = type(params)(*[nd.zeros_like(param) for param in params])
    dH_from_next = nd.zeros_like(H)
    for t in range(len(inputs), 0, -1):
        X, Y, H = inputs[t - 1], outputs[t - 1], states[t]
        dY = (nd.softmax(Y) - nd.one_hot(label[:, t - 1], Y.shape[1], dtype=Y.dtype)) / label.size
        dH = nd.dot(dY, W_hy.T) + dH_from_next
        dA = dH * (1 - H**2)
        dW_hy += nd.dot(H.T, dY)
        db_y += dY.sum(axis=0)
        dW_xh += nd.dot(X.T, dA)
        dW_hh += nd.dot(H.T, dA)
        db_h += dA.sum(axis=0)
        dH_from_next = nd.dot(dA, W_hh.T)
    return loss, gradients
