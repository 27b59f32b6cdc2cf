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

TINY = 1e-36  # a probability that float32 no longer tells from 0


def learn(
    layers: Sequence[Layer],
    state: Sequence[State],
    output: Arrays,
    batch: Batch,
    drop: Callable | None,
    num_parts: int,
) -> tuple[nd.NDArray, State]:
    """The loss and the new state; in every param.grad its gradient. drop: what dropout makes of an array."""
    (data, label), (W_hy, b_y) = batch, output
    rows = data.T
    passes, spans, H = [_Pass(*each) for each in zip(layers, state)], cut_steps(len(rows), num_parts), []
    for begin, end in spans:
        below = rows[begin:end].reshape(-1)
        for each in passes:
            below = each.forward(below, end - begin, drop)
        H.append(below)
    label = nd.clip(label.T, 0, b_y.size - 1)  # scattering writes wherever it is told to
    W, scores = W_hy.T, []
    for h, (begin, end) in reversed(list(zip(H, spans))):  # the last part comes back while others go on
        likelihood, above, dW, db = _output(h, label[begin:end].reshape(-1), W, b_y)
        scores.append((likelihood, dW, db))
        above = above / label.size
        for each in reversed(passes):
            above = each.backward(above, end - begin)
    likelihoods, dW, db = zip(*scores)
    for each in passes:
        each.write_gradients()
    nd.transpose(nd.add_n(*dW) / label.size, out=W_hy.grad)
    (nd.add_n(*db) / label.size).copyto(b_y.grad)
    return -nd.add_n(*likelihoods) / label.size, tuple(S for each in passes for S in each.state)


class _Ahead(NamedTuple):
    """Of a part that has gone up through a layer: what the way back needs."""

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


class _Pass:
    """One layer on its way through a batch and back: part after part, then the last part first."""

    def __init__(self, layer: Layer, state: State) -> None:
        self.layer, self.state = layer, state
        self.dstate: Arrays = [nd.zeros_like(S) for S in state]
        self.ahead, self.back = list[_Ahead](), list[_Back]()

    def forward(self, below: nd.NDArray, num_steps: int, drop: Callable | None) -> nd.NDArray:
        """Read a part, indices or a matrix with num_steps * batch_size rows; return its matrix of H."""
        steps, arrays = self.layer.steps, [*self.layer.project(below), *self.layer.W_h, *self.state]
        H, *rest = run(forward, steps, arrays, num_steps)
        width, num_fed = len(self.state), max(steps.fed) + 1
        self.state, fed, slopes = tuple(rest[:width]), rest[width : width + num_fed], rest[width + num_fed :]
        mask = drop(nd.ones_like(H)) if drop else None
        self.ahead.append(_Ahead(below, fed, slopes, mask))
        return H if mask is None else H * mask

    def backward(self, dH: nd.NDArray, num_steps: int) -> nd.NDArray | None:
        """From the dH of the last part that has not come back yet to that of the layer below, if any."""
        steps, (below, fed, slopes, mask) = self.layer.steps, self.ahead.pop()
        dH = dH if mask is None else dH * mask
        outputs = run(backward, steps, [dH, *slopes, *self.layer.W_h, *self.dstate], num_steps)
        dA, self.dstate = outputs[: len(steps.fed)], outputs[len(steps.fed) :]
        ones = nd.ones((1, len(below)), ctx=below.context)
        dW_h = [nd.dot(fed[k], d, transpose_a=True) for k, d in zip(steps.fed, dA)]
        self.back.append(_Back(below, dA, dW_h, [nd.dot(ones, d) for d in dA]))
        if self.layer.reads_indices:
            return None
        from_gate = times(nd, self.layer.W_x, below.shape[1])
        return nd.add_n(*[from_gate(d, k) for k, d in enumerate(dA)])

    def write_gradients(self) -> None:
        """In the gradient of every weight, what the parts have to say."""
        below, dA, dW_h, db = zip(*self.back)
        below, gates = nd.concat(*below, dim=0), join(nd, dA)
        for k, d in enumerate(gates):
            W_x, W_h, b = (weights[k] for weights in (self.layer.W_x, self.layer.W_h, self.layer.b))
            nd.add_n(*[part[k] for part in dW_h], out=W_h.grad)
            nd.add_n(*[part[k] for part in db], out=b.grad.reshape((1, -1)))
            if self.layer.reads_indices:  # a row that was picked gets what comes back to it
                with autograd.record():
                    rows = nd.Embedding(below, W_x, *W_x.shape)
                rows.backward(d)
            else:
                nd.dot(below, d, transpose_a=True, out=W_x.grad)


class _Output(NamedTuple):
    """The log-likelihood of some characters, and the gradients of its negative; W is W_hy^T."""

    likelihood: nd.NDArray
    dH: nd.NDArray
    dW: nd.NDArray
    db: nd.NDArray


def _output(H: nd.NDArray, label: nd.NDArray, W: nd.NDArray, b_y: nd.NDArray) -> _Output:
    """What the characters of a part say, with H the top layer's.

    Where softmax gives P, and Y is one-hot, the gradient of the logits is P - Y: lesson 10 has derived it.
    """
    leaves = [H.detach(), W.detach(), b_y.detach()]
    gradients = [nd.empty(leaf.shape, ctx=leaf.context) for leaf in leaves]
    autograd.mark_variables(leaves, gradients)
    with autograd.record():
        logits = nd.FullyConnected(*leaves, num_hidden=b_y.size)
    P, slope, places, likelihood = _score(len(H))(logits, label)
    nd._internal._scatter_set_nd(lhs=P, rhs=slope, indices=places, shape=P.shape, out=P)
    logits.backward(P)
    return _Output(likelihood, *gradients)


@functools.lru_cache(maxsize=128)
def _score(num_chars: int) -> Callable[..., list[nd.NDArray]]:
    """From logits and label: P, p - 1 of each label, where it stands in P, and the log-likelihood."""

    def score(F: Any, inputs: Arrays) -> list[Any]:
        logits, label = inputs
        P = F.softmax(logits)
        p = F.pick(P, label)
        places = F.stack(F.arange(num_chars, dtype="int32"), label)
        return [P, p - 1, places, F.sum(F.log(p * (p > TINY)))]

    return graph(score, num_inputs=2)
