"""Lesson 9. The whole loop: read a batch, measure the loss, go backward, clip, step; now and then, write."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import mxnet as mx
import numpy as np
from mxnet import autograd, nd

from .checks import check_backward_reached, check_loss, check_seed, check_size, to_indices
from .clipping import grad_clipping
from .decoding import predict_rnn
from .loss import cross_entropy, perplexity
from .onehot import get_inputs
from .optim import Optimizer
from .rnn import Params, State
from .sampling import Batch, data_iter_consecutive, data_iter_random, try_gpu
from .text import Vocab, encode_prefix


def train_batches(
    rnn: Callable,
    params: Params,
    init_state: Callable,
    batches: Iterable[Batch],
    optimizer: Optimizer,
    clipping_theta: float,
    *,
    is_random_iter: bool,
    state: State | None = None,
    train_batch: Callable[[Params, State, Batch, Optimizer, float], tuple[float, State]] | None = None,
) -> Iterator[tuple[float, int, State]]:
    """Train on one batch after the other; after each yield (nats per character, characters, state).

    Random batches each start from a state of zeros. Consecutive ones carry the state on, cut off from the
    graph of the batch before; `state` is what the first of them starts from (None: zeros). train_batch: what
    one batch does (None: as in lessons 4 to 7, with rnn; the networks of lesson 15 have a faster one).

    Raises:
        FloatingPointError: the loss or a gradient is not finite; the parameters are as the step before left
        them.
    """
    hidden_dim = len(params[-2])  # params[-2] is W_hy
    train_batch = train_batch or functools.partial(train_on_batch, rnn)
    for batch in batches:
        data, label = batch
        if is_random_iter or state is None:
            state = init_state(len(data), hidden_dim, data.context)
        state = tuple(S.detach() for S in state)
        nats, state = train_batch(params, state, batch, optimizer, clipping_theta)
        yield nats, label.size, state


def train_on_batch(
    rnn: Callable, params: Params, state: State, batch: Batch, optimizer: Optimizer, theta: float
) -> tuple[float, State]:
    """Learn from one batch, with the gradient clipped to theta: (nats per character before it, new state)."""
    data, label = batch
    with autograd.record():
        outputs, state = rnn(get_inputs(data, params[-1].size), state, params)
        loss = cross_entropy(nd.concat(*outputs, dim=0), label.T.reshape(-1))
    loss.backward()
    nats = float(loss.asscalar())
    check_loss(nats)
    check_backward_reached(params)
    grad_clipping(params, theta)
    optimizer.step(params)
    return nats, state


def train_epoch(
    rnn: Callable,
    params: Params,
    init_state: Callable,
    batches: Iterable[Batch],
    optimizer: Optimizer,
    clipping_theta: float,
    *,
    is_random_iter: bool,
) -> float:
    """Train once on all batches; return the perplexity over all characters, each measured before its step."""
    nats = num_chars = 0.0
    steps = train_batches(
        rnn, params, init_state, batches, optimizer, clipping_theta, is_random_iter=is_random_iter
    )
    for batch_nats, batch_chars, _ in steps:
        nats += batch_nats * batch_chars
        num_chars += batch_chars
    if not num_chars:
        raise ValueError("there are no batches to train on")
    return perplexity(nats / num_chars)


def evaluate(
    rnn: Callable,
    params: Params,
    init_state: Callable,
    indices: Sequence[int] | np.ndarray,
    batch_size: int,
    num_steps: int,
    ctx: mx.Context | None = None,
    *,
    get_inputs: Callable = get_inputs,
) -> float:
    """The perplexity of params on a text, without training, read in at most batch_size rows.

    Each row starts from a state of zeros and carries it to its end, so that every target but the last few
    counts.
    """
    check_size(batch_size=batch_size, num_steps=num_steps)
    hidden_dim, vocab_size = params[-2].shape
    corpus = to_indices(indices, vocab_size, ndim=1)
    batch_size = min(batch_size, len(corpus) // 2)
    if batch_size < 1:
        raise ValueError(f"{len(corpus)} characters to measure: give at least 2")
    rows = corpus[: len(corpus) // batch_size * batch_size].reshape(batch_size, -1)
    ctx = ctx or params[0].context
    state = init_state(batch_size, hidden_dim, ctx)
    nats = num_chars = 0.0
    for i in range(0, rows.shape[1] - 1, num_steps):
        chars = nd.array(rows[:, i : i + num_steps + 1], ctx=ctx, dtype="int32")
        data, label = chars[:, :-1], chars[:, 1:]
        outputs, state = rnn(get_inputs(data, vocab_size), state, params)
        nats += cross_entropy(nd.concat(*outputs, dim=0), label.T.reshape(-1)).asscalar() * label.size
        num_chars += label.size
    return perplexity(nats / num_chars)


def train_and_predict_rnn(
    rnn: Callable,
    get_params: Callable,
    init_state: Callable,
    hidden_dim: int,
    vocab: Vocab,
    corpus_indices: Sequence[int],
    *,
    ctx: mx.Context | None = None,
    is_random_iter: bool = True,
    num_epochs: int = 250,
    num_steps: int = 35,
    lr: float = 1e2,
    clipping_theta: float = 1e-2,
    batch_size: int = 32,
    optimizer: str = "sgd",
    pred_period: int = 50,
    pred_len: int = 50,
    prefixes: Sequence[str] = ("分开", "不分开"),
    seed: int = 0,
) -> list[float]:
    """The tutorial's loop: train, and every pred_period epochs print the perplexity and continue each prefix.

    Returns the perplexity of every epoch; the same seed gives the same numbers. Every epoch cuts the same
    windows, as in the tutorial; `python -m d2lrnn.train` moves them, so that no target is left out.
    """
    check_size(num_epochs=num_epochs, pred_period=pred_period)
    rng = np.random.default_rng(check_seed(seed))
    mx.random.seed(seed)
    for prefix in prefixes:
        encode_prefix(prefix, pred_len, vocab)  # what cannot be written is refused now, not after 50 epochs
    ctx = ctx or try_gpu()
    params = get_params(len(vocab), hidden_dim, ctx)
    updater = Optimizer(optimizer, params, lr)
    data_iter: Callable = data_iter_random if is_random_iter else data_iter_consecutive
    perplexities = []
    for epoch in range(1, num_epochs + 1):
        start = time.perf_counter()
        batches = data_iter(corpus_indices, batch_size, num_steps, ctx, rng=rng)
        training = rnn, params, init_state, batches, updater, clipping_theta
        perplexities.append(train_epoch(*training, is_random_iter=is_random_iter))
        if epoch % pred_period == 0:
            seconds = time.perf_counter() - start
            print(f"epoch {epoch}, perplexity {perplexities[-1]:f}, time {seconds:.2f} sec")
            for prefix in prefixes:
                print(" -", predict_rnn(prefix, pred_len, rnn, params, init_state, hidden_dim, vocab, ctx))
    return perplexities
