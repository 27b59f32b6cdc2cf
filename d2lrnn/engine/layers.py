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
Program = Callable[..., list[Any]]
Operator = Callable[..., list[nd.NDArray]]
MAX_STEPS = 64  # of one graph


class Layer(NamedTuple):
    """The weights of one layer, an array a gate. What it reads is multiplied by W_x, or picks its rows."""

    steps: Steps
    reads_indices: bool
    W_x: Arrays
    W_h: Arrays
    b: Arrays

    def read(self, below: nd.NDArray, state: State, num_parts: int) -> tuple[nd.NDArray, State]:
        """Indices (batch_size, num_steps) or a (num_steps * batch_size, …) matrix: H like such a matrix.

        And the new state. num_parts: of the steps.
        """
        batch_size, H = len(state[0]), []
        num_steps = below.shape[1] if self.reads_indices else len(below) // batch_size
        for begin, end in cut(num_steps, num_spans(num_steps, at_least=num_parts)):
            if self.reads_indices:
                piece = nd.slice_axis(below, axis=1, begin=begin, end=end)
            else:
                piece = below[begin * batch_size : end * batch_size]
            groups = [[piece], self.W_x, self.b, self.W_h, (), state]
            H_piece, *new = self.run(forward, end - begin, groups, (0, batch_size))
            H.append(H_piece)
            state = tuple(new[: len(state)])
        return nd.concat(*H, dim=0), state

    def run(
        self, program: Program, num_steps: int, groups: Sequence[Arrays], rows: tuple[int, int]
    ) -> list[nd.NDArray]:
        """The outputs of forward or backward. rows: which of a batch; others have memory of their own."""
        shape = LayerShape(self.steps, self.reads_indices, num_steps, rows[1] - rows[0], *self.W_x[0].shape)
        return _compile(program, shape, tuple(map(len, groups)), rows[0])(*groups)


class LayerShape(NamedTuple):
    """What two layers must have in common to run as the same graph; W_x are (num_inputs, hidden_dim)."""

    steps: Steps
    reads_indices: bool
    num_steps: int
    batch_size: int
    num_inputs: int
    hidden_dim: int


def num_threads() -> int:
    """How many operations MXNet's engine runs side by side."""
    threads = os.environ.get("MXNET_CPU_WORKER_NTHREADS", "")
    return max(1, int(threads)) if threads.isdecimal() else 1


