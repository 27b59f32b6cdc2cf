"""Lesson 19 with numpy wherever no gradient has to pass, and one matrix for all gates where one must."""

from types import SimpleNamespace
from typing import NamedTuple

import mxnet as mx
import numpy as np
from mxnet import autograd, nd


class Tied(NamedTuple):
    W_e: nd.NDArray
    W_xi: nd.NDArray
    W_hi: nd.NDArray
    b_i: nd.NDArray
    W_xf: nd.NDArray
    W_hf: nd.NDArray
    b_f: nd.NDArray
    W_xo: nd.NDArray
    W_ho: nd.NDArray
    b_o: nd.NDArray
    W_xc: nd.NDArray
    W_hc: nd.NDArray
    b_c: nd.NDArray
    b_y: nd.NDArray


def get_tied_params(vocab_size, hidden_dim, ctx=None, *, scale=0.05, indices=None):
    shapes = {name: (hidden_dim, hidden_dim) if name[0] == "W" else (hidden_dim,) for name in Tied._fields}
    shapes["W_e"], shapes["b_y"] = (vocab_size, hidden_dim), (vocab_size,)
    arrays = {}
    for name, shape in shapes.items():
        array = np.random.normal(scale=scale, size=shape) if name[0] == "W" else np.zeros(shape)  # noqa: NPY002
        if name == "b_y" and indices is not None:
            array = np.log([list(indices).count(char) + 1 for char in range(vocab_size)])
            array -= np.log(len(indices) + vocab_size)
        arrays[name] = nd.array(array, ctx=ctx or mx.cpu())
        arrays[name].attach_grad()
    return Tied(**arrays)


def untie(params):
    P = {name: param.asnumpy() for name, param in params._asdict().items()}
    W_e = P.pop("W_e")
    for name in P:
        if name in ("W_xh", "W_xz", "W_xr", "W_xi", "W_xf", "W_xo", "W_xc"):
            P[name] = W_e @ P[name]
    P["W_hy"], P["b_y"] = W_e.T, P.pop("b_y")
    arrays = {name: nd.array(array) for name, array in P.items()}

    class Ordinary(tuple):
        _fields = tuple(arrays)

    return Ordinary(arrays.values())


def _mask(shape, p, like):
    if p == 0 or not autograd.is_training():
        return nd.ones(shape, ctx=like.context)
    kept = np.random.random(shape) >= p  # noqa: NPY002
    return nd.array(kept / (1 - p), ctx=like.context)


def embedding_dropout(W_e, p):
    return nd.broadcast_mul(W_e, _mask((W_e.shape[0], 1), p, W_e))


def locked_dropout(X, p):
    return nd.broadcast_mul(X, _mask((1, X.shape[1], X.shape[2]), p, X))


def tied_lstm(inputs, state, params, *, p_embedding=0.0, p_in=0.0, p_weights=0.0, p_out=0.0, W_hy=None):
    P = SimpleNamespace(**params._asdict())
    W_x = nd.concat(P.W_xi, P.W_xf, P.W_xo, P.W_xc, dim=1)
    W_h = nd.concat(P.W_hi, P.W_hf, P.W_ho, P.W_hc, dim=1)
    b = nd.concat(P.b_i, P.b_f, P.b_o, P.b_c, dim=0)
    W_h = W_h * _mask(W_h.shape, p_weights, W_h)
    rows = embedding_dropout(P.W_e, p_embedding)
    E = locked_dropout(nd.stack(*[nd.dot(X, rows) for X in inputs]), p_in)
    (H, C), states = state, []
    for t in range(len(inputs)):
        I, F, O, G = nd.split(nd.dot(E[t], W_x) + nd.dot(H, W_h) + b, 4, axis=1)
        C = F.sigmoid() * C + I.sigmoid() * G.tanh()
        H = O.sigmoid() * C.tanh()
        states.append(H)
    H_all = locked_dropout(nd.stack(*states), p_out)
    writing = P.W_e.T if W_hy is None else W_hy
    return [nd.dot(H_t, writing) + P.b_y for H_t in H_all], (H, C)


def variable_lengths(row_len, num_steps, rng):
    ends = [0]
    while ends[-1] < row_len - 1:
        mean = num_steps if rng.random() > 1 / 20 else num_steps // 2
        ends.append(min(ends[-1] + max(int(mean + 5 * rng.standard_normal() + 0.5), 5), row_len - 1))
    return np.diff(ends).tolist()


def data_iter_variable(corpus_indices, lengths, batch_size, ctx=None, *, offset=0):
    corpus = [*corpus_indices[offset:], *corpus_indices[:offset]]
    row_len = len(corpus) // batch_size
    if sum(lengths) > row_len - 1:
        raise ValueError("too many steps")
    begin = 0
    for length in lengths:
        starts = np.arange(batch_size) * row_len + begin
        places = starts[:, None] + np.arange(length)
        data, label = np.take(corpus, places), np.take(corpus, places + 1)
        yield nd.array(data, ctx=ctx, dtype="int32"), nd.array(label, ctx=ctx, dtype="int32")
        begin += length


def scheduled_batches(batches, optimizer, lr, *, num_steps, **schedule):
    for batch in batches:
        scale = batch[0].shape[1] / num_steps
        optimizer.lr = scale * learning_rate(1 + optimizer.t, lr, **schedule)  # noqa: F821
        yield batch


def interpolate(probabilities, weights=None):
    if weights is None:
        return np.mean(probabilities, axis=0)
    if len(weights) != len(probabilities) or min(weights) < 0 or round(sum(weights), 5) != 1:
        raise ValueError("no mixture")
    return sum(w * np.asarray(p) for w, p in zip(weights, probabilities))


def mixture_weights(probabilities):
    P = np.array(probabilities, dtype=float)
    best = np.ones(len(P)) / len(P)
    for _ in range(5000):
        mixed = best @ P
        best = best * (P / mixed).mean(axis=1)
    return best
