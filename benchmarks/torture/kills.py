"""kill -9 at any moment of training and of saving, and the same command again, until the run is over."""

from __future__ import annotations

import itertools
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

from tqdm import tqdm

from d2lrnn.checkpoint import load_newest
from d2lrnn.folder import CHECKPOINTS

from .children import Answer, Figure, Findings, at_file, call, predict_from, train_into
from .small_runs import COMBINATIONS, arguments, differences, of_run, small_corpus

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

    def combination(self, number: int, kills: int, bar: Any) -> None:
        """Kill runs of one combination until there were so many kills, and compare what each leaves."""
        flags = arguments(self.corpus, *COMBINATIONS[number % len(COMBINATIONS)])
        reference = self.folder / f"{number}-whole"
        whole = call(train_into(reference, *flags, "--autosave", 0))
        if whole.complaint(0):
            self.findings.append(f"{flags}: {whole.complaint(0)}")
            return
        wanted = of_run(reference)
        before, attempt = self.counts[signal.SIGKILL], 0
        while self.counts[signal.SIGKILL] - before < kills:
            attempt += 1
            folder = self.folder / f"{number}-{attempt}"
            left = self.counts[signal.SIGKILL] - before
            self._one_run(folder, flags, whole.seconds, kills - left, wanted)
            bar.update(self.counts[signal.SIGKILL] - before - left)

    def _one_run(self, folder: Path, flags: list[str], seconds: float, kills: int, wanted: Any) -> None:
        """A run that is killed up to six times, begun again each time, and must end like the whole one."""
        autosave = self.random.choice(AUTOSAVES)
        for _ in range(self.random.randint(min(3, kills), min(6, kills))):
            number = self.random.choice(SIGNALS)
            delay = self.random.uniform(0.003, seconds / 2)
            if number == signal.SIGKILL and self.random.random() < 0.5:
                answer = call(self._killed_at_a_file(folder, flags, autosave), limit=120)
            else:
                action = train_into(folder, *flags, "--autosave", autosave)
                answer = call(action, stop=(delay, number))
            if self._note(folder, number, answer):
                break
        else:
            answer = call(train_into(folder, *flags, "--autosave", autosave))
            self._note(folder, 0, answer)
        self._compare(folder, wanted)

    def _killed_at_a_file(self, folder: Path, flags: list[str], autosave: float) -> Callable[[], int]:
        """Training that is killed just before it opens, renames, makes or removes a file the nth time."""
        nth = self.random.randint(1, 60)

        def action() -> int:
            at_file(str(folder), nth, lambda: os.kill(os.getpid(), signal.SIGKILL))
            return train_into(folder, *flags, "--autosave", autosave)()

        return action

    def _note(self, folder: Path, number: int, answer: Answer) -> bool:
        """Count how a process ended, and look at what it left; whether the run is over."""
        if answer.code == 0 or (answer.code == 2 and "has had its 2 epochs" in answer.err):
            self.counts["over"] += 1
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
            _, _, facts, damaged = load_newest(folder / CHECKPOINTS)
        except FileNotFoundError:
            self.counts["before it began"] += 1
            return
        except ValueError as error:
            self.counts["unreadable"] += 1
            self.findings.append(f"{folder}: unreadable: {error}")
            return
        if any("no whole checkpoint" in line for line in damaged):
            self.findings.append(f"{folder}: {damaged}")
        self.counts["in the first epoch" if not facts["progress"]["epoch"] else "later"] += 1
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
        """The same with processes of their own, the import of mxnet and the end of the process among them."""
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


def _process(line: Sequence[str | Path]) -> Answer:
    begin = time.monotonic()
    done = subprocess.run(line, capture_output=True, text=True)
    return Answer(done.returncode, time.monotonic() - begin, 0, done.stdout, done.stderr)


def kill_runs(folder: Path, seed: int, *, kills: int, processes: int, combinations: int = 24) -> list[Figure]:
    """kills: at least so many forked trainings; processes: so many real ones; over so many combinations."""
    campaign = Campaign(folder, seed)
    with tqdm(total=kills, unit=" kills", disable=None) as bar:
        for number in range(combinations):
            share = kills * (number + 1) // combinations - kills * number // combinations
            campaign.combination(number * 5, share, bar)  # 5: few combinations, and yet of every kind
    for number in itertools.count(kills):
        if campaign.counts["processes"] == processes or campaign.findings:
            break
        campaign.real_process(number)
    return _figures(campaign, kills, processes, combinations)


def _figures(campaign: Campaign, kills: int, processes: int, combinations: int) -> list[Figure]:
    counts = campaign.counts
    killed = counts[signal.SIGKILL]
    return [
        Figure(
            f"kill -9 of a training, over {combinations} combinations of cell, optimizer, sampler, dropout",
            f"≥ {kills} and {processes} processes",
            f"{killed} and {counts['processes']} processes: {counts['in a save']} in the middle of a save, "
            f"{counts['before it began']} before the first checkpoint",
            killed >= kills and counts["processes"] >= processes and counts["in a save"] > killed / 20,
        ),
        Figure(
            "SIGTERM and Ctrl-C among them",
            "exit 143 and 130, or stopped before the first batch",
            f"{counts[signal.SIGTERM]} and {counts[signal.SIGINT]}",
            not any("signal" in line for line in campaign.findings),
        ),
        Figure(
            "run directories that cannot be read after it",
            "0",
            str(counts["unreadable"]),
            not counts["unreadable"],
        ),
        Figure(
            "runs that went on to their end: weights, optimizer, best, metrics and samples as without a kill",
            "all",
            f"{counts['equal']} of {counts['equal'] + counts['different']}",
            bool(counts["equal"]) and not counts["different"] and not campaign.findings,
        ),
    ]
