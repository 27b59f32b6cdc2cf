"""A run that was stopped goes on: from which checkpoint, and what may be given anew."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mxnet as mx

from ..cli import warn
from .directory import CHECKPOINTS, CONFIG, OLDER, Checkpoint, check_facts, newest, read_config, to_settings
from .run import Run, stalls
from .settings import Settings, flag_of

# the settings that may be given anew, and those that may be, with a warning
CHANGEABLE = ("epochs", "early_stop", "prefix", "pred_period", "pred_len", "temperature")
WARNED = ("lr", "schedule", "warmup", "weight_decay", "clip")


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
        if value == before:
            continue
        if name == "epochs" and warns and asked.get("schedule", begun.schedule) == "cosine":
            warn(f"{folder}: --epochs was {before} and is {value}: the learning rate jumps to the new cosine")
        if name in CHANGEABLE:
            continue
        if name not in WARNED:
            raise ValueError(f"{flag} {value}: {folder} was begun with {before}; omit {flag}")
        if warns:
            warn(f"{folder}: {flag} was {before} and is {value} from now on")
    return dataclasses.replace(begun, **asked)


def resume_run(folder: Path, asked: Mapping[str, Any], index: int | None = None) -> Run:
    """The run in folder as its last whole checkpoint has it; asked: the settings that are given anew.

    index: of this worker, where there are several.

    Raises:
        ValueError: no checkpoint is whole, a setting would make another run of it, its config.json or its
            corpus was changed, or it has had all its epochs or stopped early.
    """
    try:
        checkpoint = _newest(folder)
    except FileNotFoundError:  # it ended before its first checkpoint
        run = Run(change(folder, begun_settings(folder), asked, warns=True), index)
        run.begin(folder)
        return run
    check_facts(checkpoint)
    path, _, facts = checkpoint
    try:
        settings = change(folder, to_settings(facts["config"], path), asked, warns=True)
        _check_config(folder, facts["config"])
        _check_unfinished(folder, settings, facts)
        run = Run(settings, index)
        run.resume(folder, checkpoint)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} was not written by d2lrnn ({type(error).__name__}: {error})") from None
    return run


def _check_unfinished(folder: Path, settings: Settings, facts: Mapping[str, Any]) -> None:
    epoch = facts["progress"]["epoch"]
    if epoch >= settings.epochs:
        had, larger = f"has had its {epoch} epochs", "--epochs"
    elif not facts["progress"]["batch"] and stalls(settings, epoch, facts["best"]):
        had, larger = f"stopped early, after epoch {epoch}", f"--early-stop than {settings.early_stop}"
    else:
        return
    raise ValueError(f"{folder} {had}: give a larger {larger} to go on, or another --out to begin anew")


def _newest(folder: Path) -> Checkpoint:
    """The last whole checkpoint, its arrays on the host: which device they go to, its facts say."""
    return newest(folder / CHECKPOINTS, mx.cpu())


def _check_config(folder: Path, config: Mapping[str, Any]) -> None:
    """config.json is for reading: if it says something else than the checkpoint, somebody meant something."""
    try:
        found = {**OLDER, **read_config(folder)}
    except ValueError as error:
        warn(f"{error}; it is written anew")
        return
    found, config = {**OLDER, **found}, {**OLDER, **config}
    for name in [field.name for field in dataclasses.fields(Settings)]:
        if found.get(name) == config[name]:
            continue
        line = (
            f"{folder / CONFIG}: {name} is {found.get(name)!r} there, and {config[name]!r} in the checkpoint"
        )
        if name not in CHANGEABLE + WARNED:
            raise ValueError(f"{line}: put it back, and change settings by flags")
        warn(f"{line}, which counts")
