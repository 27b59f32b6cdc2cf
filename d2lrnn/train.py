"""Train a network on a text and let it write.

    python -m d2lrnn.train                                   our lyrics, half a minute
    python -m d2lrnn.train --corpus my.txt --cell lstm       your own text
    python -m d2lrnn.train --resume                          go on with the run that was stopped

Ctrl-C stops after the batch and saves; a second one stops at once. A run that was killed goes on from its
last checkpoint (one a minute), with the numbers that it would have had.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from .config import Parser, Settings, add_settings
from .terminal import complain, printable

if TYPE_CHECKING:
    from .run import Run

PROG = "python -m d2lrnn.train"
AUTOSAVE = 60.0  # seconds
AUTOSAVE_SHARE = 0.01  # of the time may go into saving, however large the network


def main(argv: Sequence[str] | None = None) -> int:
    """Train. 0: done, 2: a mistake of the user, 130 or 143: stopped and saved, 1: a fault on the way."""
    given = vars(_parser().parse_args(argv))
    autosave = given.pop("autosave")
    with contextlib.ExitStack() as locks:
        try:
            run = _prepare(locks, given.pop("out", None), given.pop("resume", None), given)
        except (ValueError, OSError) as error:
            complain(PROG, error)
            return 2
        except KeyboardInterrupt:
            complain(PROG, "stopped before the first batch")
            return 130
        return _train_and_tell(run, autosave)


def _train_and_tell(run: Run, autosave: float) -> int:
    from mxnet import MXNetError

    with Stop() as stop:
        try:
            _train(run, stop, autosave)
        except (FloatingPointError, OSError, MXNetError) as error:
            complain(PROG, _fault(run, error))
            return 1
    if stop.signal:
        where = f"epoch {run.epoch + 1}, batch {run.batch}" if run.batch else f"epoch {run.epoch}"
        print(printable(f"stopped after {where}, saved; go on with {PROG} --resume {run.folder}"))
        return 128 + stop.signal
    print(printable(f"{run.folder}/ holds the weights, curve.svg and samples.txt"))
    print(printable(f"let it write: python -m d2lrnn.predict {run.folder}"))
    return 0


def _fault(run: Run, error: Exception) -> str:
    """One line: what went wrong and where, what is left, and what to try."""
    reason = str(error).strip().splitlines()[0]
    kept = f"{run.last} is kept" if run.last and run.last.exists() else "no checkpoint is left"
    remedy = f"go on with {PROG} --resume {run.folder}"
    if isinstance(error, FloatingPointError):
        settings = run.settings
        remedy += f" --lr {settings.learning_rate / 10:g}, or begin anew with a smaller --lr or --clip"
    elif isinstance(error, OSError):
        remedy = f"make room or mend the directory, then {remedy}"
    return f"epoch {run.epoch + 1}, batch {run.batch + 1}: {reason}; {kept}; {remedy}"


class Stop:
    """While entered, Ctrl-C and SIGTERM are only noted, in .signal; the second of them ends the process."""

    signal = 0

    def __enter__(self) -> Stop:
        self._before = {
            number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.signal = number
        for number in self._before:  # the next one need not wait for Python: it ends the process by itself
            signal.signal(number, signal.SIG_DFL)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROG, description=__doc__)
    add_settings(parser)
    parser.add_argument(
        "--out", metavar="DIR", default=argparse.SUPPRESS, help="run directory (a new one in runs/)"
    )
    parser.add_argument(
        "--resume",
        metavar="DIR",
        nargs="?",
        const="",
        default=argparse.SUPPRESS,
        help="go on with the run in DIR (that of --out, or the newest in runs/)",
    )
    parser.add_argument(
        "--autosave", metavar="SECONDS", type=_seconds, default=AUTOSAVE, help=f"({AUTOSAVE:g})"
    )
    return parser


def _seconds(text: str) -> float:
    if not 0 <= float(text) < float("inf"):
        raise ValueError
    return float(text)


def _prepare(locks: contextlib.ExitStack, out: str | None, resume: str | None, given: dict[str, Any]) -> Run:
    if "prefix" in given:
        given["prefix"] = tuple(given["prefix"])
    if os.path.isfile(given.get("corpus", "")):
        given["corpus"] = os.path.abspath(given["corpus"])  # --resume may be called from another folder
    settings = Settings(**given)  # a wrong flag is refused before mxnet is loaded
    from .folder import holds_run, lock, new_folder, newest_run

    if resume and out and resume != out:
        raise ValueError(f"--resume {resume} and --out {out} are two directories: give one")
    name = resume or out
    folder = Path(name) if name else newest_run() if resume is not None else None
    if folder and holds_run(folder):
        from .resume import resume_run

        locks.enter_context(lock(folder))
        return resume_run(folder, given)
    if resume is not None:
        raise ValueError(f"{folder} holds no run to go on with: begin one there with --out {folder}")
    from .run import Run

    run = Run(settings)
    folder = folder or new_folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    locks.enter_context(lock(folder))
    run.begin(folder)
    return run


def _train(run: Run, stop: Stop, autosave: float) -> None:
    from tqdm import tqdm

    settings, num_chars = run.settings, len(run.train_indices)
    where = f"epoch {run.epoch + 1}, batch {run.batch + 1}" if run.optimizer.t else ""
    begins = (
        f"{settings.corpus}: {num_chars:,} characters to train on, {len(run.heldout_indices):,} held out, "
        f"{len(run.vocab):,} distinct; {settings.cell} on {run.ctx}, into {run.folder}/"
    )
    print(printable(begins + (f", from {where} on" if where else ""), keep=""))
    next_save = time.monotonic() + autosave
    with tqdm(
        total=settings.epochs * num_chars,
        unit=" chars",
        unit_scale=True,
        disable=None,
        leave=False,
        dynamic_ncols=True,
    ) as bar:
        while run.epoch < settings.epochs:
            bar.n = bar.initial = run.epoch * num_chars + run.num_chars
            for count in run.train_epoch():
                bar.set_postfix_str(f"epoch {run.epoch + 1}, perplexity {run.perplexity:.1f}", refresh=False)
                bar.update(count)
                if stop.signal:
                    run.save()
                    return
                now = time.monotonic()
                if now >= next_save:
                    run.save()
                    cost = time.monotonic() - now
                    next_save = now + cost + max(autosave, autosave and cost / AUTOSAVE_SHARE)
            _report(run, run.end_epoch())
        run.save()


def _report(run: Run, metrics: dict[str, Any]) -> None:
    from tqdm import tqdm

    heldout = metrics["heldout_perplexity"]
    tqdm.write(
        f"epoch {run.epoch:3}  perplexity {metrics['train_perplexity']:8.2f}"
        + (f"  held out {heldout:8.2f}" if heldout is not None else "")
        + f"  {metrics['chars_per_second']:8,.0f} characters/s  {metrics['seconds']:6.2f} s"
    )
    if run.epoch % run.settings.pred_period == 0 or run.epoch == run.settings.epochs:
        for text in run.samples():
            tqdm.write(f"    {printable(text)}")
        run.draw_curve()


if __name__ == "__main__":
    sys.exit(main())
