"""Train a network on a text and let it write.

    python -m d2lrnn.train                                   our lyrics, half a minute
    python -m d2lrnn.train --corpus my.txt --cell lstm       your own text
    python -m d2lrnn.train --resume                          go on with the run that was stopped

Ctrl-C stops after the batch and saves; a second one stops at once. A run that was killed goes on from its
last checkpoint (one a minute), with the numbers that it would have had.
"""

from __future__ import annotations

if __name__ == "__main__":  # before what takes long to load
    from .cli import begin

    begin("python -m d2lrnn.train")

import argparse
import contextlib
import shlex
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .cli import BAR, Parser, after_the_first, command_line, complain, hear, printable
from .compat import CannotLoad
from .launching.job import SSH, read_hosts
from .launching.watchdog import report
from .running.distributed import become, check_number, join, part
from .running.settings import add_settings
from .running.start import choose, launch_run, prepare

if TYPE_CHECKING:
    from .running.run import Run

PROG = "python -m d2lrnn.train"
AUTOSAVE = 60.0  # seconds
AUTOSAVE_SHARE = 0.01  # of the time may go into saving, however large the network
REPORT = 0.2  # seconds
AT_ONCE = f"{PROG}: stopped at once: what came after the last checkpoint is lost"
HOW = ("autosave", "in_turn", "servers", "hosts", "ssh", "max_restarts", "patience")  # what is no setting


def main(argv: Sequence[str] | None = None) -> int:
    """Train. 0: done, 2: a mistake of the user, 130 or 143: stopped and saved, 1: a fault on the way."""
    given = vars(_parser().parse_args(argv))
    how = {name: given.pop(name) for name in HOW}
    with contextlib.ExitStack() as stack:
        try:
            index = become()
            hosts = read_hosts(how["hosts"]) if how["hosts"] and index is None else []
            if hosts:
                given.setdefault("workers", sum(host.num_workers for host in hosts))
            folder, settings = choose(given)
            if index is None and (settings.workers > 1 or hosts) and not how["in_turn"]:
                return launch_run(stack, folder, settings, hosts, how)
            if index is not None:
                check_number(settings.workers)
            run = prepare(stack, folder, settings, given, index)
            if index is not None:
                join(stack, run, index, how["patience"])
        except (ValueError, OSError, CannotLoad) as error:
            complain(PROG, error)
            return 2
        except KeyboardInterrupt:
            complain(PROG, "stopped before the first batch")
            return 130
        code = _train_and_tell(run, how)
        if index is not None and code not in (1, 2):
            part(run)
        return code


def _train_and_tell(run: Run, how: dict[str, Any]) -> int:
    from mxnet import MXNetError

    from .running.run import keep_memory

    keep_memory()
    with Stop(run.hurry) as stop:
        try:
            stopped = _train(run, stop, how["autosave"])
        except (FloatingPointError, OSError, MXNetError) as error:
            if run.is_first or not isinstance(error, FloatingPointError):  # this one meets all workers
                complain(PROG, _fault(run, error, _resume(run, how)))
            return 1
    if not run.is_first:
        return 128 + (stop.signal or signal.SIGINT) if stopped else 0
    if stopped:
        where = f"epoch {run.epoch + 1}, batch {run.batch}" if run.batch else f"epoch {run.epoch}"
        print(printable(f"stopped after {where}, saved; go on with {_resume(run, how)}"))
        return 128 + (stop.signal or signal.SIGINT)
    print(printable(f"{run.folder}/ holds the weights, curve.svg and samples.txt"))
    print(printable(f"let it write: {command_line('d2lrnn.predict', run.folder)}"))
    return 0


def _fault(run: Run, error: Exception, resume: str) -> str:
    """One line: what went wrong and where, what is left, and what to try."""
    reason = str(error).strip().splitlines()[0]
    if not run.is_first:
        return reason
    kept = f"{run.last} is kept" if run.last and run.last.exists() else "no checkpoint is left"
    remedy = f"go on with {resume}"
    if isinstance(error, FloatingPointError):
        smaller = f"--lr {run.settings.learning_rate / 10:g}"
        remedy = f"begin anew with a smaller --lr or --clip, or {remedy} {smaller}"
    elif isinstance(error, OSError):
        remedy = f"make room or mend the directory, then {remedy}"
    return f"epoch {run.epoch + 1}, batch {run.batch + 1}: {reason}; {kept}; {remedy}"


