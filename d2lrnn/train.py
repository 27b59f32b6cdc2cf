"""Train a network on a text and let it write.

    python -m d2lrnn.train                               our own lyrics
    python -m d2lrnn.train --corpus my.txt --cell lstm   your text
    python -m d2lrnn.train --resume                      continue the newest run

Ctrl-C stops after the current batch and saves; a second Ctrl-C stops at once. A run that was stopped or
killed resumes from its last checkpoint, and gives the numbers that it would have given without a break.
"""

from __future__ import annotations

if __name__ == "__main__":  # before what takes long to load
    from .cli import begin

    begin("python -m d2lrnn.train")

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .cli import BAR, Parser, after_the_first, command_line, complain, hear, printable, tell
from .compat import CannotLoad
from .launching.job import read_hosts
from .launching.watchdog import Watchdog, report
from .messages import translated
from .running.distributed import become, check_number, end_at_once, join, part
from .running.settings import ABOUT, GROUPS, LaunchOptions, add_setting, given
from .running.start import ask, choose, launch_run, opened

if TYPE_CHECKING:
    from .running.run import Run

PROG = "python -m d2lrnn.train"
AUTOSAVE = LaunchOptions.autosave  # seconds
AUTOSAVE_SHARE = 0.01  # of the time may go into saving, however large the network
REPORT = 0.2  # seconds
AT_ONCE = f"{PROG}: stopped at once: what came after the last checkpoint is lost"


def main(argv: Sequence[str] | None = None) -> int:
    """Train. 0: done, 2: a mistake of the user, 130 or 143: stopped and saved, 1: a fault on the way."""
    arguments = _parser().parse_args(argv)
    with contextlib.ExitStack() as stack:
        try:
            options, index = LaunchOptions(**given(arguments, LaunchOptions)), become()
            hosts = read_hosts(options.hosts) if options.hosts and index is None else []
            request = choose(ask(arguments, hosts), arguments.out, arguments.resume)
            if index is None and (request.num_workers > 1 or hosts) and not options.in_turn:
                return launch_run(request, hosts, options)
            if index is not None:
                check_number(request.num_workers)
            run = stack.enter_context(opened(request, index, locked=options.locked))
            stop = Stop()
            if index is not None:
                stack.push(end_at_once)
                watchdog = stack.enter_context(Watchdog(options.patience, f"worker {index}"))
                join(run, index, watchdog)
                stop = Stop(watchdog.hurry)
        except (ValueError, OSError, CannotLoad) as error:
            complain(PROG, error)
            return 2
        except KeyboardInterrupt:
            complain(PROG, "stopped before the first batch")
            return 130
        code = _train_and_tell(run, options, stop)
        if index is not None and code not in (1, 2):
            part(run)
        return code


def _train_and_tell(run: Run, options: LaunchOptions, stop: Stop) -> int:
    from mxnet import MXNetError

    from .running.run import keep_memory

    keep_memory()
    with stop:
        try:
            stopped = _train(run, stop, options.autosave)
        except (FloatingPointError, OSError, MXNetError) as error:
            if run.is_first or not isinstance(error, FloatingPointError):  # this one meets all workers
                complain(PROG, _fault(run, error, _resume(run, options)))
            return 1
    if not run.is_first:
        return 128 + (stop.signal or signal.SIGINT) if stopped else 0
    if stopped:
        epoch, batch = run.progress.epoch, run.progress.batch
        where = f"epoch {epoch + 1}, batch {batch}" if batch else f"epoch {epoch}"
        tell(f"stopped after {where}, saved; go on with {_resume(run, options)}")
        return 128 + (stop.signal or signal.SIGINT)
    tell(f"{run.directory.path}/ holds the weights, curve.svg and samples.txt")
    tell(f"let it write: {command_line('d2lrnn.predict', run.directory.path)}")
    return 0


