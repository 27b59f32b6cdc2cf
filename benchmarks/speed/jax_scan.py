"""JAX: one jitted step, lax.scan over the characters, parameters and moments donated."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from .work import BETA1, BETA2, EPS, THREADS, Params, Task

if THREADS == 1 and hasattr(os, "sched_setaffinity"):  # XLA has a thread for every core that it may use
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
import jax
import jax.numpy as jnp
import numpy as np


def rnn_cell(W_h: Any, state: Any, A: Any) -> Any:
    """One step: A is what comes from below, biases included."""
    return (jnp.tanh(A + state[0] @ W_h),)


def gru_cell(W_h: Any, state: Any, A: Any) -> Any:
    """The book's form: the reset gate acts before the product."""
    (H,) = state
    width = 2 * H.shape[1]
    Z, R = jnp.split(jax.nn.sigmoid(A[:, :width] + H @ W_h[:, :width]), 2, 1)
    return (Z * H + (1 - Z) * jnp.tanh(A[:, width:] + (R * H) @ W_h[:, width:]),)


def lstm_cell(W_h: Any, state: Any, A: Any) -> Any:
    """Gates i, f, o and c."""
    H, C = state
    A = A + H @ W_h
    width = 3 * H.shape[1]
    I, F, O = jnp.split(jax.nn.sigmoid(A[:, :width]), 3, 1)
    C = F * C + I * jnp.tanh(A[:, width:])
    return O * jnp.tanh(C), C


CELLS = {"rnn": rnn_cell, "gru": gru_cell, "lstm": lstm_cell}


def loss_of(params: Params, cell: str, data: Any, label: Any) -> Any:
    """Mean cross-entropy; data, label (batch_size, num_steps)."""
    W_x, W_h, b, W_y, b_y = params
    zeros = jnp.zeros((len(data), len(W_h)))
    first = (zeros, zeros) if cell == "lstm" else (zeros,)

    def read(state: Any, A: Any) -> Any:
        state = CELLS[cell](W_h, state, A)
        return state, state[0]

    _, H = jax.lax.scan(read, first, W_x[data.T] + b)
    logits = H.reshape(-1, len(W_h)) @ W_y + b_y
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), label.T.reshape(-1, 1), 1).mean()


@partial(jax.jit, static_argnums=(5,), donate_argnums=(0, 1, 2))
def train(params: Any, m: Any, v: Any, t: Any, batch: Any, cell: str, lr: Any, theta: Any) -> Any:
    """One step of Adam; the new params, m, v and the loss."""
    loss, g = jax.value_and_grad(loss_of)(params, cell, *batch)
    norm = jnp.sqrt(sum(jnp.vdot(one, one) for one in g))
    g = jax.tree.map(lambda one: one * jnp.minimum(1, theta / norm), g)
    m = jax.tree.map(lambda old, new: BETA1 * old + (1 - BETA1) * new, m, g)
    v = jax.tree.map(lambda old, new: BETA2 * old + (1 - BETA2) * new * new, v, g)
    m_scale, v_scale = 1 / (1 - BETA1**t), 1 / (1 - BETA2**t)
    params = jax.tree.map(
        lambda p, one, two: p - lr * m_scale * one / (jnp.sqrt(v_scale * two) + EPS), params, m, v
    )
    return params, m, v, loss


class Scan:
    """Compiled by XLA as a whole."""

    def __init__(self, task: Task) -> None:
        self.task, self.t = task, 0
        self.params = Params(*map(jnp.array, task.params()))
        self.m, self.v = (jax.tree.map(jnp.zeros_like, self.params) for _ in range(2))

    def step(self, data: np.ndarray, label: np.ndarray) -> float:
        """A step of training."""
        self.t += 1
        task = self.task
        self.params, self.m, self.v, loss = train(
            self.params, self.m, self.v, float(self.t), (data, label), task.cell, task.lr, task.theta
        )
        return float(loss)

    def moments(self) -> Params:
        """Of Adam."""
        return Params(*map(np.asarray, self.m))


def multiply(a: np.ndarray, b: np.ndarray) -> list[Callable[[], object]]:
    """The ways to multiply two matrices, of which the fastest counts."""
    A, B, A_T, B_T = (jnp.array(one) for one in (a, b, a.T.copy(), b.T.copy()))
    ways = [
        (jax.jit(lambda A, B: A @ B), (A, B)),
        (jax.jit(lambda A, B_T: A @ B_T.T), (A, B_T)),
        (jax.jit(lambda A_T, B: A_T.T @ B), (A_T, B)),
    ]
    return [lambda way=way, pair=pair: way(*pair).block_until_ready() for way, pair in ways]  # type: ignore