def _resume(run: Run, how: dict[str, Any]) -> str:
    """The command that goes on with the run, on the same machines."""
    hosts = [f"--hosts={how['hosts']}", f"--ssh={shlex.join(how['ssh'])}"] if how["hosts"] else []
    return command_line("d2lrnn.train", "--resume", run.folder, *hosts, *["--in-turn"] * how["in_turn"])


class Stop:
    """While entered, Ctrl-C and SIGTERM are only noted, in .signal; the second of them ends the process.

    heard: called with the number of the first in another thread, also while this one waits inside MXNet.
    """

    signal = 0

    def __init__(self, heard: Callable[[int], object] = lambda number: None) -> None:
        self._hearing = hear(self._note, beside=after_the_first(heard, AT_ONCE))

    def __enter__(self) -> Stop:
        self._hearing.__enter__()
        return self

    def __exit__(self, *_: Any) -> None:
        self._hearing.__exit__(None, None, None)

    def _note(self, number: int) -> None:
        self.signal = number


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
        "--autosave",
        metavar="SECONDS",
        type=_seconds,
        default=AUTOSAVE,
        help=f"between two checkpoints ({AUTOSAVE:g})",
    )
    _add_job(parser.add_argument_group("several workers (chapter 17)"))
    return parser


def _add_job(group: Any) -> None:
    add = group.add_argument
    add(
        "--in-turn",
        action="store_true",
        help="all in this process: slower, and the same numbers, bit for bit",
    )
    add("--hosts", metavar="FILE", help="machines, a line each: IPv4 address and number of workers there")
    add("--ssh", metavar="COMMAND", type=shlex.split, default=SSH, help=f"to reach them ({shlex.join(SSH)})")
    add("--servers", metavar="N", type=_count, default=1, help="processes that add up (1)")
    add("--max-restarts", metavar="N", type=_whole, default=3, help="after one of them has ended (3)")
    add(
        "--patience", metavar="SECONDS", type=_seconds, default=60.0, help="without a step, then it ends (60)"
    )


def _seconds(text: str) -> float:
    if not 0 <= float(text) < float("inf"):
        raise ValueError
    return float(text)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise ValueError
    return int(text)


def _count(text: str) -> int:
    if not _whole(text):
        raise ValueError
    return int(text)


def _train(run: Run, stop: Stop, autosave: float) -> bool:
    """Train to the end, or until a stop; whether it was stopped."""
    from tqdm import tqdm

    settings, num_chars = run.settings, len(run.train_indices)
    if run.is_first:
        print(printable(_announce(run), keep=""))
    next_save, next_report = time.monotonic() + autosave, 0.0
    with tqdm(total=settings.epochs * num_chars, **BAR) as bar:
        while run.epoch < settings.epochs:
            bar.n = bar.initial = run.epoch * num_chars + run.num_chars
            for count in run.train_epoch():
                text, now = f"epoch {run.epoch + 1}, perplexity {run.perplexity:.1f}", time.monotonic()
                bar.set_postfix_str(text, refresh=False)
                bar.update(count)
                if run.is_first and now >= next_report:  # the bar of a launcher
                    next_report = now + REPORT
                    report(bar={"n": run.epoch * num_chars + run.num_chars, "total": bar.total, "text": text})
                save, stopped = run.agree(now >= next_save, bool(stop.signal))
                if save or stopped:
                    run.save()
                if stopped:
                    return True
                if save:
                    cost = time.monotonic() - now
                    next_save = now + cost + max(autosave, autosave and cost / AUTOSAVE_SHARE)
            metrics = run.end_epoch()
            if run.is_first:
                _report(run, metrics)
        run.save()
    return False


def _announce(run: Run) -> str:
    settings = run.settings
    together = f", {settings.workers} workers" if settings.workers > 1 else ""
    where = f", from epoch {run.epoch + 1}, batch {run.batch + 1} on" if run.optimizer.t else ""
    return (
        f"{settings.corpus}: {len(run.train_indices):,} characters to train on, "
        f"{len(run.heldout_indices):,} held out, {len(run.vocab):,} distinct; "
        f"{settings.cell} on {run.ctx}{together}, into {run.folder}/{where}"
    )


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
