"""Lesson 11. The gated recurrent unit: one gate for how much state to keep, one for how much to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import mxnet as mx
from mxnet import nd

from .checks import check_positive, check_size
from .rnn import init_rnn_state
from .sampling import try_gpu


class GRUParams(NamedTuple):
    """Per gate W_x (vocab_size, hidden_dim), W_h (hidden_dim, hidden_dim), b (hidden_dim,)."""

    W_xz: nd.NDArray  # update gate
    W_hz: nd.NDArray
    b_z: nd.NDArray
    W_xr: nd.NDArray  # reset gate
    W_hr: nd.NDArray
    b_r: nd.NDArray
    W_xh: nd.NDArray  # candidate
    W_hh: nd.NDArray
    b_h: nd.NDArray
    W_hy: nd.NDArray
    b_y: nd.NDArray


def new_gated_params(
    kind: Callable, num_gates: int, vocab_size: int, hidden_dim: int, ctx: mx.Context | None, scale: float
) -> Any:
    """kind(W_x, W_h, b of gate after gate, W_hy, b_y): weights normal with deviation scale, biases zero."""
    check_size(vocab_size=vocab_size, hidden_dim=hidden_dim)
    check_positive(scale=scale)
    ctx = ctx or try_gpu()
    normal = partial(nd.random.normal, scale=scale, ctx=ctx)
    output = [normal(shape=(hidden_dim, vocab_size)), nd.zeros(vocab_size, ctx=ctx)]
    gates = []
    for _ in range(num_gates):
        gates += [normal(shape=(vocab_size, hidden_dim)), normal(shape=(hidden_dim, hidden_dim))]
        gates += [nd.zeros(hidden_dim, ctx=ctx)]
    params = kind(*gates, *output)
    for param in params:
        param.attach_grad()
    return params


def get_gru_params(
    vocab_size: int, hidden_dim: int, ctx: mx.Context | None = None, *, scale: float = 0.01
) -> GRUParams:
    """New parameters with gradients attached: weights normal with deviation scale, biases zero."""
    return new_gated_params(GRUParams, 3, vocab_size, hidden_dim, ctx, scale)


init_gru_state = init_rnn_state  # a GRU carries the same (H,) as an RNN


def gru(
    inputs: Sequence[nd.NDArray], state: tuple[nd.NDArray], params: GRUParams
) -> tuple[list[nd.NDArray], tuple[nd.NDArray]]:
    """Read num_steps matrices X (batch_size, vocab_size) and return as many outputs Y, and the new state.

    The book's form, after Cho et al. 2014: the reset gate R acts on H before the product with W_hh. (Gluon
    and cuDNN apply it after.) New H = Z * H + (1 - Z) * candidate: where Z is 1, the old state stays.
    """
    (H,) = state
    W_xz, W_hz, b_z, W_xr, W_hr, b_r, W_xh, W_hh, b_h, W_hy, b_y = params
    outputs = []
    for X in inputs:
        Z = nd.sigmoid(nd.dot(X, W_xz) + nd.dot(H, W_hz) + b_z)
        R = nd.sigmoid(nd.dot(X, W_xr) + nd.dot(H, W_hr) + b_r)
        H_tilde = nd.tanh(nd.dot(X, W_xh) + nd.dot(R * H, W_hh) + b_h)
        H = Z * H + (1 - Z) * H_tilde
        outputs.append(nd.dot(H, W_hy) + b_y)
    return outputs, (H,)
