"""Lesson 15. The same networks without wasted work: rows looked up, steps joined where none must wait.

A one-hot matrix times W_x picks rows of W_x, so we pick them. What enters the hidden layer from below, and
the output layer, do not depend on the previous state: one product serves all time steps. Only the recurrence
itself goes step by step.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import mxnet as mx
import numpy as np
from mxnet import nd

from .checks import check_indices, check_size
from .gru import GRUParams, get_gru_params, init_gru_state
from .heldout import dropout
from .lstm import LSTMParams, get_lstm_params, init_lstm_state
from .rnn import RNNParams, get_params, init_rnn_state

State = tuple[nd.NDArray, ...]


def get_rows(data: nd.NDArray, vocab_size: int) -> nd.NDArray:
    """In place of get_inputs: data (batch_size, num_steps) as indices (num_steps, batch_size).

    Raises:
        IndexError: an index is not a whole number in 0 … vocab_size - 1.
    """
    return check_indices(data, vocab_size, ndim=2).T


def rnn_step(A: list[nd.NDArray], state: State, W_h: list[nd.NDArray]) -> State:
    """One step of the RNN. A: what came from below, W_h: the recurrent weights; one matrix a gate each."""
    (H,) = state
    return (nd.tanh(A[0] + nd.dot(H, W_h[0])),)


def gru_step(A: list[nd.NDArray], state: State, W_h: list[nd.NDArray]) -> State:
    """One step of the GRU, gates z, r and h."""
    (H,) = state
    Z = nd.sigmoid(A[0] + nd.dot(H, W_h[0]))
    R = nd.sigmoid(A[1] + nd.dot(H, W_h[1]))
    H_tilde = nd.tanh(A[2] + nd.dot(R * H, W_h[2]))
    return (Z * H + (1 - Z) * H_tilde,)


def lstm_step(A: list[nd.NDArray], state: State, W_h: list[nd.NDArray]) -> State:
    """One step of the LSTM, gates i, f, o and c."""
    H, C = state
    I, F, O = (nd.sigmoid(a + nd.dot(H, W)) for a, W in zip(A[:3], W_h[:3]))
    C = F * C + I * nd.tanh(A[3] + nd.dot(H, W_h[3]))
    return O * nd.tanh(C), C


class Cell(NamedTuple):
    """A kind of network: the names of its parameters, how they and the state are made, and one step."""

    names: tuple[str, ...]
    get_params: Callable
    init_state: Callable
    step: Callable

    @property
    def num_gates(self) -> int:
        """How many gates there are, the candidate counted in: W_x, W_h and b belong to each."""
        return len(self.names[:-2]) // 3


CELLS = {
    "rnn": Cell(RNNParams._fields, get_params, init_rnn_state, rnn_step),
    "gru": Cell(GRUParams._fields, get_gru_params, init_gru_state, gru_step),
    "lstm": Cell(LSTMParams._fields, get_lstm_params, init_lstm_state, lstm_step),
}


class Network(NamedTuple):
    """num_layers layers of one kind of cell: what train_and_predict_rnn takes, as three methods.

    dropout: the share of what each layer hands upward that is set to 0 in training (lesson 14).
    """

    cell: Cell
    num_layers: int
    dropout: float = 0.0

    def get_params(
        self, vocab_size: int, hidden_dim: int, ctx: mx.Context | None = None, *, scale: float = 0.01
    ) -> Any:
        """New parameters: for one layer those of the cell; a second adds W_xh_2, W_hh_2, b_h_2; and so on."""
        first = self.cell.get_params(vocab_size, hidden_dim, ctx, scale=scale)
        names, arrays = list(first._fields[:-2]), list(first[:-2])
        for k in range(2, self.num_layers + 1):
            names += [f"{name}_{k}" for name in first._fields[:-2]]
            arrays += self.cell.get_params(hidden_dim, hidden_dim, ctx, scale=scale)[:-2]
        return namedtuple("Params", [*names, *first._fields[-2:]])(*arrays, *first[-2:])

    def shapes(self, vocab_size: int, hidden_dim: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Name and shape of each parameter, in the order of get_params, and without making it."""
        for k in range(1, self.num_layers + 1):
            below = vocab_size if k == 1 else hidden_dim
            for name in self.cell.names[:-2]:
                rows = {"W_x": (below,), "W_h": (hidden_dim,)}.get(name[:3], ())
                yield name if k == 1 else f"{name}_{k}", (*rows, hidden_dim)
        yield from (("W_hy", (hidden_dim, vocab_size)), ("b_y", (vocab_size,)))

    def init_state(self, batch_size: int, hidden_dim: int, ctx: mx.Context | None = None) -> State:
        """The zero states of all layers, one after the other."""
        return tuple(
            S for _ in range(self.num_layers) for S in self.cell.init_state(batch_size, hidden_dim, ctx)
        )

    def rnn(
        self, inputs: nd.NDArray | Sequence[nd.NDArray], state: State, params: Sequence[nd.NDArray]
    ) -> tuple[list[nd.NDArray], State]:
        """Lesson 4's rnn, 11's gru or 12's lstm, with two freedoms.

        inputs may be indices (num_steps, batch_size), checked by get_rows; outputs is one matrix in a list,
        (num_steps * batch_size, vocab_size), time-major.
        """
        if isinstance(inputs, nd.NDArray) and inputs.dtype != np.int32:
            raise TypeError(f"inputs hold {np.dtype(inputs.dtype)} values: take indices from get_rows")
        num_steps, size, width = len(inputs), 3 * self.cell.num_gates, len(state) // self.num_layers
        below = inputs if isinstance(inputs, nd.NDArray) else nd.concat(*inputs, dim=0)
        new_state: State = ()
        for k in range(self.num_layers):
            layer, layer_state = params[k * size : (k + 1) * size], state[k * width : (k + 1) * width]
            below, layer_state = _layer(self.cell.step, below, num_steps, layer_state, layer)
            below = dropout(below, self.dropout)
            new_state += layer_state
        W_hy, b_y = params[-2:]
        logits = nd.FullyConnected(below, W_hy.T, b_y, num_hidden=b_y.size)  # dot, but faster
        return [logits], new_state


def get_network(cell: str = "rnn", num_layers: int = 1, *, dropout: float = 0.0) -> Network:
    """A network of num_layers layers of "rnn", "gru" or "lstm" cells.

    Raises:
        ValueError: there is no such cell, or no such number of layers.
    """
    if cell not in CELLS:
        raise ValueError(f"cell is {cell!r}: give one of {', '.join(CELLS)}")
    check_size(num_layers=num_layers)
    return Network(CELLS[cell], num_layers, dropout)


def _layer(
    step: Callable, below: nd.NDArray, num_steps: int, state: State, params: Sequence[nd.NDArray]
) -> tuple[nd.NDArray, State]:
    """All steps of one layer: indices or a (num_steps * batch_size, …) matrix become such a matrix of H."""
    gates = zip(params[0::3], params[2::3])
    from_below = [_split(_project(below, W_x) + b, num_steps) for W_x, b in gates]
    states = []
    for A in zip(*from_below):
        state = step(A, state, params[1::3])
        states.append(state[0])
    return nd.concat(*states, dim=0), state


def _project(below: nd.NDArray, W_x: nd.NDArray) -> nd.NDArray:
    if below.dtype == np.int32:
        return nd.take(W_x, below.reshape(-1))
    return nd.dot(below, W_x)


def _split(A: nd.NDArray, num_steps: int) -> list[nd.NDArray]:
    return [A] if num_steps == 1 else nd.split(A, num_outputs=num_steps, axis=0)
