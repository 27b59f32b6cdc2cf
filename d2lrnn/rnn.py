"""Lesson 4. The recurrent network: a hidden state H carries what has been read to the next time step."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import mxnet as mx
from mxnet import nd

from .checks import check_positive, check_size
from .sampling import try_gpu

Params = Sequence[nd.NDArray]  # of a network of any kind, in the order of its formulas
State = tuple[nd.NDArray, ...]  # likewise: H, or H and C, of each layer


class RNNParams(NamedTuple):
    """The parameters of the network, under the names that formulas and files give them."""

    W_xh: nd.NDArray  # (vocab_size, hidden_dim)
    W_hh: nd.NDArray  # (hidden_dim, hidden_dim)
    b_h: nd.NDArray  # (hidden_dim,)
    W_hy: nd.NDArray  # (hidden_dim, vocab_size)
    b_y: nd.NDArray  # (vocab_size,)


def get_params(
    vocab_size: int, hidden_dim: int, ctx: mx.Context | None = None, *, scale: float = 0.01
) -> RNNParams:
    """New parameters with gradients attached: weights normal with deviation scale, biases zero.

    Draws from MXNet's generator: mx.random.seed(seed) before the call makes them repeatable.
    """
    check_size(vocab_size=vocab_size, hidden_dim=hidden_dim)
    check_positive(scale=scale)
    ctx = ctx or try_gpu()
    normal = partial(nd.random.normal, scale=scale, ctx=ctx)
    params = RNNParams(
        W_xh=normal(shape=(vocab_size, hidden_dim)),
        W_hh=normal(shape=(hidden_dim, hidden_dim)),
        b_h=nd.zeros(hidden_dim, ctx=ctx),
        W_hy=normal(shape=(hidden_dim, vocab_size)),
        b_y=nd.zeros(vocab_size, ctx=ctx),
    )
    for param in params:
        param.attach_grad()
    return params


def init_rnn_state(batch_size: int, hidden_dim: int, ctx: mx.Context | None = None) -> tuple[nd.NDArray]:
    """(H,) of zeros, (batch_size, hidden_dim): the state before anything is read."""
    check_size(batch_size=batch_size, hidden_dim=hidden_dim)
    return (nd.zeros((batch_size, hidden_dim), ctx=ctx or try_gpu()),)


def rnn(
    inputs: Sequence[nd.NDArray], state: tuple[nd.NDArray], params: RNNParams
) -> tuple[list[nd.NDArray], tuple[nd.NDArray]]:
    """Read num_steps matrices X (batch_size, vocab_size) and return as many outputs Y, and the new state.

    H_t = tanh(X_t W_xh + H_{t-1} W_hh + b_h),  Y_t = H_t W_hy + b_y. Y (batch_size, vocab_size) are logits.
    """
    (H,) = state
    W_xh, W_hh, b_h, W_hy, b_y = params
    outputs = []
    for X in inputs:
        H = nd.tanh(nd.dot(X, W_xh) + nd.dot(H, W_hh) + b_h)
        outputs.append(nd.dot(H, W_hy) + b_y)
    return outputs, (H,)
