"""The gradients by lag come in the order of time: the oldest first."""

from mxnet import nd

from d2lrnn import *


def grad_norms_by_lag(inputs, label, state, params):
    (H,) = state
    states = [H]
    for X in inputs:
        (Y,), (H,) = rnn([X], (H,), params)
        states.append(H)
    dY = (nd.softmax(Y) - nd.one_hot(label[:, -1], Y.shape[1], dtype=Y.dtype)) / len(label)
    dH = nd.dot(dY, params.W_hy.T)
    norms = [nd.norm(dH).asscalar()]
    for H in states[:1:-1]:
        dH = nd.dot(dH * (1 - H**2), params.W_hh.T)
        norms.append(nd.norm(dH).asscalar())
    return norms[::-1]
