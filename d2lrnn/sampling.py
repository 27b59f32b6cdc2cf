"""Lesson 2. A long list of indices becomes minibatches (data, label): the label is what comes next."""

from __future__ import annotations

import numbers
from collections.abc import Iterator, Sequence

import mxnet as mx
import numpy as np
from mxnet import nd

from .checks import MAX_INT32, check_size, to_integers

Batch = tuple[nd.NDArray, nd.NDArray]


def try_gpu() -> mx.Context:
    """mx.gpu(0) if this machine and this build of MXNet have one, else mx.cpu()."""
    return mx.gpu(0) if mx.context.num_gpus() else mx.cpu()


def data_iter_random(
    corpus_indices: Sequence[int],
    batch_size: int,
    num_steps: int,
    ctx: mx.Context | None = None,
    *,
    rng: np.random.Generator | int | None = None,
    offset: int = 0,
) -> Iterator[Batch]:
    """Cut the corpus from offset on into windows of num_steps; yield each once, shuffled, in batches.

    data, label: (batch_size, num_steps) int32. Windows that do not fill a whole batch are left out: pass
    another offset every epoch, and their turn comes. Batches are unrelated, so each starts from a state of
    zeros.

    Raises:
        ValueError: the corpus does not fill one batch (at the first next()).
    """
    corpus = _corpus_from(offset, corpus_indices, batch_size, num_steps)
    num_windows = (len(corpus) - 1) // num_steps  # minus one: the last label lies one character further
    _check_batches(num_windows // batch_size, corpus, batch_size, num_steps, batch_size * num_steps + 1)
    starts = num_steps * np.arange(num_windows)
    np.random.default_rng(rng).shuffle(starts)
    for i in range(0, num_windows - batch_size + 1, batch_size):
        windows = starts[i : i + batch_size, None] + np.arange(num_steps + 1)
        yield _shifted_pair(corpus[windows], ctx)


def data_iter_consecutive(
    corpus_indices: Sequence[int],
    batch_size: int,
    num_steps: int,
    ctx: mx.Context | None = None,
    *,
    rng: np.random.Generator | int | None = None,
    offset: int = 0,
) -> Iterator[Batch]:
    """Cut the corpus from offset on into batch_size rows, and yield num_steps columns at a time.

    data, label: (batch_size, num_steps) int32. Row r of a batch continues where row r of the batch before
    ended, so the state is carried over. rng is accepted but not used, so that either sampler can replace the
    other.

    Raises:
        ValueError: the corpus does not fill one batch (at the first next()).
    """
    corpus = _corpus_from(offset, corpus_indices, batch_size, num_steps)
    row_len = len(corpus) // batch_size
    _check_batches((row_len - 1) // num_steps, corpus, batch_size, num_steps, batch_size * (num_steps + 1))
    rows = corpus[: batch_size * row_len].reshape(batch_size, row_len)
    for i in range(0, row_len - num_steps, num_steps):
        yield _shifted_pair(rows[:, i : i + num_steps + 1], ctx)


def fresh_offset(
    rng: np.random.Generator, num_chars: int, batch_size: int, num_steps: int, *, is_random_iter: bool
) -> int:
    """Where an epoch's windows start, drawn so that over the epochs every target is trained on.

    Random windows need num_steps different offsets. Consecutive rows lose what is left over at the end of
    every row, and it takes batch_size * num_steps offsets to shift all of these ends. A small corpus allows
    fewer: one batch must remain.
    """
    if is_random_iter:
        largest = min(num_steps - 1, num_chars - 1 - batch_size * num_steps)
    else:
        largest = min(batch_size * num_steps - 1, num_chars - batch_size * (num_steps + 1))
    return int(rng.integers(max(largest, 0) + 1))


def _shifted_pair(chars: np.ndarray, ctx: mx.Context | None) -> Batch:
    ctx = ctx or try_gpu()
    return nd.array(chars[:, :-1], ctx=ctx, dtype="int32"), nd.array(chars[:, 1:], ctx=ctx, dtype="int32")


def _corpus_from(offset: int, corpus_indices: Sequence[int], batch_size: int, num_steps: int) -> np.ndarray:
    check_size(batch_size=batch_size, num_steps=num_steps)
    corpus = to_integers(corpus_indices, "corpus_indices")
    if corpus.ndim != 1:
        raise ValueError(f"corpus_indices have {corpus.ndim} dimensions: give one long list")
    if (
        isinstance(offset, bool)
        or not isinstance(offset, numbers.Integral)
        or not 0 <= int(offset) <= len(corpus)
    ):
        raise ValueError(f"offset is {offset!r}: give 0 to {len(corpus)}, the length of the corpus")
    if len(corpus) and not 0 <= corpus.min() <= corpus.max() <= MAX_INT32:
        raise ValueError(
            f"corpus_indices run from {corpus.min()} to {corpus.max()}: an index is in 0 … 2^31 - 1"
        )
    return corpus[offset:]


def _check_batches(num_batches: int, corpus: np.ndarray, batch_size: int, num_steps: int, least: int) -> None:
    if num_batches < 1:
        raise ValueError(
            f"{len(corpus)} characters fill no batch of {batch_size} x {num_steps}: give at least {least}, "
            "or a smaller batch_size or num_steps"
        )
