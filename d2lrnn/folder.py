"""The directory of a run: its files, its lock, and how it is found again."""

from __future__ import annotations

import dataclasses
import fcntl
import itertools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from .checkpoint import LATEST, read_small
from .config import Settings

CONFIG, METRICS, SAMPLES, CURVE = "config.json", "metrics.jsonl", "samples.txt", "curve.svg"
CHECKPOINTS, BEST = "checkpoints", "best"  # each a folder of numbered checkpoints
LOCK = ".lock"


def new_folder(settings: Settings, runs: Path = Path("runs")) -> Path:
    """A new directory in runs/, named after corpus and cell."""
    name = f"{Path(settings.corpus).name.split('.')[0] or 'corpus'}-{settings.cell}"
    runs.mkdir(exist_ok=True)
    for folder in itertools.chain([runs / name], (runs / f"{name}-{k}" for k in itertools.count(2))):
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise AssertionError("there are more numbers than folders")


def newest_run(runs: Path = Path("runs")) -> Path:
    """The directory in runs/ whose last checkpoint is the newest.

    Raises:
        ValueError: there is none.
    """
    latest = list(runs.glob(f"*/{CHECKPOINTS}/{LATEST}"))
    if not latest:
        raise ValueError(f"no run in {runs}/: train one with python -m d2lrnn.train, or name its directory")
    return max(latest, key=lambda path: path.stat().st_mtime).parent.parent


def holds_run(folder: Path) -> bool:
    """Whether a run was begun in folder."""
    return (folder / CONFIG).exists() or (folder / CHECKPOINTS).exists()


def lock(folder: Path) -> IO[str]:
    """Keep every other process from training into folder, as long as the returned file is open.

    The lock is the system's: it goes when the process goes, however that ends.

    Raises:
        ValueError: another process has it.
    """
    file = open(folder / LOCK, "a+")  # noqa: SIM115
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        owner = file.read(20).strip() or "?"
        file.close()
        raise ValueError(
            f"{folder} is in use: process {owner} trains there; wait for it, or give another --out"
        ) from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def read_config(folder: Path) -> dict[str, Any]:
    """What config.json says.

    Raises:
        ValueError: there is none, or it is not a JSON object.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise ValueError(f"{folder} is no run directory: it has no {CONFIG}")
    try:
        config = json.loads(read_small(path))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({type(error).__name__}: {error})") from None
    if not isinstance(config, dict):
        raise ValueError(f"{path} is damaged (no JSON object)")
    return config


def to_settings(config: Mapping[str, Any], path: Path) -> Settings:
    """The settings in a config; path says where it was found.

    Raises:
        ValueError: one is missing, or cannot be.
    """
    try:
        fields = {field.name: config[field.name] for field in dataclasses.fields(Settings)}
        if not all(isinstance(prefix, str) for prefix in fields["prefix"]):
            raise TypeError(f"prefix is {fields['prefix']!r}")
        return Settings(**{**fields, "prefix": tuple(fields["prefix"])})
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({type(error).__name__}: {error})") from None
