"""Train a network on a text and let it write.

    python -m d2lrnn.train                               our own lyrics
    python -m d2lrnn.train --corpus my.txt --cell lstm   your text
    python -m d2lrnn.train --resume                      continue the newest run

Ctrl-C stops after the current batch and saves; a second Ctrl-C stops at once. A run that was stopped or
killed resumes from its last checkpoint, and gives the same numbers as without a break.
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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cli import (
    Parser,
    command_line,
    complain,
    hear_two,
    outlive_stdout,
    progress_bar,
    say_last,
    show,
    tell,
)
from .compat import CannotLoad
from .launching.job import read_hosts
from .launching.watchdog import Watchdog, report
from .messages import translated
from .running.distributed import become, check_number, end_at_once, join, part
from .running.events import load_writer, writing_events
from .running.recipes import RECIPES
from .running.settings import ABOUT, GROUPS, LaunchOptions, add_prefix_file, add_setting, given
from .running.start import ask, choose, launch_run, opened

if TYPE_CHECKING:
    from .running.dataset import Dataset
    from .running.directory import Trained
    from .running.run import Run
    from .running.settings import Settings

PROG = "python -m d2lrnn.train"
AUTOSAVE = LaunchOptions.autosave  # seconds
AUTOSAVE_SHARE = 0.01  # of the time may go into saving, however large the network
REPORT = 0.2  # seconds
AT_ONCE = f"{PROG}: stopped at once: what came after the last checkpoint is lost"


def main(argv: Sequence[str] | None = None) -> int:
    """Train. 0: done, 2: a mistake of the user, 130, 143 or 129: stopped and saved, 1: a fault on the way."""
    arguments = _parser().parse_args(argv)
    with contextlib.ExitStack() as stack:
        stack.enter_context(outlive_stdout(PROG))
        try:
            options, index = LaunchOptions(**given(arguments, LaunchOptions)), become()
            if options.tensorboard:
                load_writer()
            hosts = read_hosts(options.hosts) if options.hosts and index is None else []
            load = None if options.locked else _load
            request = choose(ask(arguments, hosts), arguments.out, arguments.resume, load)
            if index is None and (request.num_workers > 1 or hosts) and not options.in_turn:
                return launch_run(request, hosts, options)
            if index is not None:
                check_number(request.num_workers)
            run = stack.enter_context(opened(request, index, _load, locked=options.locked))
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


def _load(settings: Settings) -> Trained:
    """The network that --init names, on the host: the best of a run, where held-out text was measured."""
    from mxnet import cpu

    from .formats.safetensors_file import load_network

    assert settings.init
    return load_network(_from_here(settings.init), cpu(), best=False if settings.init_last else None)


def _from_here(path: str) -> Path:
    """path, named from the current folder if it lies below it."""
    whole, here = Path(path), Path.cwd()
    return whole.relative_to(here) if here in whole.parents else whole


def _train_and_tell(run: Run, options: LaunchOptions, stop: Stop) -> int:
    from mxnet import MXNetError

    from .running.run import keep_memory

    keep_memory()
    with stop:
        try:
            stopped = _train(run, stop, options)
        except (FloatingPointError, OSError, MXNetError) as error:
            if run.is_first or not isinstance(error, FloatingPointError):  # this one meets all workers
                complain(PROG, _fault(run, error, _resume(run, options)))
            return 1
    if not run.is_first:
        return 128 + (stop.signal or signal.SIGINT) if stopped else 0
    if stopped:
        epoch, batch = run.progress.epoch, run.progress.batch
        where = f"epoch {epoch + 1}, batch {batch}" if batch else f"epoch {epoch}"
        say_last(translated(f"stopped after {where}, saved; go on with {_resume(run, options)}"))
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
        remedy = f"start again with a smaller --lr or --clip, or {remedy} {smaller}"
    elif isinstance(error, OSError):
        remedy = f"free some space or repair the directory, then {remedy}"
    return f"{_where(run)}: {reason}; {kept}; {remedy}"


def _where(run: Run) -> str:
    return f"epoch {run.progress.epoch + 1}, batch {run.progress.batch + 1}"


def _resume(run: Run, options: LaunchOptions) -> str:
    """The command that goes on with the run, on the same machines."""
    hosts = [f"--hosts={options.hosts}", f"--ssh={options.ssh}"] if options.hosts else []
    more = ["--in-turn"] * options.in_turn + ["--tensorboard"] * options.tensorboard
    return command_line("d2lrnn.train", "--resume", run.directory.path, *hosts, *more)


class Stop:
    """Within the block, the first signal is only noted, in .signal; the second ends the process.

    heard: called with the number of the first in another thread, also while this one waits inside MXNet.
    """

    signal = 0

    def __init__(self, heard: Callable[[int], object] = lambda number: None) -> None:
        self._hearing = hear_two(self._note, heard, AT_ONCE)

    def __enter__(self) -> Stop:
        self._hearing.__enter__()
        return self

    def __exit__(self, *_: Any) -> None:
        self._hearing.__exit__(None, None, None)

    def _note(self, number: int) -> None:
        self.signal = self.signal or number


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROG, usage="%(prog)s [OPTION ...]", description=__doc__)
    groups = {}
    for title, names in GROUPS.items():
        groups[title] = parser.add_group(title, *ABOUT[title])
        for name in names.split():
            add_setting(groups[title], name)
    add_prefix_file(groups["output"])
    groups["output"].add_argument("--out", metavar="DIR", help="run directory (default: a new one in runs/)")
    groups["output"].add_argument(
        "--resume",
        metavar="DIR",
        nargs="?",
        const="",
        help="continue the run in DIR; without DIR that of --out, or the newest in runs/ (default: off)",
    )
    groups["output"].add_argument(
        "--config",
        metavar="FILE",
        help="start from the settings in a config.json, or of a run directory; flags override them "
        "(default: none)",
    )
    groups["regularisation"].add_argument(
        "--recipe",
        choices=tuple(RECIPES),
        help="start from settings that go together, which config.json then holds; flags override them. "
        "small-text: a regularised LSTM for some 50 kB of text, trained in minutes "
        "(default: none)",
    )
    autosave, tensorboard, *others = LaunchOptions.__dataclass_fields__
    for name in (autosave, tensorboard):
        add_setting(groups["output"], name, LaunchOptions)
    *_, workers = groups.values()
    for name in others:
        add_setting(workers, name, LaunchOptions)
    return parser


def _train(run: Run, stop: Stop, options: LaunchOptions) -> bool:
    """Train to the end, or until a stop; whether it was stopped."""
    with contextlib.ExitStack() as stack:
        log = None
        if options.tensorboard and run.is_first:
            log = stack.enter_context(writing_events(run.directory.path, run.metrics))
        for metrics in _epochs(run, stop, options.autosave):
            if run.is_first:
                _report(run, metrics)
            if log:
                log(metrics)
    if not run.is_over:
        return True
    if run.is_first:
        _close(run)
    run.save()
    return False


def _epochs(run: Run, stop: Stop, autosave: float) -> Iterator[dict[str, Any]]:
    """Train to the end, or until a stop, which is saved; after each epoch yield its metrics."""
    epochs, num_chars = run.settings.epochs, len(run.dataset.train_indices)
    if run.is_first:
        tell(_announce(run))
        if run.dataset.is_sampled:
            tell(_say_sample(run.dataset))
        if run.origin and not run.optimizer.t:
            tell(_begins_with(run))
    next_save, next_report = time.monotonic() + autosave, 0.0
    with progress_bar(epochs * num_chars) as bar:
        while not run.is_over:
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
                    return
                if save:
                    cost = time.monotonic() - now
                    next_save = now + cost + max(autosave, autosave and cost / AUTOSAVE_SHARE)
            yield run.end_epoch()


def _announce(run: Run) -> str:
    from .corpora import NAMES, STDIN, listed

    settings, dataset = run.settings, run.dataset
    heldout = f" ({dataset.heldout})" if dataset.heldout else ""
    corpus = listed(["stdin" if name == STDIN else name for name in settings.corpus])
    if not set(settings.corpus) <= set(NAMES):
        corpus = f"{corpus} ({_manner(dataset)})"
    device = f"{run.ctx}, {settings.workers} workers" if settings.workers > 1 else run.ctx
    where = f", from {_where(run)} on" if run.optimizer.t else ""
    line = (
        f"{corpus}: {len(dataset.train_indices):,} characters to train on, "
        f"{len(dataset.heldout_indices):,} held out{heldout}, {len(run.vocab):,} distinct; "
        f"{settings.cell} of {run.num_params:,} parameters on {device}, into {run.directory.path}/{where}"
    )
    return f"{line}; {run.by_text}" if run.by_text else line


def _say_sample(dataset: Dataset) -> str:
    return (
        f"after each epoch {len(dataset.measured_indices):,} of the {len(dataset.heldout_indices):,} "
        "held-out characters are measured, the same every time; --heldout-sample 0 measures all"
    )


def _manner(dataset: Dataset) -> str:
    """How a text of one's own was read."""
    kept, form = dataset.manner.lines == "keep", dataset.manner.normalize
    lines = "line ends kept" if kept else "line ends as spaces"
    if form != "none":
        lines = f"line ends kept, {form}" if kept else f"line ends as spaces, {form}"
    number = len(dataset.documents)
    return f"{number:,} documents, {lines}" if number > 1 else lines


def _begins_with(run: Run) -> str:
    source, num_chars = _from_here(run.origin["run"]), run.origin["num_chars"]
    what = f" ({run.origin['what']})" if run.origin["what"] else ""
    new = len(run.vocab) - num_chars
    return (
        f"begins with the weights of {source}{what}: its {num_chars:,} characters, and {new:,} that are new"
    )


def _report(run: Run, metrics: dict[str, Any]) -> None:
    from .running.writing import listed

    train, heldout = metrics["train_perplexity"], metrics["heldout_perplexity"]
    speed = f"{metrics['chars_per_second']:8,.0f} characters/s  {metrics['seconds']:6.2f} s"
    line = f"epoch {metrics['epoch']:3}  perplexity {train:8.2f}  {speed}"
    if heldout is not None:
        line = f"epoch {metrics['epoch']:3}  perplexity {train:8.2f}  held out {heldout:8.2f}  {speed}"
    tell(line)
    if metrics["epoch"] % run.settings.pred_period == 0 or run.is_over:
        for text in run.samples():
            show(listed(text))
        run.directory.draw_curve(run.metrics)


def _close(run: Run) -> None:
    from .running.closing import close

    for line in close(run):
        show(line)


if __name__ == "__main__":
    sys.exit(main())
