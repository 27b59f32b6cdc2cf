"""Several workers: one that is killed or hangs is named, nothing outlives the job, no number changes."""

from __future__ import annotations

import os
import random
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from d2lrnn.checkpoint import LATEST
from d2lrnn.launching.job import free_port
from d2lrnn.running.folder import CHECKPOINTS

from tqdm import tqdm

from .figures import Figure, Findings
from .small_runs import differences, of_run, small_corpus

RUN = (
    "--batch-size 2 --num-steps 4 --hidden-dim 16 --epochs 80 --early-stop 0 --pred-period 1000 --pred-len 2"
)
SETTINGS = (
    "--cell rnn --optimizer adam --sampler consecutive",
    "--cell lstm --optimizer sgd --sampler random --dropout 0.2",
)
ROLES = ("scheduler", "server 0", "server 1", "worker 0", "worker 1")
NOTICED = 2.0  # seconds until a death is told
PATIENCE = 4.0  # seconds without a step
MARK = "D2LRNN_TORTURE"
# What a worker does in the middle of a step when it gets SIGUSR1, or instead of beginning.
TROUBLES = """
import os, signal, sys, time
def trouble(*_):
    if kind == "raise": raise RuntimeError("made for the campaign")
    if kind == "exit": sys.exit(3)
    time.sleep(1000)
kind = os.environ.get("D2LRNN_TROUBLE", "")
if kind and os.environ.get("D2LRNN_WORKER_INDEX") == "1":
    trouble() if kind == "never" else signal.signal(signal.SIGUSR1, trouble)
"""