def cut(length: int, num_parts: int) -> list[tuple[int, int]]:
    """(begin, end) of num_parts parts of about the same length, or of fewer, so that none is empty."""
    num_parts = min(length, num_parts)
    ends = [length * k // num_parts for k in range(num_parts + 1)]
    return list(zip(ends, ends[1:]))


def num_spans(num_steps: int, most: int | None = None, at_least: int = 1) -> int:
    """Into how many spans the steps of a batch are cut, so that no graph has more than `most` (MAX_STEPS)."""
    return max(at_least, math.ceil(num_steps / (most or MAX_STEPS)))


# --- all time steps as one graph ---


def forward(
    F: Any,
    shape: LayerShape,
    below: Arrays,
    W_x: Arrays,
    b: Arrays,
    W_h: Arrays,
    masks: Arrays,
    state: Arrays,
) -> list[Any]:
    """H of all steps, the new state, fed, slopes. masks: of W_h, or none."""
    steps, taken = shape.steps, list[Any]()
    W, b, state = [F.transpose(each) for each in own(F, W_h, masks)], own(F, b), own(F, state)
    A = project(F, shape, below[0], W_x)
    for A_t in zip(*[_split(F, A_k, shape.num_steps) for A_k in A]):
        state, fed, kept = steps.step(F, A_t, state, times(F, W, b, shape.hidden_dim))
        taken.append((state[:1], fed, kept))
    (H,), fed, kept = (join(F, rows) for rows in zip(*taken))
    return [H, *state, *fed, *steps.slopes(F, *kept)]


def backward(
    F: Any, shape: LayerShape, dH: Arrays, slopes: Arrays, fed: Arrays, W_h: Arrays, masks: Arrays,
    dstate: Arrays, below: Arrays, W_x: Arrays,
) -> list[Any]:  # fmt: skip
    """dA, dstate before the first step, the gradients of W_h and b; if there is a below, of W_x and of it.

    From dH and what forward kept. dstate: none where nothing comes back from a later span.
    """
    steps, size, rows = shape.steps, (shape.batch_size, shape.hidden_dim), list[Arrays]()
    W, dstate = own(F, W_h, masks), dstate or [F.zeros(size)] * steps.num_states
    for dH_t, *slopes_t in reversed(
        list(zip(*[_split(F, each, shape.num_steps) for each in [*dH, *slopes]]))
    ):
        dstate = [add(F, dstate[0], dH_t), *dstate[1:]]
        dA_t, dstate = steps.back(F, dstate, slopes_t, lambda d, k: multiply(F, d, W[k], shape.hidden_dim))
        rows.insert(0, dA_t)
    dA, ones = join(F, rows), F.ones((1, shape.num_steps * shape.batch_size))
    dA_T, fed_T, below_T = ([F.transpose(each) for each in arrays] for arrays in (dA, fed, below))
    dW_h = [multiply(F, fed_T[j], d_T, shape.hidden_dim) for j, d_T in zip(steps.fed, dA_T)]
    db = [F.reshape(multiply(F, ones, d_T, shape.hidden_dim), shape=(-1,)) for d_T in dA_T]
    dW_x = [multiply(F, X_T, d_T, shape.hidden_dim) for X_T in below_T for d_T in dA_T]
    d_below = [
        F.add_n(*[multiply(F, d, W, shape.num_inputs) for d, W in zip(dA, own(F, W_x))]) for _ in below
    ]
    return [*dA, *own(F, dstate), *own(F, dW_h, masks), *own(F, db), *own(F, dW_x), *d_below]


def project(F: Any, shape: LayerShape, below: Any, W_x: Arrays) -> list[Any]:
    """A of each gate: what comes from below."""
    if shape.reads_indices:
        chars = flat(F, below)
        return [F.Embedding(chars, W, shape.num_inputs, shape.hidden_dim) for W in W_x]
    return [multiply(F, below, F.transpose(W), shape.hidden_dim) for W in own(F, W_x)]


def flat(F: Any, chars: Any) -> Any:
    """Characters (batch_size, num_steps) in a row, step after step."""
    return F.reshape(F.transpose(chars), shape=(-1,))


def times(F: Any, W: Arrays, b: Arrays, hidden_dim: int) -> Callable[[Any, int], Any]:
    """times(X, k): X times the transpose of W[k], plus b[k]."""
    return lambda X, k: F.FullyConnected(X, W[k], b[k], num_hidden=hidden_dim)


def multiply(F: Any, X: Any, W: Any, num_rows: int) -> Any:
    """X times the transpose of W, which has num_rows rows: MXNet's fastest product."""
    return F.FullyConnected(X, W, no_bias=True, num_hidden=num_rows)


def join(F: Any, rows: Sequence[Arrays]) -> list[Any]:
    """Arrays of the same kind, from each row one, on top of each other."""
    return [F.concat(*column, dim=0) for column in zip(*rows)]


def _split(F: Any, A: Any, num_steps: int) -> list[Any]:
    return [A] if num_steps == 1 else list(F.split(A, num_outputs=num_steps, axis=0))


def own(F: Any, arrays: Arrays, masks: Arrays = ()) -> list[Any]:
    """Copies of arrays, times their masks if there are any: all that several threads may read passes here.

    MXNet describes an array to oneDNN when it is first read after it was written, and two threads that do so
    at the same time free the same memory. Multiplying does without oneDNN. So a graph copies the weights, as
    other graphs read them, too, and its products, which would run side by side if they were its results.
    """
    return [each * mask for each, mask in zip(arrays, masks or [1] * len(arrays))]


@functools.lru_cache(maxsize=256)
def _compile(program: Program, shape: LayerShape, sizes: tuple[int, ...], first_row: int) -> Operator:
    W_h = 3  # which group of arrays, in forward and in backward
    return graph(lambda F, *groups: program(F, shape, *groups), sizes, weights=W_h)


def graph(program: Program, sizes: Sequence[int], weights: int | None = None) -> Operator:
    """One operator that does what program does with groups of arrays, without Python.

    sizes: how many arrays each group has. weights: which group holds the same arrays each time, whatever is
    in them. Operations on nothing but those and each other's results are handed to the engine as one, and
    their memory is kept from call to call; other inputs have to be looked up. None: no memory is kept.
    """
    groups = [[mx.sym.var(f"input{g}_{i}") for i in range(size)] for g, size in enumerate(sizes)]
    group_of = {var.name: g for g, group in enumerate(groups) for var in group}
    symbol = mx.sym.Group(program(mx.sym, *groups))
    names, order = list(group_of), symbol.list_inputs()
    flags: dict[str, Any] = {}
    if weights is not None:
        flags["data_indices"] = [k for k, name in enumerate(order) if group_of[name] != weights]
        flags["param_indices"] = [k for k, name in enumerate(order) if group_of[name] == weights]
        flags["static_alloc"] = flags["static_shape"] = True
    operator, places = nd.CachedOp(symbol, list(flags.items())), [names.index(name) for name in order]

    def run(*groups: Arrays, out: Arrays | None = None) -> list[nd.NDArray]:
        arrays = [array for group in groups for array in group]
        outputs = operator(*[arrays[i] for i in places], out=out)
        return outputs if isinstance(outputs, list) else [outputs]

    return run
