"""The contenders of one row: started, each at its best number of threads, and proved to do the same work."""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from .arena import CORES, ContenderError, Process, Setting, take_turns
from .table import TITLES
from .work import Task

PEERS_OWN = ("pytorch", "jax")  # what only the peers' environment has
SPINNING = ("pytorch", "gluon", "tutorial")  # OpenMP that has not been told how to wait
REL = 1e-3  # how far losses and gradients may lie apart
FINALISTS = 2  # ways of a contender that are tried with every number of threads
LAST = 3  # processes of a contender that take turns before one of them takes part
Turn = Callable[[Process], float]


class Tried(NamedTuple):
    """What a process took for a turn, the fastest of three."""

    seconds: float
    process: Process


@dataclasses.dataclass(frozen=True)
class Size:
    """How long to measure: rounds, seconds a turn; tuned: all ways and threads are tried first."""

    rounds: int = 9
    turn: float = 1.0
    tuned: bool = True


FULL, QUICK = Size(), Size(rounds=3, turn=0.1, tuned=False)


@dataclasses.dataclass(frozen=True)
class Bench:
    """Where the peers' Python is, and how long to measure."""

    peers: Path
    size: Size

    def python(self, name: str) -> Path:
        """The interpreter of a contender. NumPy is in both environments, newer and faster in the peers'."""
        has_numpy = any(self.peers.parents[1].glob("lib/python*/site-packages/numpy"))
        theirs = name in PEERS_OWN or (name == "numpy" and has_numpy)
        return self.peers if theirs else Path(sys.executable)

    def settings(self, name: str) -> list[Setting]:
        """Those that a contender tries."""
        found = [Setting(CORES)]
        if self.size.tuned:
            found += [Setting(1)] * (CORES > 1) + [Setting(CORES, "passive")] * (name in SPINNING)
        return found


def say(line: str) -> None:
    """Progress, until there is a table."""
    print(line, file=sys.stderr, flush=True)


