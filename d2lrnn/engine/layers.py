"""The layers of lesson 15: all time steps of a layer are one graph, which MXNet runs without Python."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import mxnet as mx
from mxnet import nd

from ..rnn import State
from .cells import Steps, add

Arrays = Sequence[Any]
MAX_STEPS = 64  # of one graph


class Layer(NamedTuple):
    """The weights of one layer, an array a gate. What it reads is multiplied by W_x, or picks its rows."""

    steps: Steps
    reads_indices: bool
    W_x: Arrays
    W_h: Arrays
    b: Arrays

    def project(self, below: nd.NDArray) -> list[nd.NDArray]:
        """A of each gate: what comes from below, with the bias."""
        if self.reads_indices:
            rows = [nd.Embedding(below, W, *W.shape) for W in self.W_x]
            return [nd.broadcast_add(X, b_k) for X, b_k in zip(rows, self.b)]
        return multiply(nd, below, [W.T for W in self.W_x], self.b, self.b[0].size)

    def read(self, below: nd.NDArray, state: State, num_parts: int) -> tuple[nd.NDArray, State]:
        """Indices or a (num_steps * batch_size, …) matrix become such a matrix of H, and the new state."""
        batch_size, H = len(state[0]), []
        for begin, end in cut_steps(len(below) // batch_size, num_parts):
            A = self.project(below[begin * batch_size : end * batch_size])
            part, *new = run(forward, self.steps, [*A, *self.W_h, *state], end - begin, 1 + len(state))
            H.append(part)
            state = tuple(new)
        return nd.concat(*H, dim=0), state


def multiply(F: Any, below: Any, W_x: Arrays, b: Arrays, hidden_dim: int) -> list[Any]:
    """A of each gate from a matrix below. W_x: transposed."""
    return [F.FullyConnected(below, *each, num_hidden=hidden_dim) for each in zip(W_x, b)]


def num_threads() -> int:
    """How many operations MXNet's engine runs side by side."""
    threads = os.environ.get("MXNET_CPU_WORKER_NTHREADS", "")
    return max(1, int(threads)) if threads.isdecimal() else 1


def cut(length: int, num_parts: int) -> list[tuple[int, int]]:
    """(begin, end) of num_parts parts of about the same length, or of fewer, so that none is empty."""
    num_parts = min(length, num_parts)
    ends = [length * k // num_parts for k in range(num_parts + 1)]
    return list(zip(ends, ends[1:]))


def cut_steps(num_steps: int, num_parts: int) -> list[tuple[int, int]]:
    """The steps of each part of a batch; there are more parts where their graphs would be long."""
    return cut(num_steps, max(num_parts, math.ceil(num_steps / MAX_STEPS)))


# --- all time steps as one graph ---


def forward(F: Any, steps: Steps, inputs: Arrays, num_steps: int, hidden_dim: int) -> list[Any]:
    """From A of each gate, W_h of each gate and the state: H of all steps, the new state, fed, slopes."""
    num_gates = len(steps.fed)
    A, W, state = inputs[:num_gates], inputs[num_gates : 2 * num_gates], inputs[2 * num_gates :]
    W, taken = [F.transpose(each) for each in W], []
    for A_t in zip(*[_split(F, each, num_steps) for each in A]):
        state, fed, kept = steps.step(F, A_t, state, times(F, W, hidden_dim))
        taken.append((state[:1], fed, kept))
    (H,), fed, kept = (join(F, rows) for rows in zip(*taken))
    return [H, *state, *fed, *steps.slopes(F, *kept)]


def backward(F: Any, steps: Steps, inputs: Arrays, num_steps: int, hidden_dim: int) -> list[Any]:
    """From dH and slopes of all steps, W_h of each gate and dstate: dA, and dstate before the first step."""
    rest, dstate = inputs[: -steps.num_states], inputs[-steps.num_states :]
    dH_and_slopes, W = rest[: -len(steps.fed)], rest[-len(steps.fed) :]
    dA: list[Arrays] = []
    for dH, *slopes in reversed(list(zip(*[_split(F, each, num_steps) for each in dH_and_slopes]))):
        dA_t, dstate = steps.back(F, [add(F, dstate[0], dH), *dstate[1:]], slopes, times(F, W, hidden_dim))
        dA.insert(0, dA_t)
    return [*join(F, dA), *dstate]


def run(
    program: Callable,
    steps: Steps,
    arrays: Arrays,
    num_steps: int,
    num_outputs: int | None = None,
) -> list[nd.NDArray]:
    """The first outputs of forward or backward for arrays, of which the last is (batch_size, hidden_dim)."""
    return _compile(program, steps, len(arrays), num_steps, arrays[-1].shape[1], num_outputs)(*arrays)


@functools.lru_cache(maxsize=128)
def _compile(
    program: Callable,
    steps: Steps,
    num_inputs: int,
    num_steps: int,
    hidden_dim: int,
    num_outputs: int | None,
) -> Callable[..., list[nd.NDArray]]:
    def some_outputs(F: Any, inputs: Arrays) -> list[Any]:
        return program(F, steps, inputs, num_steps, hidden_dim)[:num_outputs]

    W_h = range(num_inputs - steps.num_states - len(steps.fed), num_inputs - steps.num_states)
    return graph(some_outputs, num_inputs, W_h)


def graph(
    program: Callable[[Any, Arrays], list[Any]], num_inputs: int, weights: range = range(0)
) -> Callable[..., list[nd.NDArray]]:
    """One operator that does what program does, without Python, and keeps its memory from call to call.

    weights: which inputs are the same arrays each time, whatever is in them. Operations on nothing but those
    and each other's results are handed to the engine as one; other inputs it has to look up.
    """
    names = [f"input{i}" for i in range(num_inputs)]
    symbol = mx.sym.Group(program(mx.sym, [mx.sym.var(name) for name in names]))
    order = [names.index(name) for name in symbol.list_inputs()]
    flags = {
        "data_indices": [k for k, i in enumerate(order) if i not in weights],
        "param_indices": [k for k, i in enumerate(order) if i in weights],
        "static_alloc": True,
        "static_shape": True,
    }
    operator = nd.CachedOp(symbol, list(flags.items()))
    return lambda *arrays: operator(*[arrays[i] for i in order])


def times(F: Any, W: Arrays, hidden_dim: int) -> Callable[[Any, int], Any]:
    """times(X, k): X times the transpose of W[k]."""
    return lambda X, k: F.FullyConnected(X, W[k], no_bias=True, num_hidden=hidden_dim)


def join(F: Any, rows: Sequence[Arrays]) -> list[Any]:
    """Arrays of the same kind, from each row one, on top of each other."""
    return [F.concat(*column, dim=0) for column in zip(*rows)]


def _split(F: Any, A: Any, num_steps: int) -> list[Any]:
    return [A] if num_steps == 1 else list(F.split(A, num_outputs=num_steps, axis=0))
