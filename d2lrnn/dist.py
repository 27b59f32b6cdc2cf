"""Lesson 17. Several processes train one network: each reads its own shard, and all take the same step.

After every batch MXNet's parameter server adds up the gradients of all workers. Each of them divides by the
characters that were counted, clips and steps by itself: so weights that were equal stay equal, and nothing
but gradients travels.
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

NUMBERS = 4  # behind the other gradients: loss, characters, who wants to save, who to stop


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


def group(params: Any) -> dict[str, list[nd.NDArray]]:
    """The parameters in up to three groups, whose gradients travel apart.

    tables: the W_x that read characters. A row whose character is not in the batch has the gradient 0.
    output: W_hy and b_y, whose gradients are ready first. others: the rest, with tied embeddings.
    """
    groups: dict[str, list[nd.NDArray]] = {"tables": [], "output": [], "others": []}
    for (param, _), name in zip(check_gradients(params), params._fields):
        reads = name.startswith("W_x") and name.count("_") == 1 and "W_e" not in params._fields
        groups["tables" if reads else "output" if name in ("W_hy", "b_y") else "others"].append(param)
    return {name: found for name, found in groups.items() if found}


class InTurn:
    """All workers in one process, one after the other: what several must reproduce, to the last bit."""

    def __init__(self, num_workers: int) -> None:
        check_size(num_workers=num_workers)
        self.num_workers, self.shards = num_workers, range(num_workers)

    def add_up(self, rows: Sequence[nd.NDArray], out: nd.NDArray, name: str = "", read: Any = None) -> None:
        """Write the sum of the rows, one a worker, the first two first, to out.

        name and read help workers that are apart to send less: here they change nothing.
        """
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
        self.asked = self.heard = False, False
        groups = group(params)
        self.buffers = {
            name: flat_gradients(each, NUMBERS * (name == "others")) for name, each in groups.items()
        }
        self.numbers = self.buffers["others"][-NUMBERS:]
        if "tables" in groups:
            self.buffers["tables"] = self.buffers["tables"].reshape((-1, *groups["tables"][0].shape))

    def learn(
        self, data: nd.NDArray, label: nd.NDArray, state: State, params: Params
    ) -> tuple[nd.NDArray, State]:
        """As network.learn, but loss and gradients are the means over the characters of all workers.

        data, label and state hold the rows of the workers of this process, one worker's below the other's.
        """
        rows, states, is_alone = [], list[State](), len(self.workers.shards) == 1
        for index, part in zip(self.workers.shards, self._parts(data, label, state)):
            self.prepare(index)
            loss, new = self.network.learn(*part, params)
            self.numbers[:] = nd.concat(loss, nd.array([1, *self.asked], ctx=loss.context), dim=0)
            for buffer in self.buffers.values():
                buffer *= part.data.size
            rows.append([buffer if is_alone else buffer.copy() for buffer in self.buffers.values()])
            states.append(new)
        self.sent()
        for (name, buffer), *each in zip(self.buffers.items(), *rows):
            self.workers.add_up(each, buffer, name, data if name == "tables" else None)
        _, chars, save, stop = self.numbers.asnumpy().tolist()  # here it waits for the others
        for buffer in self.buffers.values():
            buffer /= chars
        self.heard = save > 0, stop > 0
        return self.numbers[:1].copy(), tuple(nd.concat(*each, dim=0) for each in zip(*states))

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
