"""Lesson 19. What keeps a network from overfitting a small text, and a mixture of networks and counts.

The network is lesson 12's LSTM with one matrix for reading and writing characters, and with masks where they
help (Merity, Keskar & Socher 2018, one layer). Networks and counts make different mistakes, so a mixture of
their probabilities, weighted on text that neither was trained on, is better than either.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import mxnet as mx
import numpy as np
from mxnet import nd

from .checks import check_floats, check_size, to_indices, to_integers
from .heldout import dropout
from .lstm import LSTMParams, get_lstm_params, lstm
from .optim import Optimizer, learning_rate
from .rnn import State, get_params
from .sampling import Batch, try_gpu

Indices = Sequence[int] | np.ndarray
SPREAD, SHORTEST, HALVED = 5, 5, 0.05  # of a batch's steps: deviation, the least, how often half as many


def get_tied_params(
    vocab_size: int,
    hidden_dim: int,
    ctx: mx.Context | None = None,
    *,
    scale: float = 0.05,
    indices: Any = None,
) -> Any:
    """New parameters with gradients attached: weights normal with deviation scale, biases zero.

    W_e (vocab_size, hidden_dim), the gates' W_x and W_h (hidden_dim, hidden_dim) and b, b_y (vocab_size,).
    indices: the training text. With it b_y starts as the logarithm of lesson 14's unigram.
    """
    outside = get_params(vocab_size, hidden_dim, ctx, scale=scale)
    gates = get_lstm_params(hidden_dim, hidden_dim, ctx, scale=scale)[:-2]
    if indices is not None:
        counts = np.bincount(to_indices(indices, vocab_size, ndim=1), minlength=vocab_size) + 1
        outside.b_y[:] = nd.array(np.log(counts / counts.sum()), ctx=outside.b_y.context)
    return _named(["W_e", *LSTMParams._fields[:-2], "b_y"], [outside.W_xh, *gates, outside.b_y])


def untie(params: Any) -> Any:
    """The ordinary network that computes the same: W_x' = W_e W_x, and W_hy = W_e^T; all arrays are new.

    params: W_e first, b_y last, and between them those of a cell of any kind. Of several layers only the
    first reads W_e; the names of the second end in _2.
    """
    arrays = params._asdict()
    W_e, b_y = arrays.pop("W_e"), arrays.pop("b_y")
    for name, W in arrays.items():
        arrays[name] = nd.dot(W_e, W) if name[:3] == "W_x" and name.count("_") == 1 else W.copy()
    return _named([*arrays, "W_hy", "b_y"], [*arrays.values(), W_e.T, b_y.copy()])


def _named(names: list[str], arrays: list[nd.NDArray]) -> Any:
    return namedtuple("Params", names)(*arrays)


def embedding_dropout(W_e: nd.NDArray, p: float) -> nd.NDArray:
    """In training, drop whole rows of W_e (vocab_size, hidden_dim): all occurrences of a character."""
    check_floats(W_e=W_e)
    return W_e * dropout(nd.ones((len(W_e), 1), ctx=W_e.context), p)


def locked_dropout(X: nd.NDArray, p: float) -> nd.NDArray:
    """In training, drop the same places of X (num_steps, batch_size, dim) at all steps (Gal & Ghahramani)."""
    check_floats(X=X)
    return X * dropout(nd.ones((1, *X.shape[1:]), ctx=X.context), p)


def tied_lstm(
    inputs: Sequence[nd.NDArray],
    state: State,
    params: Any,
    *,
    p_embedding: float = 0.0,
    p_in: float = 0.0,
    p_weights: float = 0.0,
    p_out: float = 0.0,
    W_hy: nd.NDArray | None = None,
) -> tuple[list[nd.NDArray], State]:
    """Lesson 12's lstm between X_t W_e, for one-hot X_t, and Y_t = H_t W_e^T + b_y (Press & Wolf 2017).

    outputs: all Y as a matrix in a list, (num_steps * batch_size, vocab_size), time-major. In training drop,
    in this order, rows of W_e for reading, p_embedding; X_t W_e, locked, p_in; numbers of each W_h, p_weights
    (Wan et al. 2013); H_t on its way to Y_t, locked, p_out. W_hy: in place of W_e^T, for networks not tied.
    """
    W_e, *gates, b_y = params
    X = locked_dropout(nd.dot(nd.stack(*inputs), embedding_dropout(W_e, p_embedding)), p_in)
    gates[1::3] = [dropout(W_h, p_weights) for W_h in gates[1::3]]  # drawn once for all steps
    itself = nd.eye(X.shape[2], ctx=X.context), nd.zeros(X.shape[2], ctx=X.context)
    H, state = lstm(list(X), state, LSTMParams._make([*gates, *itself]))  # for W_hy and b_y: so Y is H
    Y = nd.dot(locked_dropout(nd.stack(*H), p_out), W_e.T if W_hy is None else W_hy) + b_y
    return [Y.reshape((-1, b_y.size))], state


def variable_lengths(row_len: int, num_steps: int, rng: np.random.Generator) -> list[int]:
    """The number of steps of each batch, so that every target of a row of row_len characters has its turn.

    Normal with mean num_steps, or half of that for one in twenty, and deviation 5; at least 5, or what is
    left (Merity et al. 2018). With a fixed length all cuts would be at the same places.
    """
    check_size(row_len=row_len, num_steps=num_steps)
    lengths, left = [], row_len - 1
    while left:
        mean = num_steps / 2 if rng.random() < HALVED else num_steps
        lengths.append(min(left, max(SHORTEST, round(rng.normal(mean, SPREAD)))))
        left -= lengths[-1]
    return lengths


def data_iter_variable(
    corpus_indices: Indices,
    lengths: list[int],
    batch_size: int,
    ctx: mx.Context | None = None,
    *,
    offset: int = 0,
) -> Iterator[Batch]:
    """Lesson 2's data_iter_consecutive with batches of these lengths; what is before offset comes last."""
    check_size(batch_size=batch_size)
    corpus, ends = np.roll(to_integers(corpus_indices, "corpus_indices"), -offset), np.cumsum(lengths)
    rows = corpus[: len(corpus) // batch_size * batch_size].reshape(batch_size, -1)
    if sum(lengths) >= rows.shape[1]:
        raise ValueError(f"{sum(lengths)} steps are too many: a row has {rows.shape[1]} characters")
    for end, length in zip(ends, lengths):
        chars = nd.array(rows[:, end - length : end + 1], ctx=ctx or try_gpu(), dtype="int32")
        yield chars[:, :-1], chars[:, 1:]


def scheduled_batches(
    batches: Iterable[Batch], optimizer: Optimizer, lr: float, *, num_steps: int, **schedule: Any
) -> Iterator[Batch]:
    """Set optimizer.lr before each batch: lesson 7's learning_rate, times the batch's length / num_steps."""
    check_size(num_steps=num_steps)
    for data, label in batches:
        optimizer.lr = learning_rate(optimizer.t + 1, lr, **schedule) * data.shape[1] / num_steps
        yield data, label


def interpolate(probabilities: Sequence[Any], weights: Sequence[float] | np.ndarray | None = None) -> Any:
    """The sum of weights[k] * probabilities[k], of several models for the same targets; None: their mean."""
    P = _stack(probabilities)
    weights = np.full(len(P), 1 / len(P)) if weights is None else np.asarray(weights, np.float64)
    if weights.shape != P.shape[:1] or weights.min() < 0 or abs(weights.sum() - 1) > 1e-6:
        raise ValueError(f"weights are {weights.tolist()}: give {len(P)} from 0 up, whose sum is 1")
    return np.tensordot(weights, P, axes=1)


def mixture_weights(probabilities: Sequence[Any]) -> np.ndarray:
    """The weights with which interpolate makes these targets most likely: take those of validation text.

    In each round a weight becomes the mean share w_k p_k / sum_j w_j p_j that its model has in the mixture
    (expectation maximisation, Dempster, Laird & Rubin 1977), until none moves. There is one maximum.
    """
    P = _stack(probabilities).reshape(len(probabilities), -1)
    weights, before = np.full(len(P), 1 / len(P)), np.zeros(len(P))
    while abs(weights - before).max() > 1e-7:
        shares = weights[:, None] * P
        weights, before = (shares / shares.sum(axis=0)).mean(axis=1), weights
    return weights


def _stack(probabilities: Sequence[Any]) -> np.ndarray:
    shapes = sorted({np.shape(p) for p in probabilities})
    if len(shapes) != 1 or 0 in shapes[0] or not (np.max(probabilities, axis=0) > 0).all():
        raise ValueError(f"shapes {shapes}: give each model's probabilities of the same targets, not all 0")
    return np.asarray(probabilities, np.float64)
