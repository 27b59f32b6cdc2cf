"""The contenders of one row: started, each at its best number of threads, and proved to do the same work."""

from __future__ import annotations

import dataclasses
import math
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from .arena import CORES, ContenderError, Process, Setting
from .table import TITLES
from .work import Task

PEERS_OWN = ("pytorch", "compiled", "jax")  # what only the peers' environment has
SPINNING = ("pytorch", "compiled", "gluon", "tutorial")  # OpenMP that has not been told how to wait
REL = 1e-3  # how far losses and gradients may lie apart
Turn = Callable[[Process], float]


@dataclasses.dataclass(frozen=True)
class Size:
    """How long to measure: rounds, seconds a turn, and whether each contender's threads are tuned first."""

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

    processes: those that take part, by name. faults: what a contender did that was not the same work.
    """

    def __init__(self, bench: Bench, row: str, task: Task, **ours: str) -> None:
        self.bench, self.row, self.task = bench, row, task
        self.ours = ours  # environment variables of ours
        self.processes: dict[str, Process] = {}
        self.faults: list[str] = []
        self._started: list[Process] = []

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self._started:
            process.close()

    def start(self, name: str, setting: Setting, **how: Any) -> Process:
        """A process with its network.

        Raises:
            ContenderError: it cannot be.
        """
        python = self.bench.python(name)
        if not python.exists():
            raise ContenderError(f"there is no {python}")
        self._started.append(Process(name, python, setting, self.ours if name == "ours" else {}))
        self.open(self._started[-1], **how)
        return self._started[-1]

    def open(self, process: Process, **how: Any) -> None:
        """The network anew, on another corpus perhaps (see worker.py)."""
        process.ask("open", task=dataclasses.asdict(self.task), **how)

    def enter(self, names: Sequence[str], turn: Turn) -> None:
        """Start contenders, each with the setting that makes its turn fastest; broken ones are reported."""
        for name in names:
            try:
                tried = [(self._tune(name, setting, turn)) for setting in self.bench.settings(name)]
            except ContenderError as error:
                self.leave(name, str(error))
                continue
            best = min(tried, key=lambda one: one[0])[1]
            for _, process in tried:
                if process is not best:
                    process.close()
            self.processes[name] = best
            say(f"{self.row}: {TITLES[name]}, {best.setting}")

    def _tune(self, name: str, setting: Setting, turn: Turn) -> tuple[float, Process]:
        process = self.start(name, setting)
        turn(process)  # compiles and warms up
        return min(turn(process) for _ in range(3)), process

    def leave(self, name: str, why: str) -> None:
        """A contender takes no part, and why."""
        say(f"{self.row}: {TITLES[name]} takes no part: {why}")
        if name in self.processes:
            self.processes.pop(name).close()

    def check(self) -> None:
        """Drop contenders whose losses and gradients of the first steps differ from NumPy's."""
        wanted = self._first_steps("numpy")
        for name, process in list(self.processes.items()):
            other_gru = name == "gluon" and self.task.cell == "gru"  # see gluon.py
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
