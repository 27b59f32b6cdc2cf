"""Cells are objects of a class hierarchy, and the functions of the lessons their methods."""
from abc import ABC, abstractmethod

import mxnet as mx
from mxnet import nd


class Cell(ABC):
    names: tuple = ()
    num_states = 1

    def params(self, vocab_size, hidden_dim, ctx=None, *, scale=0.01):
        ctx = ctx or mx.cpu()
        width = {"x": vocab_size, "y": vocab_size, "h": hidden_dim}
        made = []
        for name in (*self.names, "W_hy", "b_y"):
            if name[0] == "b":
                array = nd.zeros(vocab_size if name == "b_y" else hidden_dim, ctx=ctx)
            else:
                array = nd.random.normal(0, scale, (width[name[2]], width.get(name[3], hidden_dim)), ctx=ctx)
            array.attach_grad()
            made.append(array)
        return tuple(made)

    def state(self, batch_size, hidden_dim, ctx=None):
        return tuple(nd.zeros((batch_size, hidden_dim), ctx=ctx) for _ in range(self.num_states))

    def __call__(self, inputs, state, params):
        outputs = []
        *weights, W_hy, b_y = params
        for X in inputs:
            state = self.step(X, state, weights)
            outputs.append(nd.dot(state[0], W_hy) + b_y)
        return outputs, state

    @staticmethod
    def gate(X, H, W_x, W_h, b):
        return nd.sigmoid(Cell.affine(X, H, W_x, W_h, b))

    @staticmethod
    def affine(X, H, W_x, W_h, b):
        return nd.dot(X, W_x) + nd.dot(H, W_h) + b

    @abstractmethod
    def step(self, X, state, weights): ...


class Plain(Cell):
    names = "W_xh", "W_hh", "b_h"

    def step(self, X, state, weights):
        return (self.affine(X, state[0], *weights).tanh(),)


class LongShort(Cell):
    names = tuple(f"{w}{g}" for g in "ifoc" for w in ("W_x", "W_h", "b_"))
    num_states = 2

    def step(self, X, state, weights):
        H, C = state
        I, F, O = (self.gate(X, H, *weights[3 * k : 3 * k + 3]) for k in range(3))
        C = F * C + I * self.affine(X, H, *weights[9:]).tanh()
        return O * C.tanh(), C


rnn, lstm = Plain(), LongShort()
get_params, init_rnn_state = rnn.params, rnn.state
get_lstm_params, init_lstm_state = lstm.params, lstm.state


class Vocab:
    def __init__(self, text, *, min_freq=1, unk=False):
        from collections import Counter

        counted = Counter(text)
        self.idx_to_char = sorted(c for c, n in counted.items() if n >= min_freq)
        if unk:
            self.idx_to_char.insert(0, "<unk>")
        self.char_to_idx = {c: i for i, c in enumerate(self.idx_to_char)}
        self.default = 0 if unk else None

    def __len__(self):
        return self.idx_to_char.__len__()

    def encode(self, text):
        found = [self.char_to_idx.get(c, self.default) for c in text]
        if None in found:
            raise ValueError("unknown character " + text[found.index(None)])
        return found

    def decode(self, indices):
        if min(indices, default=0) < 0:
            raise IndexError("negative index")
        return "".join(self.idx_to_char[int(i)] for i in indices)
