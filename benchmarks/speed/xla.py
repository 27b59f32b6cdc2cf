"""JAX: one jitted step, its loss and its Adam from optax, lax.scan over the characters."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .work import BETA1, BETA2, EPS, THREADS, Contender, Params, Task, by_layer

if THREADS == 1 and hasattr(os, "sched_setaffinity"):  # XLA has a thread for every core that it may use
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
import jax
import jax.numpy as jnp
import numpy as np
import optax


def rnn_cell(W: Any, state: Any, A: Any) -> Any:
    """One step: A is what comes from below, biases included."""
    return (jnp.tanh(A + state[0] @ W[0]),)


def gru_cell(W: Any, state: Any, A: Any) -> Any:
    """The book's form: the reset gate acts before the product."""
    (H,), (W_zr, W_hh) = state, W
    width = 2 * H.shape[1]
    Z, R = jnp.split(jax.nn.sigmoid(A[:, :width] + H @ W_zr), 2, 1)
    return (Z * H + (1 - Z) * jnp.tanh(A[:, width:] + (R * H) @ W_hh),)


def lstm_cell(W: Any, state: Any, A: Any) -> Any:
    """Gates i, f, o and c."""
    H, C = state
    A = A + H @ W[0]
    width = 3 * H.shape[1]
    I, F, O = jnp.split(jax.nn.sigmoid(A[:, :width]), 3, 1)
    C = F * C + I * jnp.tanh(A[:, width:])
    return O * jnp.tanh(C), C


CELLS = {"rnn": rnn_cell, "gru": gru_cell, "lstm": lstm_cell}


UNROLLED = {"scan": 1, "scan by 5": 5, "unrolled": True}  # how many steps lax.scan writes out


@dataclass(frozen=True)
class Step:
    """What XLA compiles: a step of training."""

    task: Task
    unroll: int | bool
    one_hot: bool
    together: bool
    optimizer: optax.GradientTransformation

    def loss(self, params: Params, data: Any, label: Any) -> Any:
        """Mean cross-entropy; data, label (batch_size, num_steps)."""
        layers, (W_x, *_, W_y, b_y), H = by_layer(params), params, None
        X = jax.nn.one_hot(data.T, len(W_x)) @ W_x if self.one_hot else W_x[data.T]
        for stack in [layers] if self.together else [[layer] for layer in layers]:
            W_x, _, b = stack[0]
            H = self.read(stack, (X if H is None else H @ W_x) + b)
        return optax.softmax_cross_entropy_with_integer_labels(H @ W_y + b_y, label.T).mean()

    def read(self, layers: Any, A: Any) -> Any:
        """What layers hand up, read in one scan; A is what comes from below the first, biases included."""
        zeros = jnp.zeros((A.shape[1], self.task.hidden_dim))
        first = (zeros, zeros) if self.task.cell == "lstm" else (zeros,)

        is_gru = self.task.cell == "gru"
        W = [jnp.split(W_h, [2 * len(W_h)], 1) if is_gru else (W_h,) for _, W_h, _ in layers]

        def step(states: Any, A: Any) -> Any:
            new: list[Any] = []
            for (W_x, _, b), W_k, state in zip(layers, W, states):
                A = new[-1][0] @ W_x + b if new else A
                new.append(CELLS[self.task.cell](W_k, state, A))
            return new, new[-1][0]

        return jax.lax.scan(step, [first] * len(layers), A, unroll=self.unroll)[1]

    def __call__(self, params: Params, state: Any, data: Any, label: Any) -> Any:
        """The new params, the new state of the optimizer, and the loss."""
        loss, gradients = jax.value_and_grad(self.loss)(params, data, label)
        updates, state = self.optimizer.update(gradients, state)
        return optax.apply_updates(params, updates), state, loss


class Compiled(Contender):
    """A step is one program of XLA; params and moments are donated."""

    def __init__(self, task: Task, variant: str = "scan, rows") -> None:
        loop, entering, *together = variant.split(", ")
        adam = optax.adam(task.lr, BETA1, BETA2, EPS)
        step = Step(
            task,
            UNROLLED[loop],
            entering == "one-hot",
            bool(together),
            optax.chain(optax.clip_by_global_norm(task.theta), adam),
        )
        self.params = [jnp.array(array) for array in task.params()]
        self.state = step.optimizer.init(self.params)
        self.train = jax.jit(step, donate_argnums=(0, 1))

    @staticmethod
    def variants(task: Task) -> list[str]:
        """Each loop with each way in which characters enter; several layers in a scan each, or in one."""
        if task.num_layers > 1:
            return [
                f"{loop}, rows{how}" for how in ("", ", layers together") for loop in ("scan", "scan by 5")
            ]
        return [f"{loop}, {way}" for loop in UNROLLED for way in task.entering]

    def step(self, data: np.ndarray, label: np.ndarray) -> float:
        """A step of training."""
        self.params, self.state, loss = self.train(self.params, self.state, data, label)
        return float(loss)

    def moments(self) -> Params:
        """Of Adam."""
        return [np.asarray(m) for m in optax.tree.get(self.state, "mu")]


def multiply(a: np.ndarray, b: np.ndarray) -> list[Callable[[], object]]:
    """The ways to multiply two matrices, of which the fastest counts."""
    A, B, A_T, B_T = (jnp.array(one) for one in (a, b, a.T.copy(), b.T.copy()))
    ways = [
        (jax.jit(lambda A, B: A @ B), (A, B)),
        (jax.jit(lambda A, B_T: A @ B_T.T), (A, B_T)),
        (jax.jit(lambda A_T, B: A_T.T @ B), (A_T, B)),
    ]
    return [lambda way=way, pair=pair: way(*pair).block_until_ready() for way, pair in ways]  # type: ignore
