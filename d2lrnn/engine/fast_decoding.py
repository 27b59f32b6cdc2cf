"""How lesson 15 writes: many steps of all layers are one graph, and each reads what the one before chose."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mxnet import nd

from .cells import Steps
from .layers import Arrays, Layer, State, cut, graph, project, times

CHUNK = 20  # characters that one graph writes
LARGE = 1e30  # H lies between -1 and 1: where weights are smaller than this, all outputs are finite


class Writer:
    """Layers and output for writing text; it keeps copies of their weights as they are now."""

    def __init__(self, layers: Sequence[Layer], W_hy: nd.NDArray, b_y: nd.NDArray, num_parts: int) -> None:
        """Transpose the weights once. num_parts: rows are written in so many parts, side by side.

        Raises:
            FloatingPointError: one is not finite, or so large that outputs may not be.
        """
        self.shape: Any = layers[0].steps, len(layers), *W_hy.shape
        self.num_parts = num_parts
        self.weights: list[nd.NDArray] = []
        for k, (_, W_x, W_h, b) in enumerate(layers):
            if k == 0:  # the rows that are looked up have the bias in them
                self.weights += [nd.broadcast_add(W, b_k.reshape((1, -1))) for W, b_k in zip(W_x, b)]
            else:
                self.weights += [*[W.T for W in W_x], *[b_k.copy() for b_k in b]]
            self.weights += [W.T for W in W_h]
        self.weights += [W_hy.T, b_y.copy()]
        if not all(np.abs(W.asnumpy()).max() < LARGE for W in self.weights):
            raise FloatingPointError(
                "the output is not finite: the parameters hold NaN, infinity or more than 1e30"
            )

    def read(self, inputs: nd.NDArray, state: State, params: Any = None) -> tuple[list[nd.NDArray], State]:
        """One step, called as rnn is: indices (1, batch_size) become one matrix of logits, in a list."""
        logits, *new_state = _compile_writer(0, 0, *self.shape)(inputs, *self.weights, *state)
        return [logits], tuple(new_state)

    def go_on(self, last: np.ndarray, state: State, num_chars: int) -> np.ndarray:
        """The likeliest characters after last, (batch_size,), each read in turn: (num_chars, batch_size).

        Each part of the rows has a core, and while a chunk is written, the next one is already waiting.
        """
        ctx, rows = state[0].context, cut(len(last), self.num_parts)
        chars = [nd.array(last[a:b], ctx, "float32") for a, b in rows]
        states = [[S[a:b] for S in state] for a, b in rows]
        asked, written = deque[list[nd.NDArray]](), list[np.ndarray]()
        for _ in range(0, num_chars, CHUNK):
            chunks = []
            for k in range(len(rows)):
                write = _compile_writer(CHUNK, k, *self.shape)
                chunk, chars[k], *states[k] = write(chars[k], *self.weights, *states[k])
                chunks.append(chunk)
            asked.append(chunks)
            if len(asked) > 1:
                written.append(_wait(asked.popleft()))
        return np.concatenate([*written, *map(_wait, asked)])[:num_chars]


def _wait(chunks: Sequence[nd.NDArray]) -> np.ndarray:
    """A chunk of each share, side by side."""
    return np.concatenate([chunk.asnumpy() for chunk in chunks], axis=1)


@functools.lru_cache(maxsize=32)
def _compile_writer(
    num_chars: int, share: int, steps: Steps, num_layers: int, hidden_dim: int, vocab_size: int
) -> Callable[..., list[nd.NDArray]]:
    """The operator, with memory of its own for each share, that chooses so many characters, or reads one."""
    num_weights = num_layers * 3 * len(steps.fed) - len(steps.fed) + 2

    def read(F: Any, X: Any, weights: Arrays, state: Arrays) -> tuple[Any, Arrays]:
        W, width, new_state = iter(weights), steps.num_states, list[Any]()
        for k in range(num_layers):
            W_x = [next(W) for _ in steps.fed]
            if k == 0:
                A = [F.Embedding(X, each, vocab_size, hidden_dim) for each in W_x]
            else:
                A = project(F, new_state[-width], W_x, [next(W) for _ in steps.fed], hidden_dim)
            W_h = times(F, [next(W) for _ in steps.fed], hidden_dim)
            after, *_ = steps.step(F, A, state[k * width : (k + 1) * width], W_h)
            new_state += after
        return F.FullyConnected(new_state[-width], *W, num_hidden=vocab_size), new_state

    def write(F: Any, inputs: Arrays) -> list[Any]:
        X, weights, state = inputs[0], inputs[1 : 1 + num_weights], inputs[1 + num_weights :]
        if num_chars == 0:
            logits, new_state = read(F, F.reshape(X, shape=(-1,)), weights, state)
            return [logits, *new_state]
        chosen = []
        for _ in range(num_chars):
            logits, state = read(F, X, weights, state)
            X = F.argmax(logits, axis=1)
            chosen.append(X)
        return [F.stack(*chosen), X, *state]

    return graph(write, 1 + num_weights + num_layers * steps.num_states, range(1, 1 + num_weights))
