"""Long runs: saving now and then costs next to nothing, and memory does not grow."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from d2lrnn import train
from d2lrnn.running.run import Run
from d2lrnn.running.settings import Settings

from tqdm import tqdm

from .children import call, resident, train_into
from .figures import Figure
from .small_runs import small_corpus

SHARE = 0.02  # of the training time
GROWTH = 5 * 2**20  # bytes
EPOCH = 70  # batches at least, of a run of memory()


def run(folder: Path, seed: int, size: float) -> list[Figure]:
    """Both, at size times the full size; they are deterministic."""
    return [
        *overhead(folder, rounds=math.ceil(30 * size)),
        *memory(folder, batches=max(math.ceil(20_000 * size), 1200)),
    ]


def overhead(folder: Path, *, rounds: int, batches: int = 8) -> list[Figure]:
    """At the default settings: alternate batches without a save and as many with one before them."""
    training = Run(Settings(ctx="cpu"))
    (folder / "overhead").mkdir()
    training.begin(folder / "overhead")
    steps = _for_ever(training)
    _take(batches, steps)
    plain, saved, saves = [], [], []
    for _ in tqdm(range(rounds), unit=" rounds", disable=None):
        plain.append(_seconds(lambda: _take(batches, steps)))
        saves.append(_seconds(training.save))
        saved.append(saves[-1] + _seconds(lambda: _take(batches, steps)))
    share = (statistics.median(saved) - statistics.median(plain)) / train.AUTOSAVE
    alone, slowest = statistics.median(saves) / train.AUTOSAVE, max(saves) / train.AUTOSAVE
    return [
        Figure(
            f"a save every {train.AUTOSAVE:g} s at the default settings: share of the time",
            f"< {SHARE:.0%}",
            f"{share:.2%}: medians of {rounds} x {batches} batches, with a save and without, in turn; "
            f"saves alone {alone:.2%}, the slowest {slowest:.2%}",
            max(share, alone) < SHARE,
        )
    ]


def _for_ever(training: Run) -> Iterator[int]:
    while True:
        yield from training.train_epoch()
        training.end_epoch()


def _take(count: int, steps: Iterator[int]) -> None:
    for _ in itertools.islice(steps, count):
        pass


def _seconds(action: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def memory(folder: Path, *, batches: int, settled: int = 1000) -> list[Figure]:
    """Train a small network for this many batches, with saves, samples and curves on the way.

    settled: batches after which its memory should not grow any more.
    """
    corpus, log = small_corpus(folder), folder / "memory.txt"
    flags = f"--corpus {corpus} --hidden-dim 8 --batch-size 2 --num-steps 2 --pred-len 2 --pred-period 2"
    flags += f" --early-stop 0 --epochs {-(-batches // EPOCH)}"
    train_on = train_into(folder / "memory", *flags.split(), "--autosave", 0.01)

    def watched() -> int:
        _note_memory(log)
        return train_on()

    answer = call(watched, limit=3600)
    found = [(int(line.split()[0]), int(line.split()[1])) for line in log.read_text().splitlines()]
    growth = max(size for count, size in found if count >= settled) - dict(found)[settled]
    wrong = answer.complaint(0)
    return [
        Figure(
            f"memory of {found[-1][0]:,} batches, saves and curves: growth after the first {settled:,}",
            f"< {GROWTH / 2**20:.0f} MB",
            f"{growth / 2**20:.1f} MB" + (f"; {wrong}" if wrong else ""),
            not wrong and found[-1][0] >= batches and growth < GROWTH,
        )
    ]


def _note_memory(log: Path) -> None:
    """In a child: from now on, note the memory of the process after every 100 batches."""
    with contextlib.suppress(AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)  # else growth would hide in what the parent has freed
    train_epoch, numbers = Run.train_epoch, itertools.count(1)

    def noted(training: Run) -> Iterator[int]:
        for num_chars in train_epoch(training):
            number = next(numbers)
            if number % 100 == 0:
                with open(log, "a") as file:
                    file.write(f"{number} {resident()}\n")
            yield num_chars

    setattr(Run, "train_epoch", noted)  # noqa: B010
