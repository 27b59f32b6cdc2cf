"""One attempt at a job: its processes from start to end, and why they ended."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import random
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..cli import SIGNALS, printable
from ..messages import speaks_chinese, translated
from .console import Console
from .job import Job, free_port
from .process import Process
from .watchdog import STALLED, WAITING

TICK = 0.2  # seconds between two looks at the clock
SILENCE = 10  # seconds after which a link counts as cut, at both of its ends; beats come ten times as often
STARTING = 30  # seconds until an agent must say that it is there
WORDS = 2  # seconds that the others have to say what they miss, once one has given up
GRACE = 5  # seconds by which our patience is longer than that of the workers; for servers to leave last
OWN_FAULTS = (1, 2)  # exit codes of a worker that has explained itself: it would do the same again
STOPPED = tuple(code for number in SIGNALS for code in (128 + number, -number))  # of a worker asked to stop
BEGINNING = (None, "starting", "joining")  # phases after which there is nothing to save


@dataclass(frozen=True)
class End:
    """How the attempt has ended: the exit code, a line that says why, whether another attempt may help."""

    code: int
    line: str = ""
    again: bool = False


class Supervisor:
    """A job on its way.

    signals: those that we got, or that a worker ended by; the first stops the workers, the second all.
    """

    def __init__(self, job: Job, console: Console, signals: list[int], *, is_first: bool) -> None:
        self.job, self.console, self.signals, self.is_first = job, console, signals, is_first
        self.processes: list[Process] = []
        self.ended: list[Process] = []  # in the order in which they did
        self.said: dict[str, Process] = {}  # lines of stderr, and who said them first
        self.events: queue.Queue[Any] = queue.Queue(maxsize=10_000)
        self.stop_by: float | None = None
        self.next_beat = 0.0
        self.now = 0.0  # seconds since the beginning, without those in which the machine was suspended

    # --- beginning and end ---

    def start(self) -> None:
        """Start all processes.

        Raises:
            OSError: this machine has no ssh, or no more processes.
        """
        job, first, servers = self.job, self.job.hosts[0], self.job.servers
        hosts = [host for host in job.hosts for _ in range(host.num_workers)]
        environment = {
            **_environment(),
            "LANGUAGE": "zh" if speaks_chinese() else "en",
            "DMLC_PS_ROOT_URI": first.address,
            "DMLC_PS_ROOT_PORT": str(free_port(first.address) or random.randrange(20_000, 32_000)),
            "DMLC_NUM_WORKER": str(len(hosts)),
            "DMLC_NUM_SERVER": str(len(servers)),
        }
        self._add(Process("scheduler", 0, first, job.ssh), environment)
        for index, host in enumerate(servers):
            self._add(Process("server", index, host, job.ssh), environment)
        for index, host in enumerate(hosts):
            self._add(Process("worker", index, host, job.ssh), environment)
        self.workers = [process for process in self.processes if process.role == "worker"]

    def _add(self, process: Process, environment: dict[str, str]) -> None:
        is_worker = process.role == "worker"
        own = {"DMLC_ROLE": process.role, "DMLC_NODE_HOST": process.host.address}
        if is_worker:
            own["D2LRNN_WORKER_INDEX"] = str(process.index)
        task = {
            "argv": list(self.job.worker if is_worker else self.job.server),
            "env": {**environment, **own},
            "sharing": process.host.num_workers if is_worker else 0,
            "silence": SILENCE,
        }
        process.start(task, self.events)
        self.processes.append(process)

    def end(self) -> None:
        """End all processes; return when none can be running any more."""
        for process in self.processes:
            process.hang_up()
        until = time.monotonic() + GRACE
        for process in self.processes:
            process.end(until - time.monotonic())
        at_large = [process for process in self.processes if process.is_at_large]
        until = time.monotonic() + 1.1 * SILENCE  # by then they have ended by themselves, unless stopped
        kills = [process.kill_by_ssh() for process in at_large]
        for kill in kills:
            with contextlib.suppress(subprocess.TimeoutExpired):
                kill.wait(max(until - time.monotonic(), 0))
            kill.kill()
        if any(kill.wait() for kill in kills):
            time.sleep(max(until - time.monotonic(), 0))

    # --- on the way ---

    def watch(self) -> End:
        """Pass on what the processes say until it is clear how the attempt ends."""
        looked = time.monotonic()
        while True:
            with contextlib.suppress(queue.Empty):
                self.hear(*self.events.get(timeout=TICK))
                for _ in range(1000):
                    self.hear(*self.events.get_nowait())
            now = time.monotonic()
            self.now += min(now - looked, 2 * TICK)
            looked = now
            if self.now >= self.next_beat:
                self.next_beat = self.now + SILENCE / 10
                for process in self.processes:
                    process.send({})
            end = self._judge()
            if end:
                return end

    def hear(self, process: Process, kind: str, value: Any) -> None:
        """Take in what the agent of a process tells."""
        now = process.heard = self.now
        if kind == "begun":
            process.agent = int(value)
        elif kind == "out" and process is self.workers[0]:
            self.console.say(value, "last" if self.signals else "stdout")
        elif kind == "err":
            process.has_explained = True
            if self.said.setdefault(value, process) is process:
                self.console.say(f"{translated(self._name(process))}: {printable(value)}")
        elif kind == "report":
            process.noted = now
            with contextlib.suppress(ValueError, TypeError, KeyError):
                self._note(process, json.loads(value))
        elif kind == "stopped":
            since = now if process.stopped_at is None else process.stopped_at
            process.stopped_at = since if value else None
        elif kind in ("ended", "closed") and process.ended_at is None:
            process.ended_at, process.code, process.stopped_at = now, value, None
            self.ended.append(process)

    def _note(self, process: Process, facts: dict[str, Any]) -> None:
        if "phase" in facts:
            process.phase, process.step = facts["phase"], facts["step"]
            process.unreachable = facts.get("unreachable")
        elif process is self.workers[0]:
            self.console.show(facts["bar"])

    def _name(self, process: Process) -> str:
        return f"{process.name} on {process.host.address}" if len(self.job.hosts) > 1 else process.name

    def _whom(self, process: Process) -> str:
        name = self._name(process)
        return name if process.step is None else f"{name} (step {process.step})"

    # --- whether it is over, and whose fault it is ---

    def _judge(self) -> End | None:
        if all(worker.code == 0 for worker in self.workers):
            return End(0)
        ends = [self._judge_stop()] if self.signals else []
        ends += [self._judge_ended(process) for process in self.ended]
        for end in ends:
            if end:
                return end
        for process in self.processes:
            silence = SILENCE if process.agent else STARTING
            if process.ended_at is None and self.now - process.heard > silence:
                return self._lost(process)
            if process.stopped_at is not None and self.now - process.stopped_at > self.job.patience:
                return self._stalled()
        if self.now - max(worker.noted for worker in self.workers) > self.job.patience + GRACE:
            return self._stalled()
        return None

    def _judge_stop(self) -> End | None:
        code = 128 + self.signals[-1]
        if len(self.signals) > 1:
            return End(code, "stopped at once: what came after the last checkpoint is lost")
        if all(worker.code in (0, *STOPPED) for worker in self.workers):
            return End(code)
        if all(worker.phase in BEGINNING for worker in self.workers):
            return End(code, "stopped before the first step")
        if self.stop_by is None:
            self.stop_by = self.now + self.job.patience
            for worker in self.workers:
                worker.send({"signal": self.signals[0]})
        if self.now > self.stop_by:
            return End(1, f"not stopped within {self.job.patience:g} s; {self._culprit()}", again=True)
        return None

    def _judge_ended(self, process: Process) -> End | None:
        assert process.ended_at is not None
        code = process.code
        if code is None:
            return self._lost(process)
        line = f"{self._whom(process)}: {_how(code)}"
        if process.role == "worker":
            if code in OWN_FAULTS:
                if not process.has_explained and self.now - process.ended_at < WORDS:
                    return None  # a fault that all of them met is explained by one
                return End(code, "" if any(worker.has_explained for worker in self.workers) else line)
            if code in STOPPED and code > 0 and not self.signals:  # somebody has stopped the workers, not us
                self.signals.append(code - 128)
            if code == 0 or (self.signals and code in STOPPED):
                return None
            if code == STALLED:
                return self._stalled() if self.now - process.ended_at > WORDS else None
        elif code == 0:  # it has seen the workers leave, perhaps before us
            are_done = all(worker.phase == "done" for worker in self.workers)
            if self.now - process.ended_at < (self.job.patience if are_done else GRACE):
                return None
        return End(1, line, again=True)

    def _lost(self, process: Process) -> End:
        if process.agent is None:
            return End(
                2 if self.is_first else 1, f"{self._name(process)}: cannot be started", not self.is_first
            )
        return End(1, f"lost the connection to {self._whom(process)}", again=True)

    def _stalled(self) -> End:
        return End(1, self._culprit(), again=True)

    def _culprit(self) -> str:
        """The processes that keep the others waiting, judged by what is known of all, the surest first."""
        patience = f"{self.job.patience:g} s"
        here = [worker for worker in self.workers if worker.code in (None, STALLED)]
        for process in self.processes:
            if process.stopped_at is not None:
                return f"{self._whom(process)}: stopped (SIGSTOP)"
        cut_off = [worker for worker in here if worker.unreachable]
        if cut_off:
            who = "no worker can" if len(cut_off) == len(here) > 1 else f"{self._whom(cut_off[0])}: cannot"
            return f"{who} reach the scheduler at {cut_off[0].unreachable}"
        for worker in here:
            if worker.phase not in (None, "done", *WAITING):
                return f"{self._whom(worker)}: stuck in {worker.phase} for {patience} (--patience)"
        for phase in (None, "joining"):
            late = [worker for worker in here if worker.phase == phase]
            if late and (phase is None or len(late) < len(here)):
                return f"{self._whom(late[0])}: never joined within {patience}"
        steps = [worker.step for worker in here if worker.step is not None]
        for worker in here:
            if worker.step is not None and worker.step < max(steps):
                return f"{self._whom(worker)}: behind the others (step {max(steps)}) for {patience}"
        phases = ", ".join(
            translated(f"{self._whom(worker)} {worker.phase if worker in here else 'ended'}")
            for worker in self.workers
        )
        return f"no worker can go on for {patience}: {phases}"


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _environment() -> dict[str, str]:
    """What the user has set for all processes; not what d2lrnn, when imported, has set for one alone."""
    begun = {entry.partition(b"=")[0] for entry in Path("/proc/self/environ").read_bytes().split(b"\0")}
    return {
        name: value
        for name, value in os.environ.items()
        if name == "PYTHONPATH"
        or name.startswith("D2LRNN_")
        or (name.startswith(("MXNET_", "OMP_")) and os.fsencode(name) in begun)
    }
