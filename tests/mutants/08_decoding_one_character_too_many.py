"""Runs len(prefix) + num_chars times, as the seed of this book did: one character too many."""

from mxnet import nd

from d2lrnn import *


def predict_rnn(prefix, num_chars, rnn, params, init_state, hidden_dim, vocab, ctx=None):
    ctx = ctx or params[0].context
    state = init_state(1, hidden_dim, ctx)
    indices = vocab.encode(prefix)
    for t in range(len(prefix) + num_chars):
        X = one_hot(nd.array([indices[t]], ctx=ctx), len(vocab))
        (Y,), state = rnn([X], state, params)
        if t >= len(prefix) - 1:
            indices.append(int(Y.argmax(axis=1).asscalar()))
    return vocab.decode(indices)
