"""Lesson 8. Writing: read a prefix to warm the state up, then feed every chosen character back in."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Sequence
from typing import Any

import mxnet as mx
import numpy as np
from mxnet import nd

from .checks import check_memory, check_seed, check_size
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
    network = rnn, params, init_state, hidden_dim
    return generate_batch([prefix], num_chars, *network, vocab, ctx, temperature=0)[0]


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

    temperature: below 1 bolder, above 1 wilder, 0 greedy. top_k: only from the k likeliest. top_p: only from
    the smallest set with this share of the probability (Holtzman et al. 2020). seed: the same text again.

    Raises:
        ValueError: prefix as in predict_rnn; temperature below 0, top_k below 1, top_p not in (0, 1].
    """
    network = rnn, params, init_state, hidden_dim
    options: Any = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    return generate_batch([prefix], num_chars, *network, vocab, ctx, **options)[0]


def generate_batch(
    prefixes: Sequence[str],
    num_chars: int,
    rnn: Callable,
    params: Sequence[nd.NDArray],
    init_state: Callable,
    hidden_dim: int,
    vocab: Vocab,
    ctx: mx.Context | None = None,
    *,
    num_samples: int = 1,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    reads_indices: bool = False,
    go_on: Callable | None = None,
) -> list[str]:
    """num_samples texts of every prefix, one row of a batch each: what generate writes one after the other.

    Sample k of a prefix is what generate writes with seed + k, whatever else is in the batch. (Beside other
    rows a sum is rounded otherwise: of characters equally likely to the sixth digit another may be taken.)
    reads_indices: rnn takes indices (1, batch_size) int32 in place of one-hot matrices. go_on: writes on by
    itself, greedily, when the prefixes have been read (see Writer of lesson 15).

    Raises:
        ValueError: as in generate; num_samples below 1; more texts than the memory holds.
        TypeError: prefixes is one string.
    """
    if isinstance(prefixes, str):
        raise TypeError(f"prefixes is {prefixes!r}: give a list, [{prefixes!r}]")
    check_size(num_samples=num_samples)
    texts = [encode_prefix(prefix, num_chars, vocab) for prefix in prefixes]
    longest, batch_size = max(map(len, texts), default=0) + num_chars, len(texts) * num_samples
    num_floats = batch_size * (2 * longest + 16 * (len(vocab) + hidden_dim))
    check_memory("these texts need", 4 * num_floats, "give fewer prefixes, samples or characters")
    seeds = [None if seed is None else check_seed(seed) + k for _ in texts for k in range(num_samples)]
    choose = _chooser(temperature, top_k, top_p, seeds)
    if not texts:
        return []

    chars = np.zeros((longest, batch_size), np.int32)  # row t is what all texts read at step t
    lengths = np.repeat([len(text) for text in texts], num_samples).tolist()
    for i, length in enumerate(lengths):
        chars[:length, i] = texts[i // num_samples]
    state = init_state(batch_size, hidden_dim, ctx or params[0].context)
    X = nd.zeros((1, batch_size), ctx=ctx or params[0].context, dtype="int32")
    alone = num_chars if go_on and temperature == 0 else 0  # so many it writes by itself
    for t in range(longest - alone - 1):
        X._sync_copyfrom(chars[t : t + 1])  # a quarter of the time of X[:] = chars[t]
        (Y,), state = rnn(X if reads_indices else [nd.one_hot(X[0], len(vocab))], state, params)
        # those whose prefix has been read and that are not yet long enough: what they choose, they read next
        rows = [i for i, length in enumerate(lengths) if length <= t + 1 < length + num_chars]
        if rows:
            logits = Y.asnumpy() if len(rows) == batch_size else Y.asnumpy()[rows]
            if not np.isfinite(logits).all():
                raise FloatingPointError("the output is not finite: the parameters hold NaN or infinity")
            chars[t + 1, rows] = choose(logits, rows)
    if go_on and alone:
        chars[-alone:] = go_on(chars[-alone - 1], state, alone)
    return [vocab.decode(chars[: length + num_chars, i]) for i, length in enumerate(lengths)]


def encode_prefix(prefix: str, num_chars: int, vocab: Vocab) -> list[int]:
    """The indices of a prefix that can be continued by num_chars characters.

    Raises:
        ValueError: the prefix is empty or unknown, num_chars no number from 0 up, the text too long.
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


def _chooser(
    temperature: float, top_k: int | None, top_p: float | None, seeds: Sequence[int | None]
) -> Callable[[np.ndarray, list[int]], np.ndarray]:
    """What draws a character for each row; every row has its own chance."""
    if not 0 <= temperature < np.inf:
        raise ValueError(f"temperature is {temperature!r}: give a number from 0 (greedy) up")
    if top_k is not None:
        check_size(top_k=top_k)
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p is {top_p!r}: give a share of the probability, above 0 and at most 1")
    if temperature == 0:
        return lambda logits, rows: logits.argmax(axis=1)
    rngs = [np.random.default_rng(None if seed is None else check_seed(seed)) for seed in seeds]

    def draw(logits: np.ndarray, rows: list[int]) -> np.ndarray:
        up_to = np.cumsum(_probabilities(logits, temperature, top_k, top_p), axis=1)
        drawn = np.array([[rngs[i].random()] for i in rows])
        return (up_to / up_to[:, -1:] <= drawn).sum(axis=1)  # those before the one that the lot falls on

    return draw


def _probabilities(logits: Any, temperature: float, top_k: int | None, top_p: float | None) -> np.ndarray:
    logits = logits.astype(np.float64)
    with np.errstate(over="ignore"):  # towards -inf, and exp(-inf) is 0
        weights = np.exp((logits - logits.max(axis=-1, keepdims=True)) / temperature)
    if top_k is not None or top_p is not None:
        order = np.argsort(-logits, axis=-1, kind="stable")
        ranked = np.take_along_axis(weights, order, axis=-1)
        ranked[..., top_k or logits.shape[-1] :] = 0
        if top_p is not None:
            p = ranked / ranked.sum(axis=-1, keepdims=True)
            ranked[np.cumsum(p, axis=-1) - p >= top_p] = 0  # those that begin beyond the share
        np.put_along_axis(weights, order, ranked, axis=-1)
    return weights / weights.sum(axis=-1, keepdims=True)
