"""How lesson 15 writes: many steps of all layers are one graph; each step reads what the last one chose.

A character is drawn as in lesson 8: the first up to which the probabilities add up to more than the number
drawn. The graph adds up in float32, first blocks of characters, then those of one block. Where the number
lies so close to where a character ends that rounding may decide, choose of lesson 8 has the last word; if
it takes another character, the chunk is written again with it.
"""

from __future__ import annotations

import functools
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from mxnet import nd

from ..decoding import Choice, choose
from .cells import Steps, add
from .layers import Arrays, Layer, Operator, Program, State, cut, graph, multiply, times

CHUNK = 20  # characters that one graph writes
AHEAD = 10  # chunks for which numbers are drawn and copied at once: a copy waits for the graphs
TOO_LARGE = 1e30  # H lies between -1 and 1: where all weights are below this, outputs are finite
LEAST = -3e38  # the logit of a character that fills a block up
GIVEN = -1.0  # in place of a number, where the character is given


class Shape(NamedTuple):
    """What two networks must have in common to write with the same operators."""

    steps: Steps
    num_layers: int
    hidden_dim: int
    vocab_size: int

    @property
    def num_states(self) -> int:
        """Arrays of the state, of all layers."""
        return self.num_layers * self.steps.num_states

    @property
    def block(self) -> int:
        """Characters of a block: fewer than there are blocks, so that less is rounded in a sum over one."""
        return math.isqrt(self.vocab_size - 1) // 3 + 1

    @property
    def num_blocks(self) -> int:
        """The last one is never full."""
        return self.vocab_size // self.block + 1

    @property
    def padded(self) -> int:
        """Characters of all blocks, were they full."""
        return self.block * self.num_blocks


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
        if not all(np.abs(W.asnumpy()).max() < TOO_LARGE for W in (*self.weights, W_hy, b_y)):
            raise FloatingPointError(
                "the output is not finite: the parameters hold NaN, infinity or more than 1e30"
            )
        self.largest = (nd.abs(W_hy).sum(axis=0) + nd.abs(b_y)).max().asscalar()  # no logit is larger
        none = self.shape.padded - self.shape.vocab_size
        W_none, b_none = nd.zeros((none, len(W_hy)), W_hy.context), nd.full((none,), LEAST, W_hy.context)
        self.weights += [nd.concat(W_hy.T, W_none, dim=0), nd.concat(b_y, b_none, dim=0)]
        # The first to read an array through oneDNN must be alone (see own): no part of the rows may be it.
        X, begin = nd.zeros((1, 1), W_hy.context, "int32"), nd.zeros((1, len(W_hy)), W_hy.context)
        logits, _ = self.read(X, (begin,) * self.shape.num_states)
        logits.wait_to_read()

    def read(self, X: nd.NDArray, state: State) -> tuple[nd.NDArray, State]:
        """One step: indices (1, batch_size) become logits (batch_size, vocab_size), and the new state."""
        logits, *new_state = _compile_reader(self.shape)([X], self.weights, state)
        return logits, tuple(new_state)

    def go_on(
        self,
        last: np.ndarray,
        state: State,
        num_chars: int,
        choice: Choice,
        rngs: Sequence[np.random.Generator],
    ) -> Iterator[np.ndarray]:
        """The num_chars characters after last, (batch_size,), that choose takes, each read in turn.

        They come in chunks, (CHUNK, batch_size) or the rest. Each part of the rows has a core, and while a
        chunk is written, the next one is already waiting. rngs: one a row.
        """
        rows = cut(len(last), self.num_parts)
        writers = _compile_writers(self.shape, len(rows), choice.temperature == 0)
        parts = []
        for write, (a, b) in zip(writers, rows):
            begin = nd.array(last[a:b], state[0].context, "float32"), [S[a:b] for S in state]
            parts.append(Part(self, write, begin, choice, rngs[a:b]))
        for start in range(0, num_chars + CHUNK, CHUNK):
            if start < num_chars:
                for part in parts:
                    part.ask()
            if start:
                chunk = np.concatenate([part.answer() for part in parts], axis=1)
                yield chunk[: num_chars - start + CHUNK]


