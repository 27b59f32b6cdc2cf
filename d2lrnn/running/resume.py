"""A run that was stopped goes on: from which checkpoint, and what may be given anew."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mxnet as mx

from ..cli import warn
from .directory import (
    CHECKPOINTS,
    CONFIG,
    Checkpoint,
    check_facts,
    complete,
    newest,
    read_config,
    to_settings,
)
from .run import Run
from .settings import Settings, flag_of, spelled

# the settings that may be given anew, and those that may be, with a warning
CHANGEABLE = ("epochs", "prefix", "pred_period", "pred_len")
WARNED = ("lr", "clip")


def begun_settings(folder: Path) -> Settings:
    """The settings with which the run in folder was begun, as config.json has them.

    Raises:
        ValueError: neither config.json nor a checkpoint is whole.
    """
    try:
        return to_settings(read_config(folder), folder / CONFIG)
    except ValueError:
        path, _, facts = _newest(folder)
        return to_settings(facts["config"], path)


def change(
    folder: Path | None, begun: Settings, asked: Mapping[str, Any], *, warns: bool = False
) -> Settings:
    """The settings of the run in folder, with those that are asked for anew.

    Raises:
        ValueError: they would make another run of it.
    """
    for name, value in asked.items():
        before, flag = getattr(begun, name), flag_of(name)
        if value == before or name in CHANGEABLE:
            continue
        if name not in WARNED:
            raise ValueError(
                f"{flag} {spelled(value)}: {folder} was begun with {spelled(before)}; omit {flag}"
            )
        if warns:
            warn(f"{folder}: {flag} was {before} and is {value} from now on")
    return dataclasses.replace(begun, **asked)


def resume_run(folder: Path, asked: Mapping[str, Any], index: int | None = None) -> Run:
    """The run in folder as its last whole checkpoint has it; asked: the settings that are given anew.

    index: of this worker, where there are several.

    Raises:
        ValueError: no checkpoint is whole, a setting would make another run of it, its config.json or its
            corpus was changed, or it has had all its epochs.
    """
    try:
        checkpoint = _newest(folder)
    except FileNotFoundError:  # it ended before its first checkpoint
        run = Run(change(folder, begun_settings(folder), asked, warns=True), index, folder)
        run.begin(folder)
        return run
    check_facts(checkpoint)
    path, _, facts = checkpoint
    try:
        settings = change(folder, to_settings(facts["config"], path), asked, warns=True)
        _check_config(folder, facts["config"])
        if facts["progress"]["epoch"] >= settings.epochs:
            raise ValueError(
                f"{folder} has had its {facts['progress']['epoch']} epochs: give a larger --epochs to go on, "
                "or another --out to begin anew"
            )
        run = Run(settings, index, folder)
        run.resume(folder, checkpoint)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} was not written by d2lrnn ({type(error).__name__}: {error})") from None
    return run


def _newest(folder: Path) -> Checkpoint:
    """The last whole checkpoint, its arrays on the host: which device they go to, its facts say."""
    return newest(folder / CHECKPOINTS, mx.cpu())


def _check_config(folder: Path, config: Mapping[str, Any]) -> None:
    """config.json is for reading: if it says something else than the checkpoint, somebody meant something."""
    try:
        found = read_config(folder)
    except ValueError as error:
        warn(f"{error}; it is written anew")
        return
    found, config = complete(found), complete(config)
    for name in [field.name for field in dataclasses.fields(Settings)]:
        if found.get(name) == config[name]:
            continue
        line = (
            f"{folder / CONFIG}: {name} is {found.get(name)!r} there, and {config[name]!r} in the checkpoint"
        )
        if name not in CHANGEABLE + WARNED:
            raise ValueError(f"{line}: put it back, and change settings by flags")
        warn(f"{line}, which counts")