def _fault(run: Run, error: Exception, resume: str) -> str:
    """One line: what went wrong and where, what is left, and what to try."""
    reason = str(error).strip().splitlines()[0]
    if not run.is_first:
        return reason
    last = run.directory.last
    kept = f"{last} is kept" if last and last.exists() else "no checkpoint is left"
    remedy = f"go on with {resume}"
    if isinstance(error, FloatingPointError):
        smaller = f"--lr {run.settings.learning_rate / 10:g}"
        remedy = f"begin anew with a smaller --lr or --clip, or {remedy} {smaller}"
    elif isinstance(error, OSError):
        remedy = f"make room or mend the directory, then {remedy}"
    return f"{_where(run)}: {reason}; {kept}; {remedy}"


def _where(run: Run) -> str:
    return f"epoch {run.progress.epoch + 1}, batch {run.progress.batch + 1}"


def _resume(run: Run, options: LaunchOptions) -> str:
    """The command that goes on with the run, on the same machines."""
    hosts = [f"--hosts={options.hosts}", f"--ssh={options.ssh}"] if options.hosts else []
    in_turn = ["--in-turn"] * options.in_turn
    return command_line("d2lrnn.train", "--resume", run.directory.path, *hosts, *in_turn)


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
    parser = Parser(prog=PROG, usage="%(prog)s [OPTION ...]", description=__doc__)
    groups = {}
    for title, names in GROUPS.items():
        about, example = ABOUT[title]
        groups[title] = parser.add_argument_group(title, f"{about}\n\n    {PROG} {example}")
        for name in names.split():
            add_setting(groups[title], name)
    groups["output"].add_argument("--out", metavar="DIR", help="run directory (default: a new one in runs/)")
    groups["output"].add_argument(
        "--resume",
        metavar="DIR",
        nargs="?",
        const="",
        help="continue the run in DIR; without DIR that of --out, or the newest in runs/ (default: off)",
    )
    autosave, *others = LaunchOptions.__dataclass_fields__
    add_setting(groups["output"], autosave, LaunchOptions)
    *_, workers = groups.values()
    for name in others:
        add_setting(workers, name, LaunchOptions)
    return parser


def _train(run: Run, stop: Stop, autosave: float) -> bool:
    """Train to the end, or until a stop; whether it was stopped."""
    from tqdm import tqdm

    epochs, num_chars = run.settings.epochs, len(run.dataset.train_indices)
    if run.is_first:
        tell(_announce(run))
    next_save, next_report = time.monotonic() + autosave, 0.0
    with tqdm(total=epochs * num_chars, **BAR) as bar:
        while run.progress.epoch < epochs:
            progress = run.progress
            bar.n = bar.initial = progress.epoch * num_chars + progress.num_chars
            for count in run.train_epoch():
                now = time.monotonic()
                if run.is_first and now >= next_report:
                    next_report = now + REPORT
                    text = f"epoch {progress.epoch + 1}, perplexity {progress.perplexity:.1f}"
                    bar.set_postfix_str(translated(text), refresh=False)
                    n = progress.epoch * num_chars + progress.num_chars
                    report(bar={"n": n, "total": bar.total, "text": text})  # the bar of a launcher
                bar.update(count)
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
    device = f"{run.ctx}, {settings.workers} workers" if settings.workers > 1 else run.ctx
    where = f", from {_where(run)} on" if run.optimizer.t else ""
    return (
        f"{settings.corpus}: {len(run.dataset.train_indices):,} characters to train on, "
        f"{len(run.dataset.heldout_indices):,} held out, {len(run.vocab):,} distinct; "
        f"{settings.cell} on {device}, into {run.directory.path}/{where}"
    )


def _report(run: Run, metrics: dict[str, Any]) -> None:
    from tqdm import tqdm

    train, heldout = metrics["train_perplexity"], metrics["heldout_perplexity"]
    speed = f"{metrics['chars_per_second']:8,.0f} characters/s  {metrics['seconds']:6.2f} s"
    line = f"epoch {metrics['epoch']:3}  perplexity {train:8.2f}  {speed}"
    if heldout is not None:
        line = f"epoch {metrics['epoch']:3}  perplexity {train:8.2f}  held out {heldout:8.2f}  {speed}"
    tqdm.write(translated(line))
    if metrics["epoch"] % run.settings.pred_period == 0 or metrics["epoch"] == run.settings.epochs:
        for text in run.samples():
            tqdm.write(f"    {printable(text)}")
        run.directory.draw_curve(run.metrics)


if __name__ == "__main__":
    sys.exit(main())