class Chunk(NamedTuple):
    """CHUNK characters of some rows: where it begins, what is drawn, and what the graph answers.

    start: the character before, (rows,), and the state. numbers: (CHUNK, rows). given: characters where
    the number is GIVEN, elsewhere -1. doubts: none for greedy; else inside and logits of _draw.
    """

    start: tuple[nd.NDArray, Arrays]
    numbers: np.ndarray
    given: np.ndarray
    chars: nd.NDArray
    doubts: Arrays


class Part:
    """Some of the rows, while they are being written."""

    def __init__(
        self,
        writer: GraphWriter,
        write: Operator,
        start: tuple[nd.NDArray, Arrays],
        choice: Choice,
        rngs: Sequence[np.random.Generator],
    ) -> None:
        self.weights, self.vocab_size, self.write = writer.weights, writer.shape.vocab_size, write
        self.start, self.rngs = start, rngs
        self.asked, ctx = deque[Chunk](), start[0].context
        self.numbers = self._draw_ahead(ctx)
        self.none_given = nd.full((CHUNK, len(rngs)), -1.0, ctx)
        fits = 1 / TOO_LARGE < choice.temperature < TOO_LARGE > writer.largest / choice.temperature
        temperature = choice.temperature if fits else 1.0
        self.temperature = nd.full((1, 1), temperature, ctx)  # by which logits are divided in the graph
        self.choice = choice._replace(temperature=choice.temperature / temperature)  # among such logits
        # How far the sums of the graph may be off. An exponential, by eight roundings, and by one of its
        # exponent d, the logit less the largest: as -d is log P plus a constant that is not positive, the sum
        # of P |d| is at most the entropy. A sum over a block, by one for each character.
        roundings = math.log(writer.shape.vocab_size) + writer.shape.block + 8
        self.near = roundings * 2.0**-24 if fits else np.inf

    def ask(self) -> None:
        """Let the graph write a chunk."""
        numbers, copied = next(self.numbers)
        self._ask(numbers, np.full(numbers.shape, -1.0), copied, self.none_given)

    def _draw_ahead(self, ctx: Any) -> Iterator[tuple[np.ndarray, nd.NDArray]]:
        while True:
            drawn = np.stack([rng.random(AHEAD * CHUNK) for rng in self.rngs], axis=1)
            drawn = drawn.reshape((AHEAD, CHUNK, -1))
            yield from zip(drawn, nd.array(drawn, ctx, "float64"))

    def _ask(self, numbers: np.ndarray, given: np.ndarray, *copied: nd.NDArray) -> None:
        X, state = self.start
        chars, *after = self.write([X, *copied, self.temperature], self.weights, state)
        self.asked.append(Chunk(self.start, numbers, given, chars, after[1 + len(state) :]))
        self.start = after[0], after[1 : 1 + len(state)]

    def answer(self) -> np.ndarray:
        """The chunk that was asked for first, (CHUNK, rows)."""
        while self._is_wrong(self.asked[0]):
            self.start, again = self.asked[0].start, list(self.asked)
            self.asked.clear()
            for chunk in again:
                both, ctx = (chunk.numbers, chunk.given), self.temperature.context
                self._ask(*both, *[nd.array(each, ctx, k) for each, k in zip(both, ("float64", "float32"))])
        return self.asked.popleft().chars.asnumpy()

    def _is_wrong(self, chunk: Chunk) -> bool:
        """Whether choose takes another character somewhere; from now on the first of a row is given."""
        if not chunk.doubts:
            return False
        inside, logits = chunk.doubts
        is_near = ~(np.abs(inside.asnumpy()).min(axis=2) >= self.near) & (chunk.numbers != GIVEN)
        places = np.flatnonzero(is_near)
        if not len(places):
            return False
        # views of what has been written: an operation would wait for the chunks that are being written
        logits = logits.reshape((-3, 0))
        rows = np.stack([logits[place].asnumpy() for place in places.tolist()])
        right = choose(rows[:, : self.vocab_size], chunk.numbers.flat[places], self.choice)
        wrong = right != chunk.chars.asnumpy().flat[places]
        firsts = {
            place % len(self.rngs): (place, char)
            for place, char in zip(places[wrong][::-1], right[wrong][::-1])
        }
        for place, char in firsts.values():
            chunk.numbers.flat[place], chunk.given.flat[place] = GIVEN, char
        return bool(firsts)


