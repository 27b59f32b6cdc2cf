"""Which run `train` was asked for, and how it starts: new or resumed, on one machine or several."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..cli import command_line, say, warn
from ..launching.job import Host, Job
from ..messages import translated
from .settings import LaunchOptions, Settings, flags, given

if TYPE_CHECKING:
    from .origin import Load
    from .run import Run


def ask(arguments: argparse.Namespace, hosts: Sequence[Host]) -> dict[str, Any]:
    """The settings that were given: flags count before the workers of hosts, and these before --config.

    A recipe stands for the flags that it means.

    Files are named by their whole paths.

    Raises:
        ValueError: there are no settings in the file of --config, or it is to change a run that goes on.
    """
    asked = given(arguments, Settings)
    if hosts:
        asked = {"workers": sum(host.num_workers for host in hosts), **asked}
    if "valid" in asked and "heldout" in asked:
        raise ValueError("--valid and --heldout: give one, the text to measure on or its share of the corpus")
    if arguments.recipe is not None:
        asked = _cook(arguments, asked)
    if arguments.config is not None:
        from .config import read_settings

        if arguments.resume is not None:
            raise ValueError(
                f"--config {arguments.config} begins a run, and --resume goes on with one: give one of them"
            )
        asked = {**read_settings(arguments.config, asked), **asked}
    for flag in {"corpus", "valid"} & asked.keys():
        asked[flag] = _whole_paths(flag, asked[flag], said="locked" in arguments)  # by the launcher
    if asked.get("init") is not None:
        asked["init"] = os.path.abspath(os.path.expanduser(asked["init"]))
    return asked


def _cook(arguments: argparse.Namespace, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked for, by --recipe too."""
    from .recipes import with_recipe

    if arguments.config is not None:
        raise ValueError(
            f"--recipe {arguments.recipe} and --config {arguments.config} both begin a run: give one of them"
        )
    if arguments.resume is not None:
        raise ValueError(
            f"--recipe {arguments.recipe} begins a run, and --resume goes on with one: give one of them"
        )
    return with_recipe(arguments.recipe, asked)


def _whole_paths(flag: str, names: Sequence[str], *, said: bool) -> tuple[str, ...]:
    from ..corpora import NAMES, STDIN, check_sources, whole_path

    check_sources(names)
    for name in set(names) & set(NAMES):
        if os.path.exists(name) and not said:
            warn(f"--{flag} {name} is the corpus of this name: for the file here give ./{name}")
    return tuple(name if name in (STDIN, *NAMES) else whole_path(name) for name in names)


class Request(NamedTuple):
    """Which run train was asked for.

    folder: its directory, if one was named. begun: the settings with which it began, or begins. asked: those
    that were given.
    """

    folder: Path | None
    begun: Settings
    asked: Mapping[str, Any]

    @property
    def num_workers(self) -> int:
        """How many are to train together."""
        return self.asked.get("workers", self.begun.workers)

    def settings(self) -> Settings:
        """What is asked for, and for the rest what the run began with.

        Raises:
            ValueError: that would be another run.
        """
        from .resume import change

        return change(*self)


def choose(
    asked: Mapping[str, Any], out: str | None, resume: str | None, load: Load | None = None
) -> Request:
    """The run that --out or --resume names, or a new one. resume: "" is the newest run, or that of out.

    load: reads the network that --init names; None: a launcher has done so, and said what follows from it.

    Raises:
        ValueError: a setting cannot be, or there is no run to go on with.
    """
    settings = Settings(**asked)  # a wrong flag is refused before mxnet is loaded
    from .folder import holds_run, newest_run

    if resume and out and resume != out:
        raise ValueError(f"--resume {resume} and --out {out} are two directories: give one")
    name = resume or out
    folder = Path(name) if name else newest_run() if resume is not None else None
    if folder and holds_run(folder):
        from .resume import begun_settings

        return Request(folder, begun_settings(folder), asked)
    if resume is not None:
        begin = command_line("d2lrnn.train", "--out", folder)
        raise ValueError(f"{folder} holds no run to go on with: begin one there with {begin}")
    if settings.init and load:
        from .origin import inherit

        asked = inherit(asked, load(settings))
    return Request(folder, Settings(**asked), asked)


