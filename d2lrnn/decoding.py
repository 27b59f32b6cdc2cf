"""Lesson 8. Writing: read a prefix to warm the state up, then feed every chosen character back in."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Sequence
from typing import Any

import mxnet as mx
import numpy as np
from mxnet import nd

from .checks import check_seed, check_size
from .onehot import one_hot
from .text import Vocab

MAX_CHARS = 10**7  # in one text: it is held in memory until it is whole, and takes a quarter of an hour


def predict_rnn(
    prefix: str,
    num_chars: int,
    rnn: Callable,
    params: Sequence[nd.NDArray],
    init_state: Callable,
    hidden_dim: int,
    vocab: Vocab,
    ctx: mx.Context | None = None,
) -> str:
    """prefix and exactly num_chars more characters, each the likeliest after those before it (greedy).

    Raises:
        ValueError: the prefix is empty or has a character that the vocabulary does not know.
    """
    return _write(prefix, num_chars, rnn, params, init_state, hidden_dim, vocab, ctx, choose=np.argmax)


def generate(
    prefix: str,
    num_chars: int,
    rnn: Callable,
    params: Sequence[nd.NDArray],
    init_state: Callable,
    hidden_dim: int,
    vocab: Vocab,
    ctx: mx.Context | None = None,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
) -> str:
    """prefix and exactly num_chars more characters, each drawn from softmax(logits / temperature).

    temperature: below 1 bolder, above 1 wilder, 0 greedy. top_k: draw from the k likeliest only. top_p: draw
    from the smallest set that holds this share of the probability (Holtzman et al. 2020). seed: the same text
    again.

    Raises:
        ValueError: prefix as in predict_rnn; temperature below 0, top_k below 1, top_p not in (0, 1].
    """
    if not 0 <= temperature < np.inf:
        raise ValueError(f"temperature is {temperature!r}: give a number from 0 (greedy) up")
    if top_k is not None:
        check_size(top_k=top_k)
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p is {top_p!r}: give a share of the probability, above 0 and at most 1")
    rng = np.random.default_rng(None if seed is None else check_seed(seed))

    def choose(logits: np.ndarray) -> int:
        if temperature == 0:
            return int(np.argmax(logits))
        return int(rng.choice(len(logits), p=_probabilities(logits, temperature, top_k, top_p)))

    return _write(prefix, num_chars, rnn, params, init_state, hidden_dim, vocab, ctx, choose=choose)


def encode_prefix(prefix: str, num_chars: int, vocab: Vocab) -> list[int]:
    """The indices of a prefix that can be continued by num_chars characters.

    Raises:
        ValueError: the prefix is empty, the vocabulary does not know it, num_chars is no number from 0 up, or
            the text would be longer than MAX_CHARS.
    """
    if not prefix:
        raise ValueError("the prefix is empty: give at least one character to start from")
    if isinstance(num_chars, bool) or not isinstance(num_chars, numbers.Integral) or int(num_chars) < 0:
        raise ValueError(f"num_chars is {num_chars!r}: give an integer from 0 up")
    if len(prefix) + int(num_chars) > MAX_CHARS:
        raise ValueError(
            f"a prefix of {len(prefix):,} and {num_chars:,} characters more: give at most {MAX_CHARS:,}"
        )
    return vocab.encode(prefix)


def _write(
    prefix: str,
    num_chars: int,
    rnn: Callable,
    params: Sequence[nd.NDArray],
    init_state: Callable,
    hidden_dim: int,
    vocab: Vocab,
    ctx: mx.Context | None,
    *,
    choose: Callable[[np.ndarray], Any],
) -> str:
    indices = encode_prefix(prefix, num_chars, vocab)
    ctx = ctx or params[0].context
    state = init_state(1, hidden_dim, ctx)
    for t in range(len(prefix) + num_chars - 1):
        X = one_hot(nd.array([indices[t]], ctx=ctx, dtype="int32"), len(vocab))
        (Y,), state = rnn([X], state, params)
        if t >= len(prefix) - 1:  # the prefix has been read: the network's own choice is its next input
            logits = Y.asnumpy()[0]
            if not np.isfinite(logits).all():
                raise FloatingPointError(
                    "the network's output is not finite: its parameters hold NaN or infinity"
                )
            indices.append(int(choose(logits)))
    return vocab.decode(indices)


def _probabilities(
    logits: np.ndarray, temperature: float, top_k: int | None, top_p: float | None
) -> np.ndarray:
    logits = logits.astype(np.float64)
    order = np.argsort(-logits, kind="stable")
    with np.errstate(over="ignore"):  # towards -inf, and exp(-inf) is 0
        weights = np.exp((logits[order] - logits[order[0]]) / temperature)
    if top_k is not None:
        weights[top_k:] = 0
    p = weights / weights.sum()
    if top_p is not None:
        p[np.cumsum(p) - p >= top_p] = 0  # those that begin beyond the share
        p /= p.sum()
    return p[np.argsort(order)]