class Stage:
    """The processes of a row, ended with it.

    corpus: indices to train on (None: synthetic ones, see work.py). ours: environment variables of ours.
    processes: those that take part, by name. tried: all that were measured for them, the fastest first.
    faults: what a contender did that was not the same work.
    """

    def __init__(
        self,
        bench: Bench,
        row: str,
        task: Task,
        corpus: np.ndarray | None = None,
        ours: Mapping[str, str] = {},
    ) -> None:
        self.bench, self.row, self.task = bench, row, task
        self.corpus: Any = None
        if corpus is not None:
            self.corpus = tempfile.NamedTemporaryFile(suffix=".npy")  # noqa: SIM115, closed with the stage
            np.save(self.corpus, corpus)
            self.corpus.flush()
        self.ours = ours
        self.processes: dict[str, Process] = {}
        self.tried: dict[str, list[Tried]] = {}
        self.faults: list[str] = []
        self._started: list[Process] = []

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self._started:
            process.close()
        if self.corpus:
            self.corpus.close()

    def start(self, name: str, setting: Setting, **how: Any) -> Process:
        """A process with its network.

        Raises:
            ContenderError: it cannot be.
        """
        process = self._begun(name, setting)
        self.open(process, **how)
        return process

    def _begun(self, name: str, setting: Setting) -> Process:
        python = self.bench.python(name)
        if not python.exists():
            raise ContenderError(f"there is no {python}")
        self._started.append(Process(name, python, setting, self.ours if name == "ours" else {}))
        return self._started[-1]

    def open(self, process: Process, **how: Any) -> None:
        """The network anew (see worker.py)."""
        how |= {"corpus": self.corpus.name} if self.corpus else {}
        process.ask("open", task=dataclasses.asdict(self.task), variant=process.setting.variant, **how)

    def enter(self, names: Sequence[str], turn: Turn, variants: Sequence[str] = ()) -> None:
        """Start contenders, each in the way that makes its turn fastest; broken ones are reported.

        variants: the ways; by default all those that a contender knows for training.
        """
        for name in names:
            self.tried[name] = []
            try:
                best = self._fastest(name, turn, variants or self._variants(name))
            except ContenderError as error:
                self.leave(name, str(error))
                continue
            self.processes[name] = best
            say(f"{self.row}: {TITLES[name]}, {best.setting}")

    def _fastest(self, name: str, turn: Turn, variants: Sequence[str]) -> Process:
        """Every way on all cores, then the fastest of them with other threads; the last three take turns."""
        first, *others = self.bench.settings(name)
        for variant in variants:
            self._try(name, first._replace(variant=variant), turn)
        finalists = [one.process.setting for one in self.tried[name][:FINALISTS]]
        for finalist, setting in itertools.product(finalists, others):
            self._try(name, setting._replace(variant=finalist.variant), turn)
        if not self.tried[name]:
            raise ContenderError("none of its ways works")
        last = [one.process for one in self.tried[name][:LAST]]
        turns = {str(process.setting): partial(turn, process) for process in last}
        rounds = take_turns(turns, self.bench.size.rounds)
        best, *slower = sorted(last, key=lambda process: statistics.median(rounds[str(process.setting)]))
        for process in slower:
            process.close()
        self.tried[name].sort(key=lambda one: one.process is not best)
        return best

    def _variants(self, name: str) -> list[str]:
        if not self.bench.size.tuned:
            return [""]
        process = self._begun(name, self.bench.settings(name)[0])
        found = process.ask("variants", task=dataclasses.asdict(self.task))
        process.close()
        return found

    def _try(self, name: str, setting: Setting, turn: Turn) -> None:
        """Measure a way; only the fastest so far go on."""
        try:
            process = self.start(name, setting)
            turn(process)  # compiles and warms up
            seconds = min(turn(process) for _ in range(3))
        except ContenderError as error:
            say(f"{self.row}: {TITLES[name]}, {setting}: {error}")
            return
        say(f"{self.row}: {TITLES[name]}, {setting}: {1e3 * seconds:.3g} ms")
        self.tried[name] = sorted([*self.tried[name], Tried(seconds, process)], key=attrgetter("seconds"))
        for slower in self.tried[name][LAST:]:
            slower.process.close()

    def leave(self, name: str, why: str) -> None:
        """A contender takes no part, and why."""
        say(f"{self.row}: {TITLES[name]} takes no part: {why}")
        if name in self.processes:
            self.processes.pop(name).close()

    def check(self) -> None:
        """Drop contenders whose losses and gradients of the first steps differ from NumPy's."""
        wanted = self._first_steps("numpy")
        for name, process in list(self.processes.items()):
            other_gru = self.task.cell == "gru" and process.ask("reset") == "after"
            expected = self._first_steps("reset-after") if other_gru else wanted
            fault = differ(process.ask("first_steps"), expected)
            if fault:
                self.faults.append(f"{name} has {fault}")
                self.leave(name, fault)

    def _first_steps(self, name: str) -> dict[str, list[float]]:
        process = self.start(name, Setting(CORES))
        found = process.ask("first_steps")
        process.close()
        return found


def differ(found: Mapping[str, Sequence[float]], wanted: Mapping[str, Sequence[float]]) -> str:
    """Where the first steps of two contenders differ, in words; empty if they do not."""
    for what in wanted:
        pairs = zip(found[what], wanted[what])
        far = [(one, other) for one, other in pairs if not math.isclose(one, other, rel_tol=REL)]
        if far or len(found[what]) != len(wanted[what]):
            values = f": {far[0][0]:.6g} instead of {far[0][1]:.6g}" if far else ""
            return f"other {what} in the first steps{values}"
    return ""


def fastest_products(products: Mapping[str, Sequence[Sequence[float]]]) -> float:
    """Seconds of all products of a step, each in the library that was fastest at it."""
    medians = [[statistics.median(kind) for kind in zip(*rounds)] for rounds in products.values()]
    return sum(min(kind) for kind in zip(*medians))
