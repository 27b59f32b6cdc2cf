"""How lesson 15 learns from a batch: forward, and back by hand.

The rows of a batch need nothing of each other until their gradients are added up: each core takes a share of
them, and goes all the way with it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from mxnet import autograd, nd

from ..sampling import Batch
from .layers import (
    Arrays,
    Layer,
    Operator,
    Program,
    State,
    backward,
    cut,
    flat,
    forward,
    graph,
    join,
    multiply,
    num_spans,
    own,
)
from .masks import Masks, Regularisers, draw_masks, repeat

TINY = 1e-36  # a probability that float32 no longer tells from 0


def learn(
    layers: Sequence[Layer],
    state: Sequence[State],
    output: Arrays,
    batch: Batch,
    how: Regularisers,
    num_parts: int,
    max_steps: int | None,
    W_e: nd.NDArray | None = None,
) -> tuple[nd.NDArray, State]:
    """The loss and the new state; in every param.grad its gradient.

    output: W_hy and b_y. num_parts: of the rows. max_steps: of one graph. W_e: the embeddings, (vocab_size,
    hidden_dim), of tied networks (lesson 19), whose layers read no indices; W_hy is its transpose there, and
    that of output is ignored.
    """
    (data, label), (W_hy, b_y) = batch, output
    masks, shares = draw_masks(how, layers, b_y.size, len(data)), cut(len(data), num_parts)
    spans = cut(data.shape[1], num_spans(data.shape[1], max_steps, math.ceil(num_parts / len(shares))))
    tables = layers[0].W_x if W_e is None else [W_e]
    if masks.chars is not None:
        tables = [nd.broadcast_mul(W, masks.chars) for W in tables]
    parts = [_passes(layers, state, masks, rows, W_e, tables) for rows in shares]
    pieces = [(passes, rows, span) for passes, rows in zip(parts, shares) for span in spans]
    tops = []
    for passes, rows, span in pieces:
        below = _piece(data, rows, span)
        for each in passes:
            below = each.forward(below, span[1] - span[0])
        tops.append(below)
    scores, unseen = [], [] if how.unseen is None else [how.unseen]
    for H, (_, rows, span) in zip(tops, pieces):
        shape = Score(len(H), H.shape[1], b_y.size, label.size, W_e is not None)
        read, weights = [H, _piece(label, rows, span)], [W_hy if W_e is None else W_e, b_y]
        scores.append(_scoring(shape, len(unseen), rows[0])(read, weights, unseen))
    loss, dW = nd.empty(1, b_y.context), W_hy.grad if W_e is None else nd.empty(W_e.shape, b_y.context)
    _add_up([each[:3] for each in scores], [loss, dW, b_y.grad])
    for (*_, above), (passes, _, span) in reversed(list(zip(scores, pieces))):
        for each in reversed(passes):
            above = each.backward(above, span[1] - span[0])
    for same_layer in zip(*parts):
        same_layer[0].write_gradients(same_layer)
    if W_e is not None:  # it holds the gradients of the rows that were read
        nd.add_n(W_e.grad, dW, out=W_e.grad)
    new_states = [[S for each in passes for S in each.state] for passes in parts]
    return loss, tuple(_on_top_of_each_other(new_states))


def _piece(chars: nd.NDArray, rows: tuple[int, int], span: tuple[int, int]) -> nd.NDArray:
    """A share of the rows of a batch, and a span of its steps."""
    chars = chars[slice(*rows)]
    whole = span == (0, chars.shape[1])
    return chars if whole else nd.slice_axis(chars, axis=1, begin=span[0], end=span[1])


def _passes(
    layers: Sequence[Layer],
    state: Sequence[State],
    masks: Masks,
    rows: tuple[int, int],
    W_e: nd.NDArray | None,
    tables: Arrays,
) -> list[Any]:
    """All that a share of the rows passes on its way to the output. tables: what indices pick, masked."""
    theirs, passes = masks.of_rows(*rows), list[Any]()
    if W_e is not None:
        passes.append(_Lookup(W_e, tables, theirs))
    for k, (layer, S_k) in enumerate(zip(layers, state)):
        W_x = tables if layer.reads_indices else layer.W_x
        passes.append(_Pass(layer, W_x, [S[slice(*rows)] for S in S_k], theirs, k, rows))
    return passes


class _Lookup:
    """The embeddings of a tied network, used like a layer."""

    state: State = ()  # it has none

    def __init__(self, W_e: nd.NDArray, tables: Arrays, masks: Masks) -> None:
        self.W_e, self.tables, self.masks = W_e, tables, masks
        self.ahead, self.back = list[nd.NDArray](), list[tuple[nd.NDArray, nd.NDArray]]()

    def forward(self, below: nd.NDArray, num_steps: int) -> nd.NDArray:
        """Read a piece, indices; return the rows of W_e with these numbers, masked."""
        self.ahead.append(below)
        (X,) = _lookup(1, 1, self.W_e.shape)([below], self.tables)
        return self._mask(X, num_steps)

    def backward(self, dX: nd.NDArray, num_steps: int) -> None:
        """What comes back to the rows of the last piece that has not come back yet."""
        self.back.append((self.ahead.pop(), self._mask(dX, num_steps)))

    def _mask(self, X: nd.NDArray, num_steps: int) -> nd.NDArray:
        return X if self.masks.inputs is None else X * repeat(self.masks.inputs, num_steps)

    def write_gradients(self, parts: Sequence[_Lookup]) -> None:
        """In the gradient of W_e, what comes back to its rows from all parts."""
        below, dX = zip(*[one for part in parts for one in part.back])
        _scatter(below, [[each] for each in dX], [self.W_e], self.masks)


class _Pass:
    """Layer k on its way through a part of a batch and back: piece after piece, then the last piece first."""

    def __init__(
        self, layer: Layer, W_x: Arrays, state: Arrays, masks: Masks, k: int, rows: tuple[int, int]
    ) -> None:
        self.layer, self.W_x, self.state, self.masks, self.k, self.rows = layer, W_x, state, masks, k, rows
        self.W_masks = () if masks.weights is None else masks.weights[k]
        self.dstate: Arrays = ()
        self.ahead, self.back = list[Any](), list[Any]()

    def forward(self, below: nd.NDArray, num_steps: int) -> nd.NDArray:
        """Read a piece, indices or the matrix of the layer below; return its matrix of H."""
        groups = [[below], self.W_x, self.layer.b, self.layer.W_h, self.W_masks, self.state]
        H, *rest = self.layer.run(forward, num_steps, groups, self.rows)
        width, num_fed = len(self.state), max(self.layer.steps.fed) + 1
        self.state, fed, slopes = rest[:width], rest[width : width + num_fed], rest[width + num_fed :]
        mask = self.masks.of_outputs(self.k, H, num_steps)
        self.ahead.append((below, fed, slopes, mask))
        return H if mask is None else H * mask

    def backward(self, dH: nd.NDArray, num_steps: int) -> nd.NDArray | None:
        """From the dH of the last piece that has not come back yet to that of the layer below, if any."""
        below, fed, slopes, mask = self.ahead.pop()
        dH = dH if mask is None else dH * mask
        read = ([], []) if self.layer.reads_indices else ([below], self.W_x)
        groups = [[dH], slopes, fed, self.layer.W_h, self.W_masks, self.dstate, *read]
        outputs = self.layer.run(backward, num_steps, groups, self.rows)
        num_gates, width = len(self.layer.steps.fed), len(self.state)
        dA, self.dstate = outputs[:num_gates], outputs[num_gates : num_gates + width]
        gradients, rest = outputs[num_gates + width :], len(read[0])
        self.back.append((below, dA, gradients[: len(gradients) - rest]))
        return gradients[-1] if rest else None

    def write_gradients(self, parts: Sequence[_Pass]) -> None:
        """Write the gradient of every weight of this layer, added up over its parts."""
        layer, (below, dA, gradients) = self.layer, zip(*[one for part in parts for one in part.back])
        weights = [*layer.W_h, *layer.b, *([] if layer.reads_indices else layer.W_x)]
        _add_up(gradients, [each.grad for each in weights])
        if layer.reads_indices:
            _scatter(below, dA, layer.W_x, self.masks)


def _scatter(below: Arrays, dA: Sequence[Arrays], W_x: Arrays, masks: Masks) -> None:
    """In the gradients of W_x: a row that was picked gets what comes back to it. below, dA: of each piece."""
    with autograd.record():
        rows = _lookup(len(below), len(W_x), W_x[0].shape)(below, W_x)
    autograd.backward(rows, _on_top_of_each_other(dA))
    for W in () if masks.chars is None else W_x:
        nd.broadcast_mul(W.grad, masks.chars, out=W.grad)


@functools.lru_cache(maxsize=128)
def _lookup(num_pieces: int, num_tables: int, shape: tuple[int, int]) -> Operator:
    """The rows of each table that the characters of the pieces pick, step after step."""

    def look_up(F: Any, below: Arrays, tables: Arrays) -> list[Any]:
        chars = F.concat(*[flat(F, each) for each in below], dim=0)
        return [F.Embedding(chars, W, *shape) for W in tables]

    return graph(look_up, (num_pieces, num_tables))


def _add_up(rows: Sequence[Arrays], out: Arrays) -> None:
    """Write the sum of each column of rows to an array of out."""
    _of_rows(_sums, len(rows), len(out))(*rows, out=out)


def _on_top_of_each_other(rows: Sequence[Arrays]) -> list[nd.NDArray]:
    return _of_rows(join, len(rows), len(rows[0]))(*rows)


def _sums(F: Any, rows: Sequence[Arrays]) -> list[Any]:
    return [F.add_n(*column) for column in zip(*rows)]


@functools.lru_cache(maxsize=128)
def _of_rows(program: Program, num_rows: int, num_columns: int) -> Operator:
    """An array for every column of some rows of arrays."""
    return graph(lambda F, *rows: program(F, rows), [num_columns] * num_rows)


class Score(NamedTuple):
    """What two pieces must have in common to be scored by the same graph.

    num_rows: their characters; num_chars: those of the batch. tied: W_hy and its gradient come transposed.
    """

    num_rows: int
    hidden_dim: int
    vocab_size: int
    num_chars: int
    tied: bool


def score(F: Any, shape: Score, read: Arrays, weights: Arrays, unseen: Arrays) -> list[Any]:
    """Of a piece: its share of the loss and of the gradients of W_hy and b_y; and dH.

    read: the top layer's H, and label. weights: W_hy and b_y. Where softmax gives P, and Y is one-hot, the
    gradient of the logits is (P - Y) / num_chars, as lesson 10 derives. Y loses the share unseen.sum(), which
    unseen distributes over the characters.
    """
    (H, label), (N, d, V, num_chars, tied) = read, shape
    (W, b_y), unseen = own(F, weights), own(F, unseen)
    W, W_T = (F.transpose(W), W) if tied else (W, F.transpose(W))
    label = F.clip(flat(F, label), 0, V - 1)  # scattering writes wherever it is told to
    P = F.softmax(F.FullyConnected(H, W_T, b_y, num_hidden=V))
    p = F.pick(P, label)
    likelihood = F.sum(F.log(p * (p > TINY)))
    places, slope = F.stack(F.arange(N, dtype="int32"), label), p - 1
    for each in unseen:
        slope = F.broadcast_add(slope, F.sum(each))
    dY = F._internal._scatter_set_nd(lhs=P, rhs=slope, indices=places, shape=(N, V))  # in place of P
    dY = F.BlockGrad(dY)  # a graph is refused if an operator has no gradient, though nobody asks for it
    for each in unseen:
        dY = F.broadcast_sub(dY, F.reshape(each, shape=(1, -1)))
    dY_T, H_T, ones = F.transpose(dY), F.transpose(H), F.ones((1, N))
    dW = multiply(F, dY_T, H_T, d) if tied else multiply(F, H_T, dY_T, V)
    db = F.reshape(multiply(F, ones, dY_T, V), shape=(-1,))
    return [
        likelihood * (-1 / num_chars),
        *[each * (1 / num_chars) for each in (dW, db, multiply(F, dY, W, d))],
    ]


@functools.lru_cache(maxsize=64)
def _scoring(shape: Score, num_unseen: int, first_row: int) -> Operator:
    return graph(lambda F, *groups: score(F, shape, *groups), (2, 2, num_unseen), weights=1)
