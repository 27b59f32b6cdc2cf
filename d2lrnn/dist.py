"""Lesson 17. Several processes train one network: each reads its own shard, and all take the same step.

After every batch MXNet's parameter server adds up the gradients of all workers. Each of them divides by the
characters that were counted, clips and steps by itself: so weights that were equal stay equal, and only one
buffer travels.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from mxnet import autograd, nd

from .checks import check_gradients, check_size
from .engine.kvstore import Workers
from .engine.update import train_batch
from .optim import Optimizer
from .rnn import Params, State
from .sampling import Batch

NATS = -4  # in the buffer, behind the gradients: loss, characters, who wants to save, who to stop


def shard(corpus_indices: Any, index: int, num_workers: int) -> Any:
    """The part of the corpus that worker index, from 0, trains on; all parts are equally long.

    A shard ends with the character that the next one begins with: it is the last label. So no target is in
    two shards, and at most num_workers - 1 of them, at the end, in none.

    Raises:
        ValueError: there is no such worker, or fewer targets than workers.
    """
    check_size(num_workers=num_workers)
    if isinstance(index, bool) or index not in range(num_workers):
        raise ValueError(f"index is {index!r}: give 0 to {num_workers - 1}")
    size = (len(corpus_indices) - 1) // num_workers
    if size < 1:
        raise ValueError(
            f"{len(corpus_indices)} characters for {num_workers} workers: give at least two each"
        )
    return corpus_indices[index * size : (index + 1) * size + 1]


def flat_gradients(params: Params, spare: int = 0) -> nd.NDArray:
    """A new buffer of which every param.grad is now a part, in order, with room for `spare` more numbers.

    The gradients that backward() writes are in the buffer, and what is written to the buffer is in the
    gradients: nothing needs to be copied.
    """
    sizes = [param.size for param, _ in check_gradients(params)]
    flat = nd.zeros(sum(sizes) + spare, ctx=params[0].context)
    ends = np.cumsum(sizes).tolist()
    views = [flat[end - p.size : end].reshape(p.shape) for p, end in zip(params, ends)]
    autograd.mark_variables(list(params), views)
    return flat


class InTurn:
    """All workers in one process, one after the other: what several must reproduce, to the last bit."""

    def __init__(self, num_workers: int) -> None:
        check_size(num_workers=num_workers)
        self.num_workers, self.shards = num_workers, range(num_workers)

    def add_up(self, rows: Sequence[nd.NDArray], out: nd.NDArray) -> None:
        """Write the sum of the rows, one a worker, the first two first, to out."""
        out[:] = functools.reduce(operator.add, rows)

    def gather(self, name: str, rows: np.ndarray) -> np.ndarray:
        """The rows of all workers, as a matrix: unchanged here, where all are in one process."""
        return rows


class Rows(NamedTuple):
    """What one worker learns from."""

    data: nd.NDArray
    label: nd.NDArray
    state: State


class Replica:
    """A network that learns together with other replicas, and is used like an ordinary one.

    prepare: called with the index of a worker before it learns (dropout is seeded there). sent: called when
    this process has done its part of a step, and the rest is up to the others.
    """

    def __init__(
        self,
        network: Any,
        params: Params,
        workers: InTurn | Workers,
        prepare: Callable[[int], None] = lambda index: None,
        sent: Callable[[], None] = lambda: None,
    ) -> None:
        self.network, self.workers, self.prepare, self.sent = network, workers, prepare, sent
        self.rnn, self.init_state = network.rnn, network.init_state
        self.flat, self.asked, self.heard = flat_gradients(params, spare=4), (False, False), (False, False)

    def learn(
        self, data: nd.NDArray, label: nd.NDArray, state: State, params: Params
    ) -> tuple[nd.NDArray, State]:
        """As network.learn, but loss and gradients are the means over the characters of all workers.

        data, label and state hold the rows of the workers of this process, one worker's below the other's.
        """
        rows, states = [], list[State]()
        for index, part in zip(self.workers.shards, self._parts(data, label, state)):
            self.prepare(index)
            loss, new = self.network.learn(*part, params)
            self.flat[NATS:] = nd.concat(loss, nd.array([1, *self.asked], ctx=loss.context), dim=0)
            self.flat *= part.data.size
            rows.append(self.flat if len(self.workers.shards) == 1 else self.flat.copy())
            states.append(new)
        self.workers.add_up(rows, out=self.flat)
        self.sent()
        _, chars, save, stop = self.flat[NATS:].asnumpy().tolist()  # here it waits for the others
        self.flat /= chars
        self.heard = save > 0, stop > 0
        return self.flat[NATS].copy(), tuple(nd.concat(*each, dim=0) for each in zip(*states))

    def train_batch(
        self, params: Params, state: State, batch: Batch, optimizer: Optimizer, theta: float
    ) -> tuple[float, State]:
        """As network.train_batch: every worker clips and steps by itself, with the same gradients."""
        return train_batch(self, params, state, batch, optimizer, theta)

    def measure(self, data: nd.NDArray, label: nd.NDArray, state: State, params: Params) -> float:
        """As network.measure, the mean over the characters of all workers."""
        parts = self._parts(data, label, state)
        mine = [(self.network.measure(*part, params), part.data.size) for part in parts]
        nats, sizes = self.workers.gather("measured", np.array(mine, np.float32)).T
        return float(np.average(nats, weights=sizes))

    def _parts(self, data: nd.NDArray, label: nd.NDArray, state: State) -> Iterator[Rows]:
        """The rows of each worker of this process."""
        size = len(data) // len(self.workers.shards)
        for begin in range(0, len(data), size):
            mine = slice(begin, begin + size)
            yield Rows(data[mine], label[mine], tuple(S[mine] for S in state))

    def agree(self, save: bool, stop: bool) -> tuple[bool, bool]:
        """What any worker asked for with the last batch, the same for all; save and stop go with the next."""
        self.asked = save and not self.heard[0], stop
        return self.heard