@contextlib.contextmanager
def opened(request: Request, index: int | None, load: Load, *, locked: bool) -> Iterator[Run]:
    """The run, ready to train: begun, or as it was left in its directory.

    index: of this worker, where there are several; only the first needs the directory, and load, which reads
    the network that --init names. Within the block the directory is locked against others (locked: the
    launcher has done it).

    Raises:
        ValueError, OSError: corpus, settings and directory do not go together.
    """
    from ..corpora import STDIN
    from .directory import new_folder
    from .folder import holds_run
    from .origin import begin_with
    from .resume import prepare, resume_run
    from .run import Run

    folder, settings, asked = request
    if index:
        if folder and holds_run(folder):
            yield prepare(folder, settings, request.settings(), index)
        else:
            yield Run(settings, index, folder)
    elif folder and holds_run(folder):
        with _lock(folder, locked):
            yield resume_run(folder, asked, index, load)
    else:
        with contextlib.ExitStack() as stack:
            if STDIN in settings.corpus and not locked:
                folder = stack.enter_context(_kept_stdin(settings, folder))
            run = Run(settings, index, folder)
            if settings.init:
                begin_with(run, load(settings))
            folder = folder or new_folder(settings)
            stack.enter_context(_lock(folder, locked))
            run.begin(folder)
            yield run


@contextlib.contextmanager
def _kept_stdin(settings: Settings, folder: Path | None) -> Iterator[Path]:
    """The directory of a new run, with what comes from the standard input; gone if no run comes of it."""
    from .dataset import STDIN_COPIES, keep_stdin
    from .directory import new_folder
    from .folder import holds_run

    if sys.stdin is None:
        raise ValueError("--corpus -: there is no standard input")
    is_new = not folder or not folder.exists()
    where = folder or new_folder(settings)
    where.mkdir(parents=True, exist_ok=True)
    try:
        if sys.stdin.isatty():
            say(translated("reading what you type, until Ctrl-D"))
        keep_stdin(settings, where, sys.stdin.buffer)
        yield where
    finally:
        if not holds_run(where):
            for name in STDIN_COPIES:
                (where / name).unlink(missing_ok=True)
            if is_new:
                shutil.rmtree(where, ignore_errors=True)


def launch_run(request: Request, hosts: Sequence[Host], options: LaunchOptions) -> int:
    """Have the workers of the run train together, in processes of their own; the exit code.

    hosts: those of the file that options name (none: this machine).

    Raises:
        ValueError: the run was begun otherwise, the hosts have other workers, or another process trains it.
    """
    from ..corpora import STDIN
    from ..launching.launch import launch
    from .directory import new_folder
    from .folder import holds_run

    folder, settings = request.folder, request.settings()
    hosts = hosts or [Host(num_workers=settings.workers)]
    places = sum(host.num_workers for host in hosts)
    if places != settings.workers:
        raise ValueError(f"{options.hosts} names {places} workers, and {settings.workers} are to train")
    where = folder or new_folder(settings)
    command = [sys.executable, "-u", "-m", "d2lrnn.train", f"--out={where}"]
    worker = [*command, *flags(settings), *flags(dataclasses.replace(options, locked=True))]
    job = Job(
        worker, hosts, options.servers, options.patience, options.max_restarts, shlex.split(options.ssh)
    )
    with contextlib.ExitStack() as stack:
        stack.enter_context(_lock(where))
        try:
            if STDIN in settings.corpus and not holds_run(where):
                stack.enter_context(_kept_stdin(settings, where))
            return launch(job)
        finally:
            if not folder and not holds_run(where):  # nothing came of it
                shutil.rmtree(where, ignore_errors=True)


def _lock(folder: Path, locked: bool = False) -> contextlib.AbstractContextManager[Any]:
    from .folder import lock

    folder.mkdir(parents=True, exist_ok=True)
    return contextlib.nullcontext() if locked else lock(folder)