class Job:
    """A command that trains with workers, and the processes that it has started."""

    def __init__(self, arguments: list[str], **variables: str) -> None:
        self.mark = f"{os.getpid()}-{time.monotonic_ns()}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "d2lrnn.train", *arguments],
            env={**os.environ, "MXNET_CPU_WORKER_NTHREADS": "1", **variables, MARK: self.mark},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.lines: list[tuple[float, str]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr
        with self.process.stderr as lines:
            for line in lines:
                self.lines.append((time.monotonic(), line.rstrip("\n")))

    def processes(self) -> dict[str, int]:
        """The process id of every scheduler, server and worker, and of their agents: «agent of worker 1»."""
        found, num_servers = dict[str, int](), 0
        for agent, pid in sorted((parent(pid), pid) for pid in processes(self.mark)):  # as they were started
            role, index = variable(pid, "DMLC_ROLE"), variable(pid, "D2LRNN_WORKER_INDEX")
            if role == "server":
                index, num_servers = str(num_servers), num_servers + 1
            if role:
                name = role if role == "scheduler" else f"{role} {index}"
                found[name], found[f"agent of {name}"] = pid, agent
        return found

    def wait(self, seconds: float = 600) -> int:
        """Its exit code, once it has ended and all it wrote is read; a job that hangs is killed."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self._reader.join(5)
        return code

    def said(self, what: str, after: float, seconds: float = 90) -> tuple[float, str] | None:
        """The first line with what in it, and how long after the moment `after` it came."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            for moment, line in list(self.lines):
                if moment >= after and re.search(what, line):
                    return moment - after, line
            if self.process.poll() is not None and not self._reader.is_alive():
                break
            time.sleep(0.005)
        return None


def processes(mark: str) -> list[int]:
    """All processes but this one that have the mark in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        if variable(int(path.name), MARK) == mark and "Z" not in state(int(path.name)):
            found.append(int(path.name))
    return found


def parent(pid: int) -> int:
    """The process that has started it; 0 for one that has gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def state(pid: int) -> str:
    """R, S, T, Z, …; of a process that has gone, Z."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def variable(pid: int, name: str) -> str | None:
    """What another process has in its environment."""
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    found = [entry.partition(b"=")[2].decode() for entry in entries if entry.startswith(name.encode() + b"=")]
    return found[0] if found else None


def until(holds: Callable[[], Any], seconds: float = 60) -> bool:
    """Wait until a condition holds; return whether it did in time."""
    limit = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > limit:
            return False
        time.sleep(0.01)
    return True


def latest(folder: Path) -> str:
    """The name of the newest checkpoint."""
    try:
        return (folder / CHECKPOINTS / LATEST).read_text()
    except OSError:
        return ""


class Campaign:
    """Counts, times and findings."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random = folder, random.Random(seed)
        self.corpus = small_corpus(folder)
        self.killed: Counter[str] = Counter()
        self.noticed: list[float] = []
        self.orphans = self.equal = self.runs = 0
        self.findings = Findings()

    def arguments(self, number: int, folder: Path, *more: object) -> list[str]:
        """The flags of a run of two workers."""
        settings = (
            f"{RUN} {SETTINGS[number % len(SETTINGS)]} --corpus {self.corpus} --workers 2 --out {folder}"
        )
        return [*settings.split(), "--autosave", "0.3", "--patience", "20", *map(str, more)]

    def kill_jobs(self, kills: int, launchers: int) -> None:
        """Jobs whose processes are killed one by one, and then launchers; each ends as if undisturbed."""
        wanted = []
        for number in range(len(SETTINGS)):
            whole = self.folder / f"whole-{number}"
            if Job(self.arguments(number, whole, "--in-turn")).wait():
                self.findings.append(f"settings {number}: the run in one process failed")
            wanted.append(of_run(whole))
        with tqdm(total=kills + launchers, desc="kills", disable=None, leave=False) as bar:
            while sum(self.killed.values()) < kills + launchers:
                number, before = self.runs % len(SETTINGS), sum(self.killed.values())
                of_launchers = before >= kills
                self.one_run(number, wanted[number], min(8, kills - before) if not of_launchers else 0)
                bar.update(sum(self.killed.values()) - before)

    def one_run(self, number: int, wanted: dict[str, Any], kills: int) -> None:
        """A run: kills of its processes, or one of its launcher and the command again; then compared."""
        folder = self.folder / f"run-{self.runs}"
        self.runs += 1
        job = Job(self.arguments(number, folder, "--max-restarts", 100))
        for _ in range(max(kills, 1)):
            if not until(partial(self.has_moved, job, folder, latest(folder))):
                self.findings.append(f"{folder.name}: no step for a minute")
                break
            time.sleep(self.random.uniform(0, 0.5))
            victims = ROLES if self.random.random() < 0.85 else tuple(f"agent of {role}" for role in ROLES)
            if not self.kill(job, self.random.choice(victims) if kills else "launcher"):
                break
        if not kills:
            job.wait()
            self.count_orphans(job)
            job = Job(self.arguments(number, folder, "--max-restarts", 100))
        code = job.wait()
        self.count_orphans(job)
        different = differences(of_run(folder), wanted) if code == 0 else f"exit {code}: {job.lines[-3:]}"
        self.equal += not different
        if different:
            self.findings.append(f"{folder.name}: {different}")

    def has_moved(self, job: Job, folder: Path, before: str) -> bool:
        """Whether there is a newer checkpoint, or the job is over."""
        return latest(folder) > before or job.process.poll() is not None

    def kill(self, job: Job, name: str) -> bool:
        """Kill one process of a job and wait until the job reports it; return whether there was one."""
        pid = job.process.pid if name == "launcher" else job.processes().get(name)
        if job.process.poll() is not None or pid is None:
            return False
        begin = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        self.killed[name.rstrip(" 01")] += 1
        if name != "launcher":
            said = job.said(name.removeprefix("agent of "), begin, 30)
            if said:
                self.noticed.append(said[0])
            else:
                self.findings.append(f"{name} was killed, and the job said {job.lines[-2:]}")
        return True

    def count_orphans(self, job: Job) -> None:
        """What is left of a job some seconds after its end."""
        until(lambda: not processes(job.mark), 5)
        left = processes(job.mark)
        self.orphans += len(left)
        for pid in left:
            self.findings.append(f"process {pid} ({variable(pid, 'DMLC_ROLE')}) has outlived its job")
            os.kill(pid, signal.SIGKILL)

    def trouble(self, kind: str) -> tuple[str, bool]:
        """One worker gets into trouble: (what the job said, how soon; whether that names it in time)."""
        (self.folder / "sitecustomize.py").write_text(TROUBLES)
        folder = self.folder / f"trouble-{kind}"
        path = os.pathsep.join([str(self.folder), *sys.path[:1], os.environ.get("PYTHONPATH", "")]).rstrip(
            ":"
        )
        arguments = self.arguments(0, folder, "--max-restarts", 0, "--patience", PATIENCE, "--epochs", 10**6)
        job = Job(arguments, PYTHONPATH=path, D2LRNN_TROUBLE=kind)
        begin = time.monotonic()
        if kind != "never":
            until(lambda: latest(folder) > "000002")
            begin = time.monotonic()
            os.kill(job.processes()["worker 1"], signal.SIGSTOP if kind == "stop" else signal.SIGUSR1)
        said, code = job.said("^worker 1.*(ended|again)", begin), job.wait(60)
        self.count_orphans(job)
        if not said or not code:
            self.findings.append(f"{kind}: exit {code}, {[line for _, line in job.lines[-3:]]}")
            return f"exit {code}, not named", False
        return f"exit {code} after {said[0]:.1f} s: {said[1]}", said[0] < PATIENCE + 15

    def other_settings(self) -> tuple[str, bool]:
        """Two workers of a cluster's scheduler, started with different settings."""
        port = free_port("127.0.0.1")
        cluster = {"DMLC_PS_ROOT_URI": "127.0.0.1", "DMLC_PS_ROOT_PORT": str(port), "DMLC_NUM_SERVER": "1"}
        cluster |= {"DMLC_NUM_WORKER": "2", "DMLC_NODE_HOST": "127.0.0.1"}
        jobs = [Job([], **cluster, DMLC_ROLE=role) for role in ("scheduler", "server")]
        for index, more in enumerate(([], ["--hidden-dim", 17])):
            flags = self.arguments(0, self.folder / f"other-{index}", *more)
            jobs.append(Job(flags, **cluster, DMLC_ROLE="worker", D2LRNN_WORKER_INDEX=str(index)))
        codes = [job.wait(60) for job in jobs[2:]]
        for job in jobs:
            job.process.kill()
        lines = {line for job in jobs[2:] for _, line in job.lines if "worker 1" in line}
        return f"exit {codes}: {' / '.join(lines)}", codes == [2, 2] and len(lines) == 1


def run(folder: Path, seed: int, size: float) -> list[Figure]:
    """All of it, size times."""
    campaign = Campaign(folder, seed)
    kills, launchers = max(4, round(60 * size)), max(1, round(6 * size))
    campaign.kill_jobs(kills, launchers)
    median = statistics.median(campaign.noticed)
    by_role = ", ".join(f"{count} {name}" for name, count in sorted(campaign.killed.items()))
    all_named = len(campaign.noticed) == sum(campaign.killed.values()) - campaign.killed["launcher"]
    figures = [
        Figure("kill -9 of a process of a job of 2 workers", f"≥ {kills + launchers}", by_role,
               sum(campaign.killed.values()) >= kills + launchers),
        Figure("a line names the one that was killed", "all", f"{len(campaign.noticed)}", all_named),
        Figure("time to notice", f"median < {NOTICED:g} s",
               f"median {median:.2f} s, slowest {max(campaign.noticed):.2f} s", median < NOTICED),
        Figure("runs that ended as the one in a single process: weights, optimizer, best, metrics, samples",
               "all", f"{campaign.equal} of {campaign.runs}", campaign.equal == campaign.runs),
    ]  # fmt: skip
    for kind, what in {
        "raise": "raises", "exit": "exits with 3", "sleep": "hangs in Python",
        "stop": "is stopped (SIGSTOP)", "never": "never begins",
    }.items():  # fmt: skip
        found, holds = campaign.trouble(kind)
        figures.append(Figure(f"a worker {what}, patience {PATIENCE:g} s", "named in one line", found, holds))
    found, holds = campaign.other_settings()
    figures.append(Figure("a worker with other settings", "exit 2, one line", found, holds))
    figures.append(
        Figure("processes that outlived their job", "0", str(campaign.orphans), not campaign.orphans)
    )
    return figures
