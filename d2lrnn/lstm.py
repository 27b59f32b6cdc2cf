"""Lesson 12. Long short-term memory: a cell C beside the state H, and gates to write, erase and read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import mxnet as mx
from mxnet import nd

from .checks import check_size
from .gru import new_gated_params
from .sampling import try_gpu


class LSTMParams(NamedTuple):
    """Per gate W_x (vocab_size, hidden_dim), W_h (hidden_dim, hidden_dim), b (hidden_dim,)."""

    W_xi: nd.NDArray  # input gate
    W_hi: nd.NDArray
    b_i: nd.NDArray
    W_xf: nd.NDArray  # forget gate
    W_hf: nd.NDArray
    b_f: nd.NDArray
    W_xo: nd.NDArray  # output gate
    W_ho: nd.NDArray
    b_o: nd.NDArray
    W_xc: nd.NDArray  # candidate
    W_hc: nd.NDArray
    b_c: nd.NDArray
    W_hy: nd.NDArray
    b_y: nd.NDArray


def get_lstm_params(
    vocab_size: int, hidden_dim: int, ctx: mx.Context | None = None, *, scale: float = 0.01
) -> LSTMParams:
    """New parameters with gradients attached: weights normal with deviation scale, biases zero."""
    return new_gated_params(LSTMParams, 4, vocab_size, hidden_dim, ctx, scale)


def init_lstm_state(
    batch_size: int, hidden_dim: int, ctx: mx.Context | None = None
) -> tuple[nd.NDArray, nd.NDArray]:
    """(H, C) of zeros, each (batch_size, hidden_dim)."""
    check_size(batch_size=batch_size, hidden_dim=hidden_dim)
    ctx = ctx or try_gpu()
    return nd.zeros((batch_size, hidden_dim), ctx=ctx), nd.zeros((batch_size, hidden_dim), ctx=ctx)


def lstm(
    inputs: Sequence[nd.NDArray], state: tuple[nd.NDArray, nd.NDArray], params: LSTMParams
) -> tuple[list[nd.NDArray], tuple[nd.NDArray, nd.NDArray]]:
    """Read num_steps matrices X (batch_size, vocab_size) and return as many outputs Y, and the new (H, C).

    New C = F * C + I * candidate, new H = O * tanh(C) (Gers et al. 2000, the form with a forget gate).
    """
    H, C = state
    W_xi, W_hi, b_i, W_xf, W_hf, b_f, W_xo, W_ho, b_o, W_xc, W_hc, b_c, W_hy, b_y = params
    outputs = []
    for X in inputs:
        I = nd.sigmoid(nd.dot(X, W_xi) + nd.dot(H, W_hi) + b_i)
        F = nd.sigmoid(nd.dot(X, W_xf) + nd.dot(H, W_hf) + b_f)
        O = nd.sigmoid(nd.dot(X, W_xo) + nd.dot(H, W_ho) + b_o)
        C_tilde = nd.tanh(nd.dot(X, W_xc) + nd.dot(H, W_hc) + b_c)
        C = F * C + I * C_tilde
        H = O * nd.tanh(C)
        outputs.append(nd.dot(H, W_hy) + b_y)
    return outputs, (H, C)
