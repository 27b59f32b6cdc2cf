"""Lesson 8. Writing: read a prefix to warm the state up, then feed every chosen character back in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import mxnet as mx
import numpy as np
from mxnet import nd

from .checks import check_memory, check_seed, check_size
from .rnn import Params, State
from .text import Vocab, encode_prefix


class Choice(NamedTuple):
    """How a character is chosen; meanings and defaults are those of generate."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    seed: int | None = None


class Writer(NamedTuple):
    """A network with its parameters, as generate_batch needs it.

    init_state(batch_size): where it starts. read(X, state): indices (1, batch_size) int32 become logits
    (batch_size, vocab_size) and the new state. go_on(last, state, num_chars, choice, rngs), where there is
    such a thing (lesson 15): what choose takes after last, in pieces of (characters, batch_size).
    """

    init_state: Callable[[int], State]
    read: Callable[[nd.NDArray, State], tuple[nd.NDArray, State]]
    hidden_dim: int
    ctx: mx.Context
    go_on: Callable[..., Iterator[np.ndarray]] | None = None


def one_hot_writer(
    rnn: Callable, params: Params, init_state: Callable, hidden_dim: int, vocab: Vocab, ctx: Any = None
) -> Writer:
    """Of a network of the book, which reads each character as a one-hot matrix."""
    where = ctx or params[0].context

    def read(X: nd.NDArray, state: State) -> tuple[nd.NDArray, State]:
        (Y,), state = rnn([nd.one_hot(X[0], len(vocab))], state, params)
        return Y, state

    return Writer(lambda batch_size: init_state(batch_size, hidden_dim, where), read, hidden_dim, where)


def predict_rnn(
    prefix: str,
    num_chars: int,
    rnn: Callable,
    params: Params,
    init_state: Callable,
    hidden_dim: int,
    vocab: Vocab,
    ctx: mx.Context | None = None,
) -> str:
    """prefix and exactly num_chars more characters, each the likeliest after those before it (greedy).

    Raises:
        ValueError: the prefix is empty or has a character that the vocabulary does not know.
    """
    return generate(prefix, num_chars, rnn, params, init_state, hidden_dim, vocab, ctx, temperature=0)


def generate(
    prefix: str, num_chars: int, rnn: Callable, params: Params, init_state: Callable, hidden_dim: int,
    vocab: Vocab, ctx: mx.Context | None = None, *, temperature: float = 1.0, top_k: int | None = None,
    top_p: float | None = None, seed: int | None = None,
) -> str:  # fmt: skip
    """prefix and exactly num_chars more characters, each sampled from softmax(logits / temperature).

    temperature: below 1 safer, above 1 wilder, 0 greedy. top_k: only from the k likeliest. top_p: only from
    the smallest set with this share of the probability (Holtzman et al. 2020). seed: makes it repeatable.

    Raises:
        ValueError: prefix as in predict_rnn; temperature below 0, top_k below 1, top_p not in (0, 1].
    """
    writer = one_hot_writer(rnn, params, init_state, hidden_dim, vocab, ctx)
    return generate_batch([prefix], num_chars, writer, vocab, Choice(temperature, top_k, top_p, seed))[0]


def generate_batch(
    prefixes: Sequence[str], num_chars: int, writer: Writer, vocab: Vocab, choice: Choice,
    num_samples: int = 1,
) -> list[str]:  # fmt: skip
    """num_samples texts for every prefix, all in one batch: the texts that generate writes one by one.

    Sample k of a prefix is what generate writes with seed + k, whatever else is in the batch. (Beside other
    rows sums are rounded differently: where two characters agree to the sixth digit, the other may be taken.)

    Raises:
        ValueError: as in generate; num_samples below 1; more texts than fit into memory.
        TypeError: prefixes is one string.
    """
    last = deque(write_batch(prefixes, num_chars, writer, vocab, choice, num_samples), maxlen=1)
    ends = [len(prefix) + num_chars for prefix in prefixes for _ in range(num_samples)]
    return [vocab.decode(chars[:end, i]) for chars in last for i, end in enumerate(ends)]


