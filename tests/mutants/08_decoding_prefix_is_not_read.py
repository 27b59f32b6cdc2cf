"""Only the last character of the prefix is read: the state knows nothing of those before it."""

from mxnet import nd

from d2lrnn import *


def predict_rnn(prefix, num_chars, rnn, params, init_state, hidden_dim, vocab, ctx=None):
    ctx = ctx or params[0].context
    state = init_state(1, hidden_dim, ctx)
    indices = vocab.encode(prefix)
    for _ in range(num_chars):
        X = one_hot(nd.array([indices[-1]], ctx=ctx), len(vocab))
        (Y,), state = rnn([X], state, params)
        indices.append(int(Y.argmax(axis=1).asscalar()))
    return vocab.decode(indices)
