"""The answer is not fed back in: the network reads the end of the prefix for ever."""

from mxnet import nd

from d2lrnn import *


def predict_rnn(prefix, num_chars, rnn, params, init_state, hidden_dim, vocab, ctx=None):
    ctx = ctx or params[0].context
    state = init_state(1, hidden_dim, ctx)
    indices = vocab.encode(prefix)
    last = len(prefix) - 1
    for t in range(len(prefix) + num_chars - 1):
        X = one_hot(nd.array([indices[min(t, last)]], ctx=ctx), len(vocab))
        (Y,), state = rnn([X], state, params)
        if t >= last:
            indices.append(int(Y.argmax(axis=1).asscalar()))
    return vocab.decode(indices)