def write_batch(
    prefixes: Sequence[str], num_chars: int, writer: Writer, vocab: Vocab, choice: Choice, num_samples: int
) -> Iterator[np.ndarray]:
    """What generate_batch decodes, as it is written: each time all indices so far, (characters, texts)."""
    if isinstance(prefixes, str):
        raise TypeError(f"prefixes is {prefixes!r}: give a list, [{prefixes!r}]")
    check_size(num_samples=num_samples)
    texts = [encode_prefix(prefix, num_chars, vocab) for prefix in prefixes]
    longest, batch_size = max(map(len, texts), default=0) + num_chars, len(texts) * num_samples
    num_floats = batch_size * (2 * longest + 64 * (len(vocab) + writer.hidden_dim))
    check_memory("these texts need", 4 * num_floats, "give fewer prefixes, samples or characters")
    rngs = _generators(choice, len(texts), num_samples)
    if not texts:
        return
    chars = np.zeros((longest, batch_size), np.int32)  # row t is what all texts read at step t
    lengths = np.repeat([len(text) for text in texts], num_samples).tolist()
    for i, length in enumerate(lengths):
        chars[:length, i] = texts[i // num_samples]
    state, X = writer.init_state(batch_size), nd.zeros((1, batch_size), ctx=writer.ctx, dtype="int32")
    yield chars[: min(lengths)]
    go_on = writer.go_on if choice.temperature == 0 or choice[1:3] == (None, None) else None
    led = longest - num_chars if go_on else longest  # so far it is led, then it goes on alone
    for t in range(led - 1):
        X._sync_copyfrom(chars[t : t + 1])  # a quarter of the time of X[:] = chars[t]
        Y, state = writer.read(X, state)
        # those whose prefix has been read and that are not yet long enough: what they choose, they read next
        rows = [i for i, length in enumerate(lengths) if length <= t + 1 < length + num_chars]
        if rows:
            logits = Y.asnumpy() if len(rows) == batch_size else Y.asnumpy()[rows]
            if not np.isfinite(logits).all():
                raise FloatingPointError("the output is not finite: the parameters hold NaN or infinity")
            chars[t + 1, rows] = choose(logits, [rngs[i].random() for i in rows], choice)
        yield chars[: t + 2]
    for chunk in go_on(chars[led - 1], state, num_chars, choice, rngs) if go_on else ():
        chars[led : led + len(chunk)], led = chunk, led + len(chunk)
        yield chars[:led]


def _generators(choice: Choice, num_texts: int, num_samples: int) -> list[np.random.Generator]:
    """One for each row, seeded with seed + k for sample k of a text; choice is checked first."""
    temperature, top_k, top_p, seed = choice
    seeds = [None if seed is None else check_seed(check_seed(seed) + k) for k in range(num_samples)]
    if not 0 <= temperature < np.inf:
        raise ValueError(f"temperature is {temperature!r}: give a number from 0 (greedy) up")
    check_size(top_k=1 if top_k is None else top_k)
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p is {top_p!r}: give a share of the probability, above 0 and at most 1")
    return [np.random.default_rng(seed) for seed in seeds * num_texts]


def choose(logits: np.ndarray, numbers: Any, choice: Choice) -> np.ndarray:
    """For each row the character into whose share of [0, 1) its number falls; greedy: the likeliest."""
    temperature, top_k, top_p, _ = choice
    if temperature == 0:
        return logits.argmax(axis=1)
    up_to = np.cumsum(probabilities(logits, temperature, top_k, top_p), axis=1)
    return (up_to / up_to[:, -1:] <= np.reshape(numbers, (-1, 1))).sum(axis=1)  # those before it


def probabilities(logits: Any, temperature: float, top_k: int | None, top_p: float | None) -> np.ndarray:
    """softmax(logits / temperature) of the candidates that generate keeps, 0 for the others; float64."""
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
