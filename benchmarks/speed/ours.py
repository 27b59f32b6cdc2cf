"""Ours: what `python -m d2lrnn.train` runs, and the tutorial's own loop, which it started from."""

from __future__ import annotations

import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import d2lrnn
from d2lrnn.decoding import Choice, generate_batch
from d2lrnn.running.run import keep_memory

import numpy as np
from mxnet import nd, profiler

from .gluon import multiply  # the same library
from .work import Contender, Params, Task, by_layer

__all__ = ["Ours", "Tutorial", "multiply"]


def split(task: Task, params: Params) -> Params:
    """The arrays in the order of get_params: W_x, W_h and b of a layer's first gate, then of its second, …"""
    found: Params = []
    for layer in by_layer(params):
        for gate in zip(*(np.split(array, task.num_gates, axis=-1) for array in layer)):
            found += gate
    return found + params[-2:]


def joined(task: Task, arrays: Params) -> Params:
    """What split has split, gates side by side again."""
    found, size = Params(), 3 * task.num_gates
    for k in range(0, task.num_layers * size, size):
        found += [np.concatenate(arrays[k + i : k + size : 3], axis=-1) for i in range(3)]
    return found + arrays[-2:]


class Ours(Contender):
    """train_batches with the network of get_network."""

    def __init__(self, task: Task, variant: str = "") -> None:
        keep_memory()
        self.task = task
        self.network = d2lrnn.get_network(task.cell, task.num_layers)
        self.params = self.network.get_params(task.vocab_size, task.hidden_dim)
        for param, array in zip(self.params, split(task, task.params())):
            param[:] = array
        self.optimizer = d2lrnn.Optimizer("adam", self.params, task.lr)
        self.next_batch: Any = None
        self.written: list[Any] = []
        self.steps = self._steps()

    def learner(self) -> tuple[Any, Any, Any]:
        """What train_batches is given: rnn, init_state, train_batch."""
        return self.network.rnn, self.network.init_state, self.network.train_batch

    def _steps(self) -> Iterator[tuple[float, int, Any]]:
        rnn, init_state, learn = self.learner()
        batches = iter(lambda: self.next_batch, None)
        how = self.optimizer, self.task.theta
        return d2lrnn.train_batches(
            rnn, self.params, init_state, batches, *how, is_random_iter=True, train_batch=learn
        )

    def step(self, data: np.ndarray, label: np.ndarray) -> float:
        """A step of training."""
        self.next_batch = tuple(nd.array(array, dtype="int32") for array in (data, label))
        return next(self.steps)[0]

    def moments(self) -> Params:
        """Of Adam."""
        return joined(self.task, [m.asnumpy() for m, _ in self.optimizer.states])

    def decode(self, first: list[int], num_chars: int, temperature: float) -> list[list[int]]:
        """As many characters after each first one, drawn at this temperature."""
        if not self.written:  # made once, as predict does for all its texts
            vocab = d2lrnn.Vocab("".join(chr(0x4E00 + i) for i in range(self.task.vocab_size)))
            self.written = [self.network.writer(self.params), vocab]
        writer, vocab = self.written
        texts = generate_batch(list(vocab.decode(first)), num_chars, writer, vocab, Choice(temperature))
        return [vocab.encode(text[1:]) for text in texts]

    def sampled(self, corpus: np.ndarray, steps: int, seed: int) -> tuple[float, float]:
        """(seconds until the first batch is cut, seconds a step), with batches of data_iter_random."""
        task, begin = self.task, time.perf_counter()
        batches = d2lrnn.data_iter_random(corpus, task.batch_size, task.num_steps, rng=seed)
        first = next(batches)
        ready = time.perf_counter()
        for batch in itertools.islice(itertools.chain([first], batches), steps):
            self.next_batch = batch
            next(self.steps)
        return ready - begin, (time.perf_counter() - ready) / steps

    def profile(self, steps: int) -> list[tuple[str, float, float]]:
        """(operator, calls a step, ms a step), the longest first, as MXNet's profiler counts them."""
        settings = {"profile_imperative": True, "profile_symbolic": True, "aggregate_stats": True}
        # MXNet removes the file of this name before it begins: never os.devnull, which root would lose
        with tempfile.TemporaryDirectory() as folder:
            profiler.set_config(**settings, filename=f"{folder}/profile.json")
        for i, batch in zip(range(steps + 3), self.task.batches(self.task.corpus())):
            if i == 3:  # warm
                profiler.set_state("run")
            self.step(*batch)
        profiler.set_state("stop")
        operators = json.loads(profiler.dumps(reset=True, format="json"))["Time"]["operator"]
        found = [(name, one["Count"] / steps, one["Total"] / steps) for name, one in operators.items()]
        return sorted(found, key=lambda one: -one[2])


class Tutorial(Ours):
    """The loop of lessons 3 to 7 as the tutorial has it: one-hot matrices, and an output product a step."""

    LESSONS: dict[str, tuple[Any, Any]] = {
        "rnn": (d2lrnn.rnn, d2lrnn.init_rnn_state),
        "gru": (d2lrnn.gru, d2lrnn.init_gru_state),
        "lstm": (d2lrnn.lstm, d2lrnn.init_lstm_state),
    }

    def learner(self) -> tuple[Any, Any, Any]:
        """What train_batches is given."""
        return *self.LESSONS[self.task.cell], None


class ResetAfter(Tutorial):
    """The tutorial's loop with Gluon's form of the GRU: what Gluon's must agree with."""

    LESSONS: dict[str, tuple[Any, Any]] = {"gru": (d2lrnn.gru_reset_after, d2lrnn.init_gru_state)}
