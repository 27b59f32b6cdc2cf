"""Long runs: what saving costs, and whether memory grows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from d2lrnn import train
from d2lrnn.config import Settings
from d2lrnn.run import Run

from .children import Figure, call, train_into
from .small_runs import small_corpus

SHARE = 0.02  # of the training time
GROWTH = 5 * 2**20  # bytes


def overhead(
    folder: Path, *, rounds: int, batches: int = 8, settings: Settings | None = None
) -> list[Figure]:
    """Train at the default settings, with a save after every other so many batches; compare the times."""
    run = Run(settings or Settings(ctx="cpu"))
    (folder / "overhead").mkdir()
    run.begin(folder / "overhead")
    steps = _for_ever(run)
    saves, plain, saved = [], [], []
    for _ in range(batches):
        next(steps)
    for _ in tqdm(range(rounds), unit=" rounds", disable=None):
        plain.append(_seconds(lambda: [next(steps) for _ in range(batches)]))
        begin = time.perf_counter()
        saves.append(_seconds(run.save))
        for _ in range(batches):  # slower after a save, if that left the machine something to do
            next(steps)
        saved.append(time.perf_counter() - begin)
    cost = statistics.median(saves) / train.AUTOSAVE
    direct = (statistics.median(saved) - statistics.median(plain)) / train.AUTOSAVE
    worst = max(saves) / train.AUTOSAVE
    return [
        Figure(
            f"autosave every {train.AUTOSAVE:g} s at the default settings: share of the time",
            f"< {SHARE:.0%}",
            f"{cost:.3%}, the slowest of {rounds} saves {worst:.3%}; {max(direct, 0):.3%} by the time of "
            "batches with and without a save",
            max(cost, worst, direct) < SHARE,
        )
    ]


def _for_ever(run: Run) -> Iterator[int]:
    while True:
        yield from run.train_epoch()
        run.end_epoch()


def _seconds(action: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def memory(folder: Path, *, batches: int, settled: int = 1000) -> list[Figure]:
    """python -m d2lrnn.train with a small network, so many batches, and its memory after each 100 of them.

    settled: batches after which it should not grow any more.
    """
    corpus, log = small_corpus(folder), folder / "memory.txt"
    flags = f"--corpus {corpus} --hidden-dim 8 --batch-size 2 --num-steps 2 --pred-len 2 --pred-period 2"
    flags += " --autosave 0.01"
    a_epoch = 72  # batches: 288 characters
    action = train_into(folder / "memory", *flags.split(), "--epochs", -(-batches // a_epoch))

    def watched() -> int:
        with open(log, "w", buffering=1) as file:
            train_epoch, count = Run.train_epoch, 0

            def counted(run: Run) -> Iterator[int]:
                nonlocal count
                for num_chars in train_epoch(run):
                    count += 1
                    if count % 100 == 0:
                        file.write(f"{count} {resident()}\n")
                    yield num_chars

            setattr(Run, "train_epoch", counted)  # noqa: B010
            return action()

    answer = call(watched, limit=3600)
    found = [(int(line.split()[0]), int(line.split()[1])) for line in log.read_text().splitlines()]
    growth = max(size for count, size in found if count >= settled) - dict(found)[settled]
    ok = not answer.complaint(0) and found[-1][0] >= batches - 100 and growth < GROWTH
    return [
        Figure(
            f"memory after {batches:,} batches: growth after the first {settled:,}",
            f"< {GROWTH / 2**20:.0f} MB",
            f"{growth / 2**20:.1f} MB" + (f" {answer.complaint(0)}" if answer.code else ""),
            ok,
        )
    ]


def resident() -> int:
    """The bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
