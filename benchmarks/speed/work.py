"""The work that all contenders do: one model, one corpus, one order of batches. Needs only numpy."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

GATES = {"rnn": "h", "gru": "zrh", "lstm": "ifoc"}
FUSED_GATES = {"rnn": "h", "gru": "rzh", "lstm": "ifco"}  # in the layers of Gluon and PyTorch, in our letters
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8  # of Adam
THREADS = int(os.environ.get("OMP_NUM_THREADS", "1"))  # the arena sets it for every process that it starts


# Each layer's W_x (vocab_size or hidden_dim, gates * hidden_dim), W_h (hidden_dim, gates * hidden_dim) and
# b (gates * hidden_dim,), from the bottom, the gates side by side in the order of GATES; then
# W_y (hidden_dim, vocab_size) and b_y (vocab_size,).
Params = list[np.ndarray]


def by_layer(params: Sequence[Any]) -> list[tuple[Any, Any, Any]]:
    """(W_x, W_h, b) of each layer, from the bottom."""
    return list(zip(params[:-2:3], params[1:-2:3], params[2:-2:3]))


class Product(NamedTuple):
    """(rows, inner) times (inner, columns); times: how often in a step of training."""

    rows: int
    inner: int
    columns: int
    times: int = 1

    @property
    def flops(self) -> float:
        """Multiplications and additions of all times together."""
        return 2.0 * self.rows * self.inner * self.columns * self.times


@dataclass(frozen=True)
class Task:
    """What is trained: the network, the size of a batch, Adam's lr, the clipping threshold theta."""

    cell: str = "rnn"
    vocab_size: int = 2613
    hidden_dim: int = 256
    batch_size: int = 32
    num_steps: int = 35
    lr: float = 0.005
    theta: float = 1.0
    num_layers: int = 1

    @property
    def num_gates(self) -> int:
        """Gates of the cell, the candidate counted in."""
        return len(GATES[self.cell])

    @property
    def short_vectors(self) -> bool:
        """Whether one-hot vectors are no longer than what a gate makes of them."""
        return self.vocab_size <= self.num_gates * self.hidden_dim

    @property
    def entering(self) -> list[str]:
        """The ways in which characters may enter: as rows of W_x, or as vectors where these are short."""
        return ["rows", "one-hot"] if self.short_vectors else ["rows"]

    @property
    def scale(self) -> float:
        """Deviation of the initial weights: 0.05 at 256 hidden units, as in train, and scaled for others."""
        return 0.8 / math.sqrt(self.hidden_dim)

    def params(self) -> Params:
        """The initial weights, the same in every process."""
        rng = np.random.default_rng(0)
        V, H, width = self.vocab_size, self.hidden_dim, self.num_gates * self.hidden_dim
        shapes: list[tuple[int, ...]] = []
        for below in [V] + [H] * (self.num_layers - 1):
            shapes += (below, width), (H, width), (width,)
        shapes += (H, V), (V,)
        return [(self.scale * rng.standard_normal(shape)).astype(np.float32) for shape in shapes]

    def corpus(self, num_chars: int = 65_000) -> np.ndarray:
        """Indices about as frequent as characters: the k-th 1 / k times as frequent as the first (Zipf)."""
        weights = 1 / np.arange(1, self.vocab_size + 1)
        cumulated = np.cumsum(weights) / weights.sum()
        drawn = np.searchsorted(cumulated, np.random.default_rng(1).random(num_chars))
        return np.minimum(drawn, self.vocab_size - 1).astype(np.int32)

    def batches(self, corpus: np.ndarray, epoch: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(data, label) (batch_size, num_steps) int32: an epoch of windows cut and shuffled at random."""
        rng = np.random.default_rng([0, epoch])
        offset = int(rng.integers(self.num_steps))
        starts = np.arange(offset, len(corpus) - self.num_steps, self.num_steps)
        rng.shuffle(starts)
        for i in range(0, len(starts) - self.batch_size + 1, self.batch_size):
            windows = corpus[starts[i : i + self.batch_size, None] + np.arange(self.num_steps + 1)]
            yield windows[:, :-1], windows[:, 1:]

    def products(self) -> list[Product]:
        """The matrix products that every implementation needs: one forward and two backward.

        Rows of the first W_x are looked up. Forward and back, the recurrence goes step by step; its weight
        gradient is one product over all steps. (The GRU's candidate needs R * H first: its recurrence is two
        products.)
        """
        B, T, V, H, L = self.batch_size, self.num_steps, self.vocab_size, self.hidden_dim, self.num_layers
        found = [Product(B * T, H, V), Product(B * T, V, H), Product(H, B * T, V)]
        for gates in (2, 1) if self.cell == "gru" else (self.num_gates,):
            width = gates * H
            found += [Product(B, H, width, L * T), Product(B, width, H, L * (T - 1))]
            found.append(Product(H, B * T, width, L))
        if L > 1:
            width = self.num_gates * H
            above = Product(B * T, H, width), Product(B * T, width, H), Product(H, B * T, width)
            found += [product._replace(times=L - 1) for product in above]
        return found


def surprise(task: Task, texts: np.ndarray, temperature: float) -> float:
    """How far texts (streams, characters) of the RNN are from being drawn at this temperature.

    The nats of their characters, less what the network expects of each, in standard deviations of that: about
    0, more than 4 once in 10^4.
    """
    W_x, W_h, b, W_y, b_y = task.params()
    H, excess, variance = np.zeros((len(texts), task.hidden_dim)), 0.0, 0.0
    for X, drawn in zip(texts.T, texts.T[1:]):
        H = np.tanh(W_x[X] + H @ W_h + b)
        logits = (H @ W_y + b_y) / temperature
        nats = np.log(np.exp(logits).sum(axis=1, keepdims=True)) - logits
        P = np.exp(-nats)
        expected = (P * nats).sum(axis=1)
        excess += float((nats[np.arange(len(X)), drawn] - expected).sum())
        variance += float(((P * nats**2).sum(axis=1) - expected**2).sum())
    return excess / math.sqrt(variance)


def to_fused(cell: str, array: np.ndarray) -> np.ndarray:
    """The gates of the last axis, in the order of Gluon and PyTorch."""
    return _reordered(array, GATES[cell], FUSED_GATES[cell])


def from_fused(cell: str, array: np.ndarray) -> np.ndarray:
    """The gates of the last axis, from the order of Gluon and PyTorch into ours."""
    return _reordered(array, FUSED_GATES[cell], GATES[cell])


def _reordered(array: np.ndarray, old: str, new: str) -> np.ndarray:
    gates = np.split(array, len(old), axis=-1)
    return np.concatenate([gates[old.index(gate)] for gate in new], axis=-1)


class Contender(Protocol):
    """One network in training, written as an expert of its library would; its file also has multiply(a, b).

    reset: in its GRU the reset gate acts before the product, as in the book, or after it.
    """

    reset: str = "before"

    def __init__(self, task: Task, variant: str = "") -> None: ...

    @staticmethod
    def variants(task: Task) -> list[str]:
        """The ways in which experts would write it; the fastest counts."""
        return [""]

    def step(self, data: np.ndarray, label: np.ndarray) -> float:
        """A step of Adam on a batch that starts from a state of zeros; its loss, nats per character."""

    def moments(self) -> Params:
        """Adam's running mean of the clipped gradient: after the first step a tenth of it."""
