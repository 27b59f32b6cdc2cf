"""kill -9 at any moment of training and of saving, and the same command again, until the run is over."""

from __future__ import annotations

import itertools
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from d2lrnn.running.folder import CHECKPOINTS

from tqdm import tqdm

from .children import Answer, at_file, call, predict_from, train_into
from .figures import Figure, Findings
from .small_runs import COMBINATIONS, arguments, differences, of_run, passed_over, small_corpus

AUTOSAVES = (0, 0, 0, 0.01)  # seconds; 0: after every batch, so that most of the time goes into saving
SIGNALS = (signal.SIGKILL,) * 8 + (signal.SIGTERM, signal.SIGINT)
STOPPED: dict[int, tuple[int, ...]] = {
    0: (),
    signal.SIGKILL: (-9,),
    signal.SIGTERM: (143, -15),
    signal.SIGINT: (130,),
}


class Campaign:
    """Counts, and the findings: lines that say what went wrong."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random = folder, random.Random(seed)
        self.counts: Counter[Any] = Counter()
        self.findings = Findings()
        self.corpus = small_corpus(folder)

    def combination(self, number: int, kills: int) -> None:
        """Kill runs of one combination this many times, and compare what each leaves."""
        flags = arguments(self.corpus, *COMBINATIONS[number % len(COMBINATIONS)])
        reference = self.folder / f"{number}-whole"
        whole = call(train_into(reference, *flags, "--autosave", 0))
        if whole.complaint(0):
            self.findings.append(f"{flags}: {whole.complaint(0)}")
            return
        wanted = of_run(reference)
        enough = self.counts[signal.SIGKILL] + kills
        for attempt in itertools.count(1):
            left = enough - self.counts[signal.SIGKILL]
            if left <= 0:
                break
            self._one_run(self.folder / f"{number}-{attempt}", flags, whole.seconds, left, wanted)

    def _one_run(self, folder: Path, flags: list[str], seconds: float, kills: int, wanted: Any) -> None:
        """A run that is killed up to six times, restarted each time, and must end like an undisturbed one."""
        train_on = train_into(folder, *flags, "--autosave", self.random.choice(AUTOSAVES))
        if self.random.random() < 0.5:
            train_on = with_one_number(train_on)
        for _ in range(self.random.randint(min(3, kills), min(6, kills))):
            number = self.random.choice(SIGNALS)
            if number == signal.SIGKILL and self.random.random() < 0.5:
                answer = call(killed_at_a_file(folder, self.random.randint(1, 60), train_on))
            else:
                answer = call(train_on, stop=(self.random.uniform(0.003, seconds / 2), number))
            if self._note(folder, number, answer):
                break
        else:
            self._note(folder, 0, call(train_on))
        self._compare(folder, wanted)

    def _note(self, folder: Path, number: int, answer: Answer) -> bool:
        """Count how a process ended, and check what it left; return whether the run is over."""
        if answer.code == 0 or (answer.code == 2 and "has had its 2 epochs" in answer.err):
            return True
        complaint = answer.complaint(*STOPPED[number])
        if complaint:
            self.findings.append(f"{folder}: signal {number}: {complaint}")
            return True
        self.counts[number] += 1
        self.look_at(folder)
        return False

    def look_at(self, folder: Path) -> None:
        """After a kill: the run can be read, or has not begun."""
        if list(folder.rglob("*.tmp")):
            self.counts["in a save"] += 1
        try:
            damaged = passed_over(folder)
        except FileNotFoundError:
            self.counts["before it began"] += 1
            return
        except ValueError as error:
            self.counts["unreadable"] += 1
            self.findings.append(f"{folder}: unreadable: {error}")
            return
        if damaged:
            self.findings.append(f"{folder}: {damaged}")
        complaint = call(predict_from(folder)).complaint(0)
        if complaint:
            self.counts["unreadable"] += 1
            self.findings.append(f"{folder}: predict: {complaint}")

    def _compare(self, folder: Path, wanted: Any) -> None:
        try:
            wrong = differences(of_run(folder), wanted)
        except (OSError, ValueError) as error:
            wrong = str(error)
        self.counts["different" if wrong else "equal"] += 1
        if wrong:
            self.findings.append(f"{folder}: not what the whole run left: {wrong}")

    def real_process(self, number: int) -> None:
        """The same with real processes, including their import of mxnet and their exit."""
        flags = arguments(self.corpus, *COMBINATIONS[number % len(COMBINATIONS)])
        reference, folder = self.folder / f"{number}-process-whole", self.folder / f"{number}-process"
        line = [sys.executable, "-m", "d2lrnn.train", *flags, "--autosave", "0", "--out"]
        seconds = _process([*line, reference]).seconds
        process = subprocess.Popen([*line, folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not (folder / CHECKPOINTS).exists():
            time.sleep(0.01)  # during the import of mxnet nothing can be lost
        time.sleep(self.random.uniform(0, seconds / 4))
        process.kill()
        if process.wait() == -signal.SIGKILL:
            self.counts["processes"] += 1
            self.look_at(folder)
        if not self._note(folder, 0, _process([*line, folder])):
            self.findings.append(f"{folder}: could not be brought to its end")
        self._compare(folder, of_run(reference))


def with_one_number(train_on: Callable[[], int]) -> Callable[[], int]:
    """The process gets the PID of the one before, as in a container, where each is PID 1."""

    def action() -> int:
        setattr(os, "getpid", lambda: 1)  # noqa: B010
        return train_on()

    return action


def killed_at_a_file(folder: Path, nth: int, train_on: Callable[[], int]) -> Callable[[], int]:
    """It is killed just before it opens, renames, makes or removes a file of folder the nth time."""

    def action() -> int:
        at_file(str(folder), nth, lambda: signal.raise_signal(signal.SIGKILL))
        return train_on()

    return action


def _process(line: Sequence[str | Path]) -> Answer:
    begin = time.monotonic()
    done = subprocess.run(line, capture_output=True, text=True)
    return Answer(done.returncode, time.monotonic() - begin, 0, done.stdout, done.stderr)


def run(folder: Path, seed: int, size: float) -> list[Figure]:
    """216 kills of forked trainings over all combinations, and 12 of processes, times size."""
    return kill_runs(folder, seed, kills=math.ceil(216 * size), processes=math.ceil(12 * size))


def kill_runs(folder: Path, seed: int, *, kills: int, processes: int, combinations: int = 24) -> list[Figure]:
    """kills: how many of forked trainings at least; processes: of real ones; over how many combinations."""
    campaign = Campaign(folder, seed)
    with tqdm(total=kills + processes, unit=" kills", disable=None) as bar:
        for number in range(combinations):
            share = kills * (number + 1) // combinations - kills * number // combinations
            if share:
                campaign.combination(number * 5, share)  # 5: few combinations, and yet of every kind
                bar.update(share)
        for number in itertools.count(kills):
            if campaign.counts["processes"] >= processes or campaign.findings:
                break
            campaign.real_process(number)
            bar.update()
    return _figures(campaign, kills, processes, combinations)


def _figures(campaign: Campaign, kills: int, processes: int, combinations: int) -> list[Figure]:
    counts, findings = campaign.counts, campaign.findings
    killed, ended = counts[signal.SIGKILL], counts["equal"] + counts["different"]
    return [
        Figure(
            f"kill -9 while it trains, {min(kills, combinations)} combinations of settings",
            f"≥ {kills}, some in a save",
            f"{killed}: {counts['in a save']} in the middle of a save, "
            f"{counts['before it began']} before the first checkpoint",
            killed >= kills and counts["in a save"] > killed / 20,
        ),
        Figure(
            "kill -9 of a process of its own",
            f"≥ {processes}",
            str(counts["processes"]),
            counts["processes"] >= processes,
        ),
        Figure(
            "SIGTERM and Ctrl-C in between",
            "exit 143 and 130",
            f"{counts[signal.SIGTERM]} and {counts[signal.SIGINT]}",
            not any("signal" in line for line in findings),
        ),
        Figure(
            "run directories that cannot be read", "0", str(counts["unreadable"]), not counts["unreadable"]
        ),
        Figure(
            "runs that ended as if never killed: weights, optimizer, best, metrics, samples",
            "all",
            f"{counts['equal']} of {ended}",
            0 < counts["equal"] == ended and not findings,
        ),
    ]
