"""Helpers have the names of lessons, and signatures of their own."""

import random
from d2lrnn import Vocab
from mxnet import nd
import mxnet as mx
import numpy as np

SIZE = None


def one_hot(indices, vocab_size=None, dtype="float32", on=1):
    """Indices of any shape; without vocab_size, as wide as the largest needs."""
    values = indices.asnumpy() if hasattr(indices, "asnumpy") else np.asarray(indices)
    values = values.astype("int64")
    vocab_size = vocab_size or int(values.max()) + 1
    if values.size and (values.min() < 0 or values.max() >= vocab_size):
        raise IndexError(f"{values.min()} to {values.max()}")
    rows = np.zeros(values.shape + (vocab_size,), dtype)
    np.put_along_axis(rows, values[..., None], on, axis=-1)
    return nd.array(rows)


def get_inputs(data, vocab_size, first=0, batch_major=True):
    data = data.T if batch_major else data
    return [one_hot(row, vocab_size=vocab_size, on=1) for row in data[first:]]


def choose(row, how="best", generator=random, temperature=1.0):
    return int(row.argmax())


def predict_rnn(prefix, num_chars, rnn, params, init_state, hidden_dim, vocab, ctx=None):
    if not prefix or any(char not in vocab.char_to_idx for char in prefix):
        raise ValueError(f"no such prefix: {prefix!r}")
    state, text = init_state(1, hidden_dim, ctx or mx.cpu()), prefix
    reading = nd.array([vocab.encode(prefix)], dtype="int32").T
    outputs, state = rnn(get_inputs(reading, len(vocab), batch_major=False), state, params)
    for _ in range(num_chars):
        text += vocab.idx_to_char[choose(outputs[-1].asnumpy()[0])]
        latest = one_hot([vocab.char_to_idx[text[-1]]], vocab_size=len(vocab), on=1.0)
        outputs, state = rnn([latest], state, params)
    return text
