"""A contender in a process of its own: waits for a line of JSON, does what it says, answers with a line.

    python -m benchmarks.speed.worker pytorch

The arena starts it. Between two requests it waits in read(), so that it takes no time from the others.
"""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from .work import Contender, Task

CONTENDERS = {  # name: its file and class
    "ours": ("ours", "Ours"),
    "tutorial": ("ours", "Tutorial"),
    "reset-after": ("ours", "ResetAfter"),
    "gluon": ("gluon", "Fused"),
    "pytorch": ("pytorch", "PyTorch"),
    "jax": ("xla", "Compiled"),
    "numpy": ("numpy_bptt", "Bptt"),
}


def first_steps(
    new: Callable[[Task], Contender], task: Task, corpus: np.ndarray, steps: int = 3
) -> dict[str, list[float]]:
    """The losses of the first steps, and the norms of the gradients of all parameters in the first of them.

    Both come unclipped, and clipped in every step.
    """
    losses, norms = [], []
    for theta in (1e9, 0.05):
        contender = new(dataclasses.replace(task, theta=theta))
        for i, batch in zip(range(steps), task.batches(corpus)):
            losses.append(contender.step(*batch))
            if i == 0:
                norms += [float(np.linalg.norm(m.astype(np.float64))) for m in contender.moments()]
    return {"losses": losses, "gradients": norms}


class Worker:
    """The requests that a contender answers, a method each."""

    def __init__(self, name: str) -> None:
        module, of = CONTENDERS[name]
        if name == "ours":  # what it sets must be there before mxnet is loaded
            importlib.import_module("d2lrnn")
        self.module = importlib.import_module(f".{module}", __package__)
        self.contender_class = getattr(self.module, of)

    def variants(self, task: dict[str, Any]) -> list[str]:
        """The ways in which the contender is written."""
        return self.contender_class.variants(Task(**task))

    def open(
        self, task: dict[str, Any], variant: str = "", num_chars: int = 65_000, corpus: str | None = None
    ) -> None:
        """Make the network. corpus: a .npy of indices in place of num_chars drawn ones."""
        self.task = Task(**task)
        self.corpus = np.load(corpus) if corpus else self.task.corpus(num_chars)
        self.new = partial(self.contender_class, **({"variant": variant} if variant else {}))
        self.contender = self.new(self.task)
        self.batches = self._endless()
        self.operands: list[Any] = []

    def _endless(self) -> Iterator[Any]:
        for epoch in itertools.count():
            yield from self.task.batches(self.corpus, epoch)

    def first_steps(self) -> dict[str, list[float]]:
        """What must be the same for all contenders."""
        return first_steps(self.new, self.task, self.corpus)

    def reset(self) -> str:
        """Where the reset gate of its GRU acts: before or after the product."""
        return self.contender.reset

    def train(self, steps: int) -> float:
        """Seconds a step, after one that warms the caches."""
        self.contender.step(*next(self.batches))
        begin = time.perf_counter()
        for _ in range(steps):
            self.contender.step(*next(self.batches))
        return (time.perf_counter() - begin) / steps

    def epoch(self, number: int) -> tuple[float, float]:
        """(seconds, training perplexity) of an epoch."""
        begin, nats = time.perf_counter(), []
        for batch in self.task.batches(self.corpus, number):
            nats.append(self.contender.step(*batch))
        return time.perf_counter() - begin, math.exp(sum(nats) / len(nats))

    def sampled(self, steps: int, seed: int) -> tuple[float, float]:
        """See ours.py."""
        return self.contender.sampled(self.corpus, steps, seed)

    def products(self) -> list[float]:
        """Seconds of each product of a step, all its times together, the fastest way that the library has."""
        if not self.operands:
            rng = np.random.default_rng(0)
            for p in self.task.products():
                a, b = (rng.standard_normal(shape, np.float32) for shape in (p[:2], p[1:3]))
                self.operands.append((self.module.multiply(a, b), p.times))
                for way in self.operands[-1][0]:
                    way()
        return [min(_seconds(way, times) for way in ways) for ways, times in self.operands]

    def decode(self, streams: int, num_chars: int, temperature: float) -> tuple[float, list[list[int]]]:
        """(seconds, what was written, the first characters included)."""
        first = [1 + i % (self.task.vocab_size - 1) for i in range(streams)]
        begin = time.perf_counter()
        written = self.contender.decode(first, num_chars, temperature)
        return time.perf_counter() - begin, [[char, *text] for char, text in zip(first, written)]

    def profile(self, steps: int) -> list[tuple[str, float, float]]:
        """See ours.py."""
        return self.contender.profile(steps)


def _seconds(way: Any, times: int) -> float:
    begin = time.perf_counter()
    for _ in range(times):
        way()
    return time.perf_counter() - begin


def main() -> None:
    """Answer until stdin ends."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    worker = Worker(sys.argv[1])
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(worker, request.pop("do"))(**request)
        print(json.dumps(answer), file=replies, flush=True)


if __name__ == "__main__":
    main()
