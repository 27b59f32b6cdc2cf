"""Contenders take turns in one run: each in its own process, only one of them awake."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
REST = 0.05  # seconds before a turn: threads of the contender before have stopped spinning by then
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Setting(NamedTuple):
    """Threads, how they wait (as the library has it, or asleep: "passive"), and how it is written."""

    threads: int
    wait: str = ""
    variant: str = ""

    def environment(self, name: str) -> dict[str, str]:
        """This process's environment, with no other setting of threads.

        Ours has its threads side by side, each with an operation of its own: see d2lrnn/__init__.py.
        """
        if name == "ours":
            side_by_side = {"OMP_NUM_THREADS": "1", "MXNET_CPU_WORKER_NTHREADS": str(self.threads)}
            return {**os.environ, **side_by_side, "OMP_WAIT_POLICY": "passive"}
        threads = "OMP_", "GOMP_", "MXNET_"  # d2lrnn, imported here, has set them for itself
        kept = {name: value for name, value in os.environ.items() if not name.startswith(threads)}
        names = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"
        waiting = {"OMP_WAIT_POLICY": self.wait} if self.wait else {}
        inductor = {"TORCHINDUCTOR_CACHE_DIR": str(ROOT / f"build/inductor-{self.threads}")}
        return {**kept, **inductor, **dict.fromkeys(names, str(self.threads)), **waiting}

    @property
    def brief(self) -> str:
        """The threads, as the table has them."""
        return f"[{self.threads}{'p' if self.wait else ''}]"

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' * (self.threads > 1)}"
        return ", ".join(filter(None, (self.variant, threads, self.wait)))


class ContenderError(Exception):
    """A contender ended, with the last line that it said."""


class Process:
    """A worker of worker.py, and the pipe to it."""

    def __init__(self, name: str, python: Path, setting: Setting, extra: Mapping[str, str] = {}) -> None:
        self.name, self.setting = name, setting
        self.said = tempfile.TemporaryFile()  # noqa: SIM115, closed with the process
        self.process = subprocess.Popen(
            [python, "-m", "benchmarks.speed.worker", name],
            cwd=ROOT,
            env={**setting.environment(name), **extra},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.said,
            text=True,
        )
        self.requests: Any = self.process.stdin
        self.answers: Any = self.process.stdout

    def ask(self, do: str, **request: Any) -> Any:
        """Call a method of Worker, and wait for the answer.

        Raises:
            ContenderError: it ended instead.
        """
        time.sleep(REST)
        try:
            print(json.dumps({"do": do, **request}), file=self.requests, flush=True)
            answer = self.answers.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            code = self.process.wait()
            self.said.seek(0)
            lines = self.said.read().decode(errors="replace").split("\n")
            last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing said")
            raise ContenderError(f"{self.name} ended with {code}: {last}")
        return json.loads(answer)

    def close(self) -> None:
        """End it; a second call does nothing."""
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):  # of a request that nobody took
            self.requests.close()
        self.answers.close()
        self.said.close()


def take_turns(turns: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[Any]]:
    """What each returned, round after round. Each round begins with a different one."""
    found: dict[str, list[Any]] = {name: [] for name in turns}
    names = list(turns)
    for _ in range(rounds):
        for name in names:
            found[name].append(turns[name]())
        names = names[1:] + names[:1]
    return found


class Ratio(NamedTuple):
    """How many times as fast as the best peer we are: its median of rounds, and their quartiles."""

    peer: str
    median: float
    low: float
    high: float

    def __str__(self) -> str:
        spread = f" ({self.low:.2f} – {self.high:.2f})" if self.low < self.high else ""
        return f"{self.median:.2f}{spread} × {self.peer}"


def compare(seconds: Mapping[str, Sequence[float]], peers: Sequence[str], ours: str = "ours") -> Ratio:
    """Ours beside the peer of the smallest median: the ratio of the medians, its spread over the rounds."""
    medians = {name: statistics.median(seconds[name]) for name in (ours, *peers)}
    best = min(peers, key=medians.__getitem__)
    ratios = [theirs / mine for theirs, mine in zip(seconds[best], seconds[ours])]
    low, _, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return Ratio(best, medians[best] / medians[ours], low, high)
