"""Train a network on a text and let it write.

    python -m d2lrnn.train                                   our lyrics, about a minute
    python -m d2lrnn.train --corpus my.txt --cell lstm       your own text
    python -m d2lrnn.train --resume                          go on with the run that was stopped

Ctrl-C stops after the batch and saves; a second one stops at once.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from .config import Parser, Settings, add_settings

if TYPE_CHECKING:
    from .run import Run

PROG = "python -m d2lrnn.train"
SAVE_SECONDS = 60
# the settings that a resumed run may be given anew
CHANGEABLE = ("epochs", "prefix", "pred_period", "pred_len")


def main(argv: Sequence[str] | None = None) -> int:
    """Train. 0: done, 2: a mistake of the user, 130 or 143: stopped and saved, 1: a fault on the way."""
    given = vars(_parser().parse_args(argv))
    try:
        run = _prepare(given.pop("out", None), given.pop("resume", False), given)
    except (ValueError, OSError) as error:
        print(f"{PROG}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{PROG}: stopped before the first batch", file=sys.stderr)
        return 130
    if run.epoch >= run.settings.epochs:
        print(
            f"{run.folder} has had its {run.epoch} epochs: give a larger --epochs to go on", file=sys.stderr
        )
        return 2
    with Stop() as stop:
        try:
            _train(run, stop)
        except (FloatingPointError, OSError) as error:
            print(
                f"{PROG}: epoch {run.epoch + 1}, batch {run.batch + 1}: {error}; "
                f"the last checkpoint in {run.folder} is kept",
                file=sys.stderr,
            )
            return 1
    if stop.signal:
        where = f"epoch {run.epoch + 1}, batch {run.batch}" if run.batch else f"epoch {run.epoch}"
        print(f"stopped after {where}, saved; go on with {PROG} --resume --out {run.folder}")
        return 128 + stop.signal
    print(f"{run.folder}/ holds the weights, curve.svg and samples.txt")
    print(f"let it write: python -m d2lrnn.predict {run.folder}")
    return 0


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
        action="store_true",
        default=argparse.SUPPRESS,
        help="go on with the run in --out (the newest in runs/)",
    )
    return parser


def _prepare(out: str | None, resume: bool, given: dict[str, Any]) -> Run:
    if "prefix" in given:
        given["prefix"] = tuple(given["prefix"])
    if os.path.isfile(given.get("corpus", "")):
        given["corpus"] = os.path.abspath(given["corpus"])  # --resume may be called from another folder
    settings = Settings(**given)  # a wrong flag is refused before mxnet is loaded
    from .run import Run, new_folder, newest_run, read_settings

    if not resume:
        folder = Path(out) if out else new_folder(settings)
        run = Run(folder, settings)
        run.begin()
        return run
    folder = Path(out) if out else newest_run()
    settings = read_settings(folder)
    for name, value in given.items():
        if name not in CHANGEABLE and value != getattr(settings, name):
            flag = "--" + name.replace("_", "-")
            raise ValueError(
                f"{flag} {value}: {folder} was begun with {getattr(settings, name)}; leave {flag} away"
            )
    run = Run(folder, dataclasses.replace(settings, **given))
    run.resume()
    return run


def _train(run: Run, stop: Stop) -> None:
    from tqdm import tqdm

    settings, num_chars = run.settings, len(run.train_indices)
    print(
        f"{settings.corpus}: {num_chars:,} characters to train on, {len(run.heldout_indices):,} held out, "
        f"{len(run.vocab):,} distinct; {settings.cell} on {run.ctx}, into {run.folder}/"
    )
    saved = time.monotonic()
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
                if time.monotonic() - saved > SAVE_SECONDS:
                    run.save()
                    saved = time.monotonic()
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
            tqdm.write(f"    {text}")
        run.draw_curve()


if __name__ == "__main__":
    sys.exit(main())
