"""Damaged run directories: what was written is loaded, what is damaged refused: in a line, soon, cheaply.

A finding begins with its seed and its number: Campaign(folder, seed).case(number) does it again.
"""

from __future__ import annotations

import math
import random
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from d2lrnn.checkpoint import ARRAYS, load_checkpoint, load_newest
from d2lrnn.running.folder import BEST, CHECKPOINTS

import numpy as np
from tqdm import tqdm

from .accidents import ACCIDENTS
from .children import Answer, anonymous, call, predict_from, train_into
from .figures import Figure, Findings
from .forgeries import FORGERIES, PWNED
from .small_runs import arguments, differences, fingerprint, of_checkpoint, of_run, small_corpus

MEMORY = 170 * 10**6  # bytes beside twice the files: of 300 MB, 130 are taken by what a child inherits
SECONDS = 2.0
WRONG = "wrong values are taken for right"


class Campaign:
    """Two runs, what they may say, and the findings about copies of them that were damaged."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.findings = Findings()
        self.counts: Counter[str] = Counter()
        self.slowest, self.largest = 0.0, 0  # seconds; bytes beside twice the files
        corpus = small_corpus(folder)
        self.runs = [folder / "run", folder / "other"]
        for run, names in zip(self.runs, (("lstm", "adam", "consecutive", 0.3), ("rnn", "sgd", "random", 0))):
            answer = call(train_into(run, *arguments(corpus, *names), "--autosave", 0))
            assert answer.code == 0, answer
        whole = [path.parent for run in self.runs for path in sorted(run.rglob(ARRAYS))]
        self.written = {of_checkpoint(path) for path in whole}
        self.texts = {call(predict_from(run)).out for run in self.runs} | {self._text_of_the_one_before()}
        longer = folder / "longer"
        shutil.copytree(self.runs[0], longer)
        call(self._resume(longer))
        self.longer = of_run(longer)

    def _text_of_the_one_before(self) -> str:
        """What predict writes when the newest checkpoint is damaged."""
        run = self.folder / "before"
        shutil.copytree(self.runs[0], run)
        sorted(run.glob(f"{CHECKPOINTS}/*/{ARRAYS}"))[-1].unlink()
        answer = call(predict_from(run))
        assert answer.code == 0, answer
        assert "warning" in answer.err, answer
        return answer.out

    def _resume(self, run: Path) -> Callable[[], int]:
        return train_into(run, "--epochs", 3)

    def case(self, number: int) -> None:
        """Damage copies of the runs, as seed and number decide, and try all of our commands on them."""
        chance = random.Random(f"{self.seed} {number}")
        here = self.folder / f"case-{number}"
        run, other = here / "run", here / "other"
        for original, copy in zip(self.runs, (run, other)):
            shutil.copytree(original, copy)
        forged = chance.random() < 0.4
        way = chance.choice(FORGERIES if forged else ACCIDENTS)
        words = f"{self.seed} {number}: {way(chance, run, other)}"
        size = sum(path.stat().st_size for path in run.rglob("*") if path.is_file())
        before = len(self.findings)
        self._ask(f"{words}: load", lambda: self._load(run, forged), size)
        if chance.random() < (0.6 if forged else 0.2):
            answer = self._ask(f"{words}: predict", predict_from(run), size, 0, 1, 2)
            if not forged and answer.code == 0 and answer.out not in self.texts:
                self._find("wrong", f"{words}: predict writes {answer.out!r}")
        if chance.random() < (0.3 if forged else 0.1):
            self._try_resume(words, run, size, forged)
        if any(run.rglob(PWNED)):
            self._find("wrong", f"{words}: something was unpickled")
        self.counts["forged" if forged else "damaged"] += 1
        if len(self.findings) == before:
            shutil.rmtree(here)

    def _try_resume(self, words: str, run: Path, size: int, forged: bool) -> None:
        answer = self._ask(f"{words}: resume", self._resume(run), size, 0, 1, 2)
        if answer.code == 0 and not forged:
            try:
                logged = {name for name in self.longer if name in words}  # a damaged log has no sum
                wanted = {name: one for name, one in self.longer.items() if name not in logged}
                wrong = differences(of_run(run), wanted)
            except (OSError, ValueError) as error:
                wrong = repr(error)
            if wrong:
                self._find("wrong", f"{words}: resume ends with another {wrong}")

    def _find(self, kind: str, line: str) -> None:
        """kind: wrong values, no answer, too much memory, or too slow."""
        self.counts[kind] += 1
        self.findings.append(line)

    def _ask(self, words: str, action: Callable[[], int | None], size: int, *codes: int) -> Answer:
        """The answer of a child, with what is wrong about it found. A slow one has two more tries: the
        machine may be busy.
        """
        for _ in range(3):
            answer = call(action, memory=4 * 10**9, limit=30)
            trains = "resume" in words and answer.code in (0, 1)
            if trains or answer.seconds < SECONDS:
                break
            self.counts["tried again"] += 1
        complaint = answer.complaint(*(codes or (0,)))
        if complaint:
            self._find("wrong" if WRONG in answer.err else "no answer", f"{words}: {complaint}")
        elif not trains and answer.seconds >= SECONDS:
            self._find("slow", f"{words}: {answer.seconds:.1f} s")
        if answer.grown >= 2 * size + MEMORY:
            self._find("large", f"{words}: {answer.grown / 1e6:.0f} MB, with files of {size / 1e6:.1f} MB")
        self.counts[f"exit {answer.code}"] += bool(codes)
        self.slowest = max(self.slowest, 0 if trains else answer.seconds)
        self.largest = max(self.largest, answer.grown - 2 * size)
        return answer

    def _load(self, run: Path, forged: bool) -> int:
        """In a child: load everything, and report on stderr what is wrong with it."""
        for folder in (run / CHECKPOINTS, run / BEST):
            paths = sorted(folder.iterdir()) if folder.is_dir() else []
            whole = {path for path in paths if self._try(path, lambda: load_checkpoint(path), forged)}  # noqa: B023
            newest = self._try(folder, lambda: load_newest(folder), forged)  # noqa: B023
            if bool(whole) != bool(newest):
                print(f"load_newest: {newest}, and whole are {sorted(whole)}", file=sys.stderr)
        return 0

    def _try(self, path: Path, load: Callable[[], tuple], forged: bool) -> str:
        """What was loaded (its path), or nothing."""
        try:
            found = load()
        except (ValueError, FileNotFoundError) as error:
            message = str(error).replace(str(path), "")  # its name may be of two lines
            if "\n" in message or len(message) > 10**5:
                print(f"{path}: {str(error)[:1000]!r} is not one line", file=sys.stderr)
            return ""
        source, arrays, facts = found[:3] if len(found) > 2 else (path, *found)
        right = _equal(arrays, source / ARRAYS) if forged else fingerprint(arrays, facts) in self.written
        if not right:
            print(f"{path}: {WRONG}", file=sys.stderr)
        return str(source)


def _equal(arrays: Mapping[str, Any], path: Path) -> bool:
    """Whether arrays are those that numpy finds in a .npz."""
    try:
        members = dict(np.load(path, allow_pickle=False))
    except Exception:
        return False
    return set(members) == set(arrays) and all(
        np.dtype(arrays[name].dtype) == member.dtype.newbyteorder("=")
        and arrays[name].shape == member.shape
        and arrays[name].asnumpy().tobytes() == member.astype(arrays[name].dtype).tobytes()
        for name, member in members.items()
    )


def run(folder: Path, seed: int, size: float) -> list[Figure]:
    """1,050 cases, times size."""
    return damage_runs(folder, seed, cases=math.ceil(1050 * size))


def damage_runs(folder: Path, seed: int, *, cases: int) -> list[Figure]:
    """Damage as many run directories as there are cases, and report how our commands dealt with them."""
    campaign = Campaign(folder, seed)
    for number in tqdm(range(cases), unit=" cases", disable=None):
        campaign.case(number)
    counts, slowest = campaign.counts, campaign.slowest
    codes = ", ".join(f"{counts[name]} {name}" for name in sorted(counts) if name.startswith("exit"))
    return [
        Figure(
            "run directories damaged by accident, and forged with the right sums",
            f"≥ {cases:,}",
            f"{counts['damaged']} and {counts['forged']}",
            counts["damaged"] + counts["forged"] >= cases,
        ),
        Figure(
            "wrong values accepted, by loading, predict or resume",
            "0",
            str(counts["wrong"]),
            not counts["wrong"],
        ),
        Figure(
            "signals, tracebacks, refusals of more than a line",
            "0",
            f"{counts['no answer']} (predict and resume: {codes})",
            not counts["no answer"],
        ),
        Figure(
            "peak memory",
            "< 2 x files + 300 MB",
            f"2 x files + {(campaign.largest + anonymous()) / 1e6:.0f} MB, with Python and mxnet",
            not counts["large"],
        ),
        Figure(
            "the slowest answer; of three tries, if it took longer",
            f"< {SECONDS:g} s",
            f"{slowest:.2f} s; {counts['tried again']} tried again",
            not counts["slow"],
        ),
    ]
