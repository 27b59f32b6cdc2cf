"""Lesson 19 with MXNet's own operators where it has them, closures, generators and arguments by name."""

import itertools
import math
from collections import Counter, namedtuple

import mxnet as mx
import numpy as np
from mxnet import nd

GATES = "ifoc"
TiedParams = namedtuple(
    "TiedParams", ["W_e", *[f"{W}{g}" for g in GATES for W in ("W_x", "W_h", "b_")], "b_y"]
)


def get_tied_params(vocab_size, hidden_dim, ctx=None, *, scale=0.05, indices=None):
    ctx = ctx or mx.cpu()

    def weight(*shape):
        return scale * nd.random_normal(shape=shape, ctx=ctx)

    gates = [
        (weight(hidden_dim, hidden_dim), weight(hidden_dim, hidden_dim), nd.zeros(hidden_dim, ctx))
        for _ in GATES
    ]
    b_y = nd.zeros(vocab_size, ctx)
    if indices is not None:
        counts, total = Counter(indices), len(indices) + vocab_size
        b_y = nd.array([math.log((counts[char] + 1) / total) for char in range(vocab_size)], ctx)
    params = TiedParams(weight(vocab_size, hidden_dim), *itertools.chain(*gates), b_y)
    for param in params:
        param.attach_grad(grad_req="write")
    return params


def untie(params):
    W_e, *middle, b_y = (param.copy() for param in params)
    names = params._fields[1:-1]
    for k in range(0, len(names), 3):
        if not names[k].endswith("_2"):
            middle[k] = nd.dot(W_e, middle[k])
    return namedtuple("Ordinary", [*names, "W_hy", "b_y"])(*middle, nd.transpose(W_e), b_y)


def embedding_dropout(W_e, p):
    return nd.Dropout(W_e, p=p, axes=(1,))


def locked_dropout(X, p):
    return nd.Dropout(X, p=p, axes=(0,))


def tied_lstm(inputs, state, params, *, p_embedding=0.0, p_in=0.0, p_weights=0.0, p_out=0.0, W_hy=None):
    W_e, b_y = params.W_e, params.b_y
    rows = embedding_dropout(W_e, p=p_embedding)
    E = locked_dropout(nd.dot(nd.stack(*inputs), rows), p=p_in)
    gates = {}
    for g in GATES:
        W_h = nd.Dropout(getattr(params, f"W_h{g}"), p=p_weights)
        gates[g] = getattr(params, f"W_x{g}"), W_h, getattr(params, f"b_{g}")

    def step(X, states):
        H, C = states
        A = {g: nd.dot(X, W_x) + nd.dot(H, W_h) + b for g, (W_x, W_h, b) in gates.items()}
        C = nd.sigmoid(A["f"]) * C + nd.sigmoid(A["i"]) * nd.tanh(A["c"])
        H = nd.sigmoid(A["o"]) * nd.tanh(C)
        return H, [H, C]

    H, state = nd.contrib.foreach(step, E, list(state))
    H = locked_dropout(H, p=p_out)
    Y = nd.dot(H, W_e, transpose_b=True) if W_hy is None else nd.dot(H, W_hy)
    return [nd.reshape(Y + b_y, shape=(-3, 0))], tuple(state)


def variable_lengths(row_len, num_steps, rng):
    def draw():
        while True:
            mean = rng.choice([num_steps, num_steps / 2], p=[0.95, 0.05])
            yield max(5, int(np.rint(rng.normal(loc=mean, scale=5))))

    lengths, draws = [], draw()
    while sum(lengths) < row_len - 1:
        lengths.append(min(next(draws), row_len - 1 - sum(lengths)))
        if len(lengths) > row_len:
            break
    return lengths


def data_iter_variable(corpus_indices, lengths, batch_size, ctx=None, *, offset=0):
    turned = np.concatenate([np.asarray(corpus_indices)[offset:], np.asarray(corpus_indices)[:offset]])
    rows = np.stack(np.split(turned[: len(turned) - len(turned) % batch_size], batch_size))
    if rows.shape[1] <= sum(lengths):
        raise ValueError("rows are too short")
    rows = nd.array(rows, ctx=ctx or mx.cpu(), dtype="int32")
    for end, length in zip(itertools.accumulate(lengths), lengths):
        yield rows[:, end - length : end], rows[:, end - length + 1 : end + 1]


def scheduled_batches(batches, optimizer, lr, *, num_steps, **schedule):
    def prepared(batch):
        data, label = batch
        rate = learning_rate(optimizer.t + 1, lr, **schedule)  # noqa: F821
        optimizer.lr = rate * data.shape[1] / num_steps
        return data, label

    return map(prepared, batches)


def interpolate(probabilities, weights=None):
    weights = [1 / len(probabilities)] * len(probabilities) if weights is None else list(weights)
    if not (
        len(weights) == len(probabilities) and all(w >= 0 for w in weights) and abs(sum(weights) - 1) < 1e-4
    ):
        raise ValueError(f"weights = {weights}")
    return np.einsum("k,k...->...", np.array(weights), np.array(probabilities))


def mixture_weights(probabilities):
    """By gradient ascent on the logits of the weights."""
    P = np.array(probabilities)
    logits = np.zeros(len(P))
    for _ in range(20_000):
        w = np.exp(logits - logits.max())
        w /= w.sum()
        gradient = w * ((P / (w @ P)).mean(axis=1) - 1)
        logits += 5 * gradient
    return w.tolist()
