"""Lesson 15. The same networks and the same gradients, as fast as the machine allows.

Rows are looked up instead of multiplied, and steps that need not wait are computed together. Only the
recurrence goes step by step, in a graph that MXNet runs without Python. Its gradients are computed by
hand, as in lesson 10: each weight takes one product for all steps. Each core has a share of the rows.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import mxnet as mx
import numpy as np
from mxnet import autograd, nd

from .checks import check_gradients, check_indices, check_size
from .decoding import Writer
from .engine.backprop import learn
from .engine.cells import GRU, LSTM, RNN, Steps
from .engine.fast_decoding import GraphWriter
from .engine.layers import Arrays, Layer, State, num_threads
from .engine.masks import Regularisers
from .engine.update import train_batch
from .gru import GRUParams, get_gru_params, init_gru_state
from .heldout import dropout
from .loss import cross_entropy
from .lstm import LSTMParams, get_lstm_params, init_lstm_state
from .optim import Optimizer
from .rnn import RNNParams, get_params, init_rnn_state
from .sampling import Batch, try_gpu


def get_rows(data: nd.NDArray, vocab_size: int) -> nd.NDArray:
    """In place of get_inputs: data (batch_size, num_steps) as indices (num_steps, batch_size).

    Raises:
        IndexError: an index is not a whole number in 0 … vocab_size - 1.
    """
    return check_indices(data, vocab_size, try_gpu(), ndim=2).T


class Cell(NamedTuple):
    """A kind of network: the names of its parameters, how they and the state are made, and its steps."""

    names: tuple[str, ...]
    get_params: Callable
    init_state: Callable
    steps: Steps

    @property
    def num_gates(self) -> int:
        """How many gates there are, the candidate counted in: W_x, W_h and b belong to each."""
        return len(self.steps.fed)


CELLS = {
    "rnn": Cell(RNNParams._fields, get_params, init_rnn_state, RNN),
    "gru": Cell(GRUParams._fields, get_gru_params, init_gru_state, GRU),
    "lstm": Cell(LSTMParams._fields, get_lstm_params, init_lstm_state, LSTM),
}


class Network(NamedTuple):
    """num_layers layers of one kind of cell: what train_and_predict_rnn takes, as three methods, and more.

    dropout: the share of what each layer hands upward that is set to 0 in training (lesson 14). parts: of a
    batch, one for each thread; they decide the last digits. max_steps: of one graph; a small number keeps
    graphs few where batches have many lengths.
    """

    cell: Cell
    num_layers: int
    dropout: float = 0.0
    parts: int = 1
    max_steps: int | None = None

    def get_params(
        self, vocab_size: int, hidden_dim: int, ctx: mx.Context | None = None, *, scale: float = 0.01
    ) -> Any:
        """New parameters: for one layer those of the cell; a second adds W_xh_2, W_hh_2, b_h_2; and so on."""
        first = self.cell.get_params(vocab_size, hidden_dim, ctx, scale=scale)
        names, arrays = [name for name, _ in self.shapes(vocab_size, hidden_dim)], first[:-2]
        for _ in range(1, self.num_layers):
            arrays += self.cell.get_params(hidden_dim, hidden_dim, ctx, scale=scale)[:-2]
        return namedtuple("Params", names)(*arrays, *first[-2:])

    def shapes(self, vocab_size: int, hidden_dim: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Name and shape of each parameter, in the order of get_params, without creating it."""
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
        self, inputs: nd.NDArray | Sequence[nd.NDArray], state: State, params: Arrays
    ) -> tuple[list[nd.NDArray], State]:
        """Lesson 4's rnn, 11's gru or 12's lstm, with two freedoms.

        inputs may be indices (num_steps, batch_size), checked by get_rows; outputs is one matrix in a list,
        (num_steps * batch_size, vocab_size), time-major.
        """
        if not isinstance(inputs, nd.NDArray):
            layers, below = self._layers(params, reads_indices=False), nd.concat(*inputs, dim=0)
        elif inputs.dtype == np.int32:
            layers, below = self._layers(params), inputs.T
        else:
            raise TypeError(f"inputs hold {np.dtype(inputs.dtype)} values: take indices from get_rows")
        new_state: State = ()
        for layer, layer_state in zip(layers, self._each_layers(state)):
            below, layer_state = layer.read(below, layer_state, self.parts)
            below = dropout(below, self.dropout)
            new_state += layer_state
        W_hy, b_y = params[-2:]
        return [nd.FullyConnected(below, W_hy.T, b_y, num_hidden=b_y.size)], new_state

    def learn(
        self, data: nd.NDArray, label: nd.NDArray, state: State, params: Arrays, how: Any = None
    ) -> tuple[nd.NDArray, State]:
        """The loss, in nats per character, and the new state; every param.grad becomes its gradient.

        data, label: (batch_size, num_steps) int32, not checked here. Does not wait for results. how:
        lesson 19's Regularisers, whose params may be tied (None: outputs, by dropout).
        """
        check_gradients(params)
        W_e: nd.NDArray | None = getattr(params, "W_e", None)
        layers = self._layers(params) if W_e is None else self._layers(params[1:], reads_indices=False)
        with autograd.train_mode():
            what = self._each_layers(state), params[-2:], (data, label), how or Regularisers(self.dropout)
            return learn(layers, *what, self.parts, self.max_steps, W_e)

    def train_batch(
        self, params: Arrays, state: State, batch: Batch, optimizer: Optimizer, theta: float
    ) -> tuple[float, State]:
        """Learn, clip and step, as train_batches wants it: (nats per character, new state)."""
        return train_batch(self, params, state, batch, optimizer, theta)

    def measure(self, data: nd.NDArray, label: nd.NDArray, state: State, params: Arrays) -> float:
        """The loss that learn gives, from logits: also where a probability is too small for float32."""
        logits = self.rnn(data.T, state, params)[0][0]
        return float(cross_entropy(logits, label.T.reshape(-1)).asscalar())

    def writer(self, params: Arrays) -> Writer:
        """What generate_batch writes with. It copies params: make a new one when they have changed."""
        graphs, W_hy = GraphWriter(self._layers(params), params[-2:], self.parts), params[-2]
        place = len(W_hy), W_hy.context
        return Writer(lambda rows: self.init_state(rows, *place), graphs.read, *place, graphs.go_on)

    def _layers(self, params: Arrays, *, reads_indices: bool = True) -> list[Layer]:
        size, steps = 3 * self.cell.num_gates, self.cell.steps
        each = [params[k : k + size] for k in range(0, self.num_layers * size, size)]
        return [Layer(steps, reads_indices and k == 0, W[::3], W[1::3], W[2::3]) for k, W in enumerate(each)]

    def _each_layers(self, state: State) -> list[State]:
        width = len(state) // self.num_layers
        return [state[k : k + width] for k in range(0, len(state), width)]


def get_network(
    cell: str = "rnn", num_layers: int = 1, *, dropout: float = 0.0, parts: int | None = None
) -> Network:
    """A network of num_layers layers of "rnn", "gru" or "lstm" cells. parts: None: one for each thread.

    Raises:
        ValueError: there is no such cell, or no such number of layers or parts.
    """
    if cell not in CELLS:
        raise ValueError(f"cell is {cell!r}: give one of {', '.join(CELLS)}")
    parts = num_threads() if parts is None else parts
    check_size(num_layers=num_layers, parts=parts)
    return Network(CELLS[cell], num_layers, dropout, parts)
