"""The settings of a new run from a file: the config.json of another run, or one written by hand."""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..checkpoint import read_small
from .directory import CONFIG, OLDER
from .settings import LaunchOptions, Settings, flag_of

FACTS = "facts"  # a run writes them beside its settings
FOLLOWS = {  # what was chosen for one corpus or optimizer, and says nothing about another
    "corpus": ("prefix", "lines", "encoding", "normalize", "field", "valid"),
    "optimizer": ("lr", "clip"),
}


def read_settings(source: str, given: Iterable[str] = ()) -> dict[str, Any]:
    """The settings in a config.json or in that of a run directory, but those that depend on what was given.

    A setting that the file of an older run lacks has the value that such runs used. given: names.

    Raises:
        ValueError: there is no such file, it is no JSON object, or it has a setting that cannot be.
        OSError: it cannot be read.
    """
    path = Path(source) / CONFIG if Path(source).is_dir() else Path(source)
    config = _read(path)
    config = {**(OLDER if FACTS in config else {}), **config}
    config.pop(FACTS, None)
    fields = {field.name: field for field in dataclasses.fields(Settings)}
    for name in config:
        if name not in fields:
            raise ValueError(f"{path}: {name!r} is not a setting of a run: {_remedy(name, fields)}")
    for name, value in config.items():
        if isinstance(fields[name].default, tuple):
            config[name] = tuple(value) if isinstance(value, list) else (value,)
    try:
        Settings(**config)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    dropped = {follower for name in given for follower in FOLLOWS.get(name, ())}
    return {name: value for name, value in config.items() if name not in dropped}


def _read(path: Path) -> dict[str, Any]:
    if "\0" in str(path) or not path.exists():
        raise ValueError(f"--config {path} does not exist: give a config.json, or the directory of a run")
    try:
        config = json.loads(read_small(path))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} holds no settings ({error}): give a JSON object") from None
    if not isinstance(config, dict):
        raise ValueError(f"{path} holds no settings ({type(config).__name__}): give a JSON object")
    return config


def _remedy(name: str, fields: Iterable[str]) -> str:
    plain = name.lstrip("-").replace("-", "_")
    if plain in LaunchOptions.__dataclass_fields__ or plain == "recipe":
        return f"give {flag_of(plain)} on the command line"
    near = difflib.get_close_matches(plain, fields, 1)
    return f"do you mean {near[0]}?" if near else "omit it; --help lists the settings, as flags"
