"""Which run it is that `train` was asked for, and how it begins: anew or again, on one machine or several."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cli import command_line
from ..launching.job import Host, Job
from .settings import Settings, flags

if TYPE_CHECKING:
    from .run import Run


def choose(given: dict[str, Any]) -> tuple[Path | None, Settings]:
    """The directory that is named by out or resume, if any, and the settings, with those of the run in it.

    Out and resume are taken out of given, and what is left there made ready for Settings.

    Raises:
        ValueError: a setting cannot be or would make another run of it, or there is no run to go on with.
    """
    out, resume = given.pop("out", None), given.pop("resume", None)
    if "prefix" in given:
        given["prefix"] = tuple(given["prefix"])
    if os.path.isfile(given.get("corpus", "")):
        given["corpus"] = os.path.abspath(given["corpus"])  # --resume may be called from another folder
    settings = Settings(**given)  # a wrong flag is refused before mxnet is loaded
    from .directory import holds_run, newest_run

    if resume and out and resume != out:
        raise ValueError(f"--resume {resume} and --out {out} are two directories: give one")
    name = resume or out
    folder = Path(name) if name else newest_run() if resume is not None else None
    if folder and holds_run(folder):
        from .resume import resumed_settings

        return folder, resumed_settings(folder, given)
    if resume is not None:
        begin = command_line("d2lrnn.train", "--out", folder)
        raise ValueError(f"{folder} holds no run to go on with: begin one there with {begin}")
    return folder, settings


def prepare(
    stack: contextlib.ExitStack,
    folder: Path | None,
    settings: Settings,
    given: Mapping[str, Any],
    index: int | None,
) -> Run:
    """The run, ready to train: begun in folder (None: a new one), or as it was left there.

    index: of this worker, where there are several; only the first needs the folder. The folder is locked as
    long as the stack is open, unless the launcher has done it.

    Raises:
        ValueError, OSError: corpus, settings and directory do not go together.
    """
    from .directory import holds_run
    from .run import Run

    if index:
        return Run(settings, index)
    if folder and holds_run(folder):
        from .resume import resume_run

        _lock(stack, folder)
        return resume_run(folder, given, index)
    run = Run(settings, index)
    run.begin(_lock(stack, folder or _new(settings)))
    return run


def launch_run(
    stack: contextlib.ExitStack,
    folder: Path | None,
    settings: Settings,
    hosts: Sequence[Host],
    how: Mapping[str, Any],
) -> int:
    """Have the settings' workers train together, in processes of their own; the exit code.

    hosts: those of the file that how names (none: this machine).

    Raises:
        ValueError: the hosts have other workers, or another process trains into the folder.
    """
    from ..launching.launch import launch
    from .directory import holds_run

    hosts = hosts or [Host(num_workers=settings.workers)]
    places = sum(host.num_workers for host in hosts)
    if places != settings.workers:
        raise ValueError(f"{how['hosts']} names {places} workers, and {settings.workers} are to train")
    where = _lock(stack, folder or _new(settings))
    options = [f"--{name}={how[name]}" for name in ("autosave", "patience")]
    if how["hosts"]:  # for the line that says how to go on
        options += [f"--hosts={how['hosts']}", f"--ssh={shlex.join(how['ssh'])}"]
    command = [sys.executable, "-u", "-m", "d2lrnn.train"]
    worker = [*command, *flags(settings), *options, f"--out={where}"]
    limits = {name: how[name] for name in ("patience", "max_restarts")}
    try:
        return launch(Job(worker, hosts, num_servers=how["servers"], ssh=how["ssh"], **limits))
    finally:
        if not folder and not holds_run(where):  # nothing came of it
            shutil.rmtree(where, ignore_errors=True)


def _new(settings: Settings) -> Path:
    from .directory import new_folder

    return new_folder(settings)


def _lock(stack: contextlib.ExitStack, folder: Path) -> Path:
    from .directory import lock

    folder.mkdir(parents=True, exist_ok=True)
    if not os.environ.get("D2LRNN_AGENT"):
        stack.enter_context(lock(folder))
    return folder