@functools.lru_cache(maxsize=32)
def _compile_reader(shape: Shape) -> Operator:
    """The operator that reads a character: logits and the new state."""

    def read(F: Any, inputs: Arrays, weights: Arrays, state: Arrays) -> list[Any]:
        logits, new_state = _read_char(F, shape, F.reshape(inputs[0], shape=(-1,)), weights, state)
        return [F.slice_axis(logits, axis=1, begin=0, end=shape.vocab_size), *new_state]

    return _compile_steps(shape, 1, read)


@functools.lru_cache(maxsize=32)
def _compile_writers(shape: Shape, num_parts: int, greedy: bool) -> list[Operator]:
    """For each part of the rows an operator, with memory of its own, that chooses CHUNK characters."""

    def write(F: Any, inputs: Arrays, weights: Arrays, state: Arrays) -> list[Any]:
        X, numbers, given, temperature = inputs
        chosen, sharpness = [], None if greedy else 1 / temperature
        take = functools.partial(_likeliest, F) if greedy else _draw(F, shape, X, numbers, given)
        for t in range(CHUNK):
            logits, state = _read_char(F, shape, X, weights, state, sharpness)
            X, *doubts = take(logits, t)
            chosen.append((X, *doubts))
        chars, *doubts = (F.stack(*each) for each in zip(*chosen))
        return [chars, X, *state, *doubts]

    return [_compile_steps(shape, 4, write) for _ in range(num_parts)]


def _likeliest(F: Any, logits: Any, t: int) -> list[Any]:
    return [F.argmax(logits, axis=1)]


def _draw(F: Any, shape: Shape, X: Any, numbers: Any, given: Any) -> Callable[[Any, int], list[Any]]:
    """A function that draws a character for each row with the t-th numbers.

    numbers, given: of a Chunk. The function returns the characters; how far those of the same block begin
    and end past the number, (rows, block + 1); and logits.
    """
    block, num_blocks = shape.block, shape.num_blocks
    begins, chars = (F.reshape(F.arange(n), shape=to) for n, to in ((block + 1, (1, -1)), (block, (-1, 1))))
    from_each = F.broadcast_greater_equal(chars, begins)  # P times this: the sum from each character on
    of_block, of_blocks = F.ones(shape=(block,)), F.ones(shape=(num_blocks,))
    of_begins = F.ones(shape=(block + 1,))
    first_block = F.contrib.arange_like(X, step=num_blocks)
    numbers = F.split(F.expand_dims(numbers, axis=2), num_outputs=CHUNK, axis=0, squeeze_axis=True)
    given = F.split(given, num_outputs=CHUNK, axis=0, squeeze_axis=True)

    def draw(logits: Any, t: int) -> list[Any]:
        P = F.reshape(F.softmax(logits, axis=1), shape=(-1, block))
        ends = F.cumsum(F.reshape(F.dot(P, of_block), shape=(-1, num_blocks)), axis=1, dtype="float64")
        number = numbers[t] * F.slice_axis(ends, axis=1, begin=-1, end=None)
        past = F.cast(F.broadcast_sub(ends, number), dtype="float32")
        k = F.dot(past <= 0, of_blocks)
        sums = F.dot(F.take(P, add(F, first_block, k)), from_each)
        inside = F.broadcast_sub(F.pick(past, k, axis=1, keepdims=True), sums)
        return [F.add_n(k * block, F.dot(inside <= 0, of_begins), given[t]), inside, logits]

    return draw


def _compile_steps(shape: Shape, num_inputs: int, program: Program) -> Operator:
    """One operator that does what program does with inputs, weights and state."""
    num_weights = shape.num_layers * 3 * len(shape.steps.fed) + 2
    return graph(program, (num_inputs, num_weights, shape.num_states), weights=1)


def _read_char(
    F: Any, shape: Shape, X: Any, weights: Arrays, state: Arrays, sharpness: Any = None
) -> tuple[Any, Arrays]:
    """The logits after the characters X, times sharpness, and the new state."""
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
    H, (W_hy, b_y) = new_state[-width], W
    if sharpness is not None:  # H has fewer numbers than the logits
        H, b_y = F.broadcast_mul(H, sharpness), F.broadcast_mul(b_y, F.reshape(sharpness, shape=(1,)))
    return F.FullyConnected(H, W_hy, b_y, num_hidden=shape.padded), new_state
