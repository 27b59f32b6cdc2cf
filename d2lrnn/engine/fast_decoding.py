"""How lesson 15 writes: many steps of all layers are one graph; each step reads what the last one chose."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from mxnet import nd

from .cells import Steps
from .layers import Arrays, Layer, State, cut, graph, multiply, times

CHUNK = 20  # characters that one graph writes
TOO_LARGE = 1e30  # H lies between -1 and 1: where all weights are below this, outputs are finite


class Shape(NamedTuple):
    """What two networks must have in common to write with the same operators."""

    steps: Steps
    num_layers: int
    hidden_dim: int
    vocab_size: int


class GraphWriter:
    """Layers and output for writing text; it keeps copies of their weights as they are now."""

    def __init__(self, layers: Sequence[Layer], output: Arrays, num_parts: int) -> None:
        """Transpose the weights once. output: W_hy and b_y. num_parts: of the rows, written side by side.

        Raises:
            FloatingPointError: one is not finite, or so large that outputs may not be.
        """
        W_hy, b_y = output
        self.shape, self.num_parts = Shape(layers[0].steps, len(layers), *W_hy.shape), num_parts
        self.weights: list[nd.NDArray] = []
        for layer in layers:
            self.weights += [W.copy() if layer.reads_indices else W.T for W in layer.W_x]
            self.weights += [*[W.T for W in layer.W_h], *[b_k.copy() for b_k in layer.b]]
        self.weights += [W_hy.T, b_y.copy()]
        if not all(np.abs(W.asnumpy()).max() < TOO_LARGE for W in self.weights):
            raise FloatingPointError(
                "the output is not finite: the parameters hold NaN, infinity or more than 1e30"
            )

    def read(self, X: nd.NDArray, state: State) -> tuple[nd.NDArray, State]:
        """One step: indices (1, batch_size) become logits (batch_size, vocab_size), and the new state."""
        logits, *new_state = _compile_reader(self.shape)([X], self.weights, state)
        return logits, tuple(new_state)

    def go_on(self, last: np.ndarray, state: State, num_chars: int) -> Iterator[np.ndarray]:
        """The num_chars likeliest characters after last, (batch_size,), each read in turn.

        They come in chunks, (CHUNK, batch_size) or the rest. Each part of the rows has a core, and while a
        chunk is written, the next one is already waiting.
        """
        ctx, rows = state[0].context, cut(len(last), self.num_parts)
        chars = [nd.array(last[a:b], ctx, "float32") for a, b in rows]
        states = [[S[a:b] for S in state] for a, b in rows]
        asked = deque[list[nd.NDArray]]()
        for start in range(0, num_chars + CHUNK, CHUNK):
            if start < num_chars:
                chunks = []
                for k, write in enumerate(_compile_writers(self.shape, len(rows))):
                    chunk, chars[k], *states[k] = write([chars[k]], self.weights, states[k])
                    chunks.append(chunk)
                asked.append(chunks)
            if start:
                yield _wait(asked.popleft())[: num_chars - start + CHUNK]


def _wait(chunks: Sequence[nd.NDArray]) -> np.ndarray:
    """A chunk of each part, side by side."""
    return np.concatenate([chunk.asnumpy() for chunk in chunks], axis=1)


@functools.lru_cache(maxsize=32)
def _compile_reader(shape: Shape) -> Callable[..., list[nd.NDArray]]:
    """The operator that reads a character: logits and the new state."""

    def read(F: Any, X: Any, weights: Arrays, state: Arrays) -> list[Any]:
        logits, new_state = _read_char(F, shape, F.reshape(X, shape=(-1,)), weights, state)
        return [logits, *new_state]

    return _compile_steps(shape, read)


@functools.lru_cache(maxsize=32)
def _compile_writers(shape: Shape, num_parts: int) -> list[Callable[..., list[nd.NDArray]]]:
    """For each part of the rows an operator, with memory of its own, that chooses CHUNK characters."""

    def write(F: Any, X: Any, weights: Arrays, state: Arrays) -> list[Any]:
        chosen = []
        for _ in range(CHUNK):
            logits, state = _read_char(F, shape, X, weights, state)
            X = F.argmax(logits, axis=1)
            chosen.append(X)
        return [F.stack(*chosen), X, *state]

    return [_compile_steps(shape, write) for _ in range(num_parts)]


def _compile_steps(shape: Shape, program: Callable[..., list[Any]]) -> Callable[..., list[nd.NDArray]]:
    """One operator that does what program does with X, weights and state."""
    num_weights = shape.num_layers * 3 * len(shape.steps.fed) + 2
    sizes = 1, num_weights, shape.num_layers * shape.steps.num_states
    return graph(lambda F, X, weights, state: program(F, *X, weights, state), sizes, weights=1)


def _read_char(F: Any, shape: Shape, X: Any, weights: Arrays, state: Arrays) -> tuple[Any, Arrays]:
    """The logits after the characters X, and the new state."""
    steps, num_layers, hidden_dim, vocab_size = shape
    W, width, new_state = iter(weights), steps.num_states, list[Any]()
    for k in range(num_layers):
        W_x, W_h, b = ([next(W) for _ in steps.fed] for _ in range(3))
        if k == 0:
            A = [F.Embedding(X, each, vocab_size, hidden_dim) for each in W_x]
        else:
            A = [multiply(F, new_state[-width], each, hidden_dim) for each in W_x]
        own = state[k * width : (k + 1) * width]
        new_state += steps.step(F, A, own, times(F, W_h, b, hidden_dim)).state
    return F.FullyConnected(new_state[-width], *W, num_hidden=vocab_size), new_state
