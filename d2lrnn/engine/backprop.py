"""How lesson 15 learns from a batch: forward, and back by hand.

A batch is read in a few parts: while one part's outputs are computed, another core goes on with the states of
the next.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mxnet import autograd, nd

from ..sampling import Batch
from .layers import Arrays, Layer, State, backward, cut_steps, forward, graph, join, run, times
from .masks import Masks, Regularisers, draw_masks, repeat

TINY = 1e-36  # a probability that float32 no longer tells from 0


def learn(
    layers: Sequence[Layer],
    state: Sequence[State],
    output: Arrays,
    batch: Batch,
    how: Regularisers,
    num_parts: int,
    W_e: nd.NDArray | None = None,
) -> tuple[nd.NDArray, State]:
    """The loss and the new state; in every param.grad its gradient.

    output: W_hy and b_y. W_e: the embeddings, (vocab_size, hidden_dim), of tied networks (lesson 19), whose
    layers read no indices; W_hy^T is the same array there, and the W_hy of output is ignored.
    """
    (data, label), (W_hy, b_y) = batch, output
    rows, masks = data.T, draw_masks(how, layers, b_y.size, len(data))
    passes: list[Any] = [_Pass(*each, masks, k) for k, each in enumerate(zip(layers, state))]
    passes = passes if W_e is None else [_Lookup(W_e, masks), *passes]
    spans, H = cut_steps(len(rows), num_parts), []
    for begin, end in spans:
        below = rows[begin:end].reshape(-1)
        for each in passes:
            below = each.forward(below, end - begin)
        H.append(below)
    label = nd.clip(label.T, 0, b_y.size - 1)  # scattering writes wherever it is told to
    W, scores = W_hy.T if W_e is None else W_e, []
    for h, (begin, end) in reversed(list(zip(H, spans))):  # it runs back while others run forward
        likelihood, above, dW, db = output_layer(h, label[begin:end].reshape(-1), W, b_y, how.unseen)
        scores.append((likelihood, dW, db))
        above = above / label.size
        for each in reversed(passes):
            above = each.backward(above, end - begin)
    likelihoods, dW, db = zip(*scores)
    for each in passes:
        each.write_gradients()
    dW = nd.add_n(*dW) / label.size
    if W_e is None:
        nd.transpose(dW, out=W_hy.grad)
    else:  # it holds the gradients of the rows that were read
        nd.broadcast_add(W_e.grad, dW, out=W_e.grad)
    (nd.add_n(*db) / label.size).copyto(b_y.grad)
    return -nd.add_n(*likelihoods) / label.size, tuple(S for each in passes for S in each.state)


class _Ahead(NamedTuple):
    """Of a part that has passed a layer: what the backward pass needs."""

    below: nd.NDArray
    fed: Arrays
    slopes: Arrays
    mask: nd.NDArray | None


class _Back(NamedTuple):
    """Of a part that has come back: what it read and, for each gate, dA and the gradients of W_h and b."""

    below: nd.NDArray
    dA: Arrays
    dW_h: Arrays
    db: Arrays


class _Lookup:
    """The embeddings of a tied network, used like a layer."""

    state: State = ()  # it has none

    def __init__(self, W_e: nd.NDArray, masks: Masks) -> None:
        self.W_e, self.masks = W_e, masks
        self.table = W_e if masks.chars is None else nd.broadcast_mul(W_e, masks.chars)
        self.ahead, self.back = list[nd.NDArray](), list[tuple[nd.NDArray, nd.NDArray]]()

    def forward(self, below: nd.NDArray, num_steps: int) -> nd.NDArray:
        """Read a part, indices; return the rows of W_e with these numbers, masked."""
        self.ahead.append(below)
        return self._mask(nd.Embedding(below, self.table, *self.table.shape), num_steps)

    def backward(self, dX: nd.NDArray, num_steps: int) -> None:
        """What comes back to the rows of the last part that has not come back yet."""
        self.back.append((self.ahead.pop(), self._mask(dX, num_steps)))

    def _mask(self, X: nd.NDArray, num_steps: int) -> nd.NDArray:
        return X if self.masks.inputs is None else X * repeat(self.masks.inputs, num_steps)

    def write_gradients(self) -> None:
        """In the gradient of W_e, what comes back to its rows."""
        below, dX = (nd.concat(*each, dim=0) for each in zip(*self.back))
        _scatter(below, dX, self.W_e)
        if self.masks.chars is not None:
            nd.broadcast_mul(self.W_e.grad, self.masks.chars, out=self.W_e.grad)


class _Pass:
    """Layer k on its way through a batch and back: part after part, then the last part first."""

    def __init__(self, layer: Layer, state: State, masks: Masks, k: int) -> None:
        self.layer, self.state, self.masks, self.k = layer, state, masks, k
        self.masked, self.drops_chars = layer, layer.reads_indices and masks.chars is not None
        if masks.weights is not None:
            W_h = [W * mask for W, mask in zip(layer.W_h, masks.weights[k])]
            self.masked = self.masked._replace(W_h=W_h)
        if self.drops_chars:
            W_x = [nd.broadcast_mul(W, masks.chars) for W in layer.W_x]
            self.masked = self.masked._replace(W_x=W_x)
        self.dstate: Arrays = [nd.zeros_like(S) for S in state]
        self.ahead, self.back = list[_Ahead](), list[_Back]()

    def forward(self, below: nd.NDArray, num_steps: int) -> nd.NDArray:
        """Read a part, indices or a matrix with num_steps * batch_size rows; return its matrix of H."""
        steps, arrays = self.layer.steps, [*self.masked.project(below), *self.masked.W_h, *self.state]
        H, *rest = run(forward, steps, arrays, num_steps)
        width, num_fed = len(self.state), max(steps.fed) + 1
        self.state, fed, slopes = tuple(rest[:width]), rest[width : width + num_fed], rest[width + num_fed :]
        mask = self.masks.of_outputs(self.k, H, num_steps)
        self.ahead.append(_Ahead(below, fed, slopes, mask))
        return H if mask is None else H * mask

    def backward(self, dH: nd.NDArray, num_steps: int) -> nd.NDArray | None:
        """From the dH of the last part that has not come back yet to that of the layer below, if any."""
        steps, (below, fed, slopes, mask) = self.layer.steps, self.ahead.pop()
        dH = dH if mask is None else dH * mask
        outputs = run(backward, steps, [dH, *slopes, *self.masked.W_h, *self.dstate], num_steps)
        dA, self.dstate = outputs[: len(steps.fed)], outputs[len(steps.fed) :]
        ones = nd.ones((1, len(below)), ctx=below.context)
        dW_h = [nd.dot(fed[k], d, transpose_a=True) for k, d in zip(steps.fed, dA)]
        self.back.append(_Back(below, dA, dW_h, [nd.dot(ones, d) for d in dA]))
        if self.layer.reads_indices:
            return None
        from_gate = times(nd, self.layer.W_x, below.shape[1])
        return nd.add_n(*[from_gate(d, k) for k, d in enumerate(dA)])

    def write_gradients(self) -> None:
        """Write the gradient of every weight, added up over the parts."""
        below, dA, dW_h, db = zip(*self.back)
        below, gates = nd.concat(*below, dim=0), join(nd, dA)
        for k, d in enumerate(gates):
            W_x, W_h, b = (weights[k] for weights in (self.layer.W_x, self.layer.W_h, self.layer.b))
            nd.add_n(*[part[k] for part in dW_h], out=W_h.grad)
            if self.masks.weights is not None:
                nd.broadcast_mul(W_h.grad, self.masks.weights[self.k][k], out=W_h.grad)
            nd.add_n(*[part[k] for part in db], out=b.grad.reshape((1, -1)))
            if self.layer.reads_indices:
                _scatter(below, d, W_x)
                if self.drops_chars:
                    nd.broadcast_mul(W_x.grad, self.masks.chars, out=W_x.grad)
            else:
                nd.dot(below, d, transpose_a=True, out=W_x.grad)


def _scatter(below: nd.NDArray, d: nd.NDArray, W: nd.NDArray) -> None:
    """In the gradient of W: a row that was picked gets what comes back to it, d."""
    with autograd.record():
        rows = nd.Embedding(below, W, *W.shape)
    rows.backward(d)


class _Output(NamedTuple):
    """The log-likelihood of some characters, and the gradients of its negative; W is W_hy^T."""

    likelihood: nd.NDArray
    dH: nd.NDArray
    dW: nd.NDArray
    db: nd.NDArray


def output_layer(
    H: nd.NDArray, label: nd.NDArray, W: nd.NDArray, b_y: nd.NDArray, unseen: nd.NDArray | None = None
) -> _Output:
    """What the characters of a part contribute, with H the top layer's.

    Where softmax gives P, and Y is one-hot, the gradient of the logits is P - Y, as lesson 10 derives. Y
    loses the share unseen.sum(), which unseen distributes over the characters.
    """
    leaves = [H.detach(), W.detach(), b_y.detach()]
    gradients = [nd.empty(leaf.shape, ctx=leaf.context) for leaf in leaves]
    autograd.mark_variables(leaves, gradients)
    with autograd.record():
        logits = nd.FullyConnected(*leaves, num_hidden=b_y.size)
    P, slope, places, likelihood = scoring(len(H))(logits, label)
    slope = slope if unseen is None else nd.broadcast_add(slope, unseen.sum())
    nd._internal._scatter_set_nd(lhs=P, rhs=slope, indices=places, shape=P.shape, out=P)
    logits.backward(P if unseen is None else nd.broadcast_sub(P, unseen.reshape((1, -1))))
    return _Output(likelihood, *gradients)


@functools.lru_cache(maxsize=128)
def scoring(num_chars: int) -> Callable[..., list[nd.NDArray]]:
    """From logits and label: P, p - 1 of each label, where it stands in P, and the log-likelihood."""

    def score(F: Any, inputs: Arrays) -> list[Any]:
        logits, label = inputs
        P = F.softmax(logits)
        p = F.pick(P, label)
        places = F.stack(F.arange(num_chars, dtype="int32"), label)
        return [P, p - 1, places, F.sum(F.log(p * (p > TINY)))]

    return graph(score, num_inputs=2)
