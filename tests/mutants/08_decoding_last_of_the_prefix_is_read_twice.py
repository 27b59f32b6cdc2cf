"""The last character of the prefix is read twice: once to warm up and once to begin with."""

from mxnet import nd

from d2lrnn import *


def predict_rnn(prefix, num_chars, rnn, params, init_state, hidden_dim, vocab, ctx=None):
    ctx = ctx or params[0].context
    state = init_state(1, hidden_dim, ctx)
    indices = vocab.encode(prefix)
    _, state = rnn([one_hot(nd.array([i], ctx=ctx), len(vocab)) for i in indices], state, params)
    for _ in range(num_chars):
        X = one_hot(nd.array([indices[-1]], ctx=ctx), len(vocab))
        (Y,), state = rnn([X], state, params)
        indices.append(int(Y.argmax(axis=1).asscalar()))
    return vocab.decode(indices)
