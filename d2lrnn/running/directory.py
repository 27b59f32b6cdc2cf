"""The directory of a run: its files, its lock, and how it is found and read again."""

from __future__ import annotations

import dataclasses
import fcntl
import itertools
import json
import os
from collections import namedtuple
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..checkpoint import LATEST, load_newest, read_small
from ..cli import command_line, warn
from ..fast import get_network
from ..sampling import try_gpu
from ..text import Vocab
from .settings import Settings

CONFIG, METRICS, SAMPLES, CURVE = "config.json", "metrics.jsonl", "samples.txt", "curve.svg"
CHECKPOINTS, BEST = "checkpoints", "best"  # each a folder of numbered checkpoints
LOCK = ".lock"
PROGRESS = ("epoch", "batch", "nats", "num_chars", "seconds")  # how far a run has come


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
        train = command_line("d2lrnn.train")
        raise ValueError(f"no run in {runs}/: name the directory of one, or train one with {train}")
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
        config = {"deterministic": False, **config}  # older runs do not have it
        fields = {field.name: config[field.name] for field in dataclasses.fields(Settings)}
        return Settings(**{**fields, "prefix": tuple(fields["prefix"])})
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({type(error).__name__}: {error})") from None


def load_run(folder: Path, ctx: Any = None, *, best: bool = False) -> tuple[Settings, Vocab, Any, Any]:
    """(settings, vocab, network, params) of a run directory, to write with: its newest, or its best.

    best: those that did best on the held-out text.

    Raises:
        ValueError: it is no run directory, it has no such checkpoint, or none that is whole.
    """
    ctx = ctx or try_gpu()
    try:
        path, arrays, facts = newest(folder / (BEST if best else CHECKPOINTS), ctx)
    except FileNotFoundError:
        read_config(folder)
        why = "nothing was held out of its training, or its first epoch is not over" if best else "not begun"
        raise ValueError(f"{folder} holds no {'best ' * best}checkpoint: {why}") from None
    check_facts(facts, path)
    settings = to_settings(facts["config"], path)
    vocab = Vocab(facts["chars"])
    network = get_network(settings.cell, settings.layers)
    names = check_shapes(network, len(vocab), settings.hidden_dim, arrays, path)
    return settings, vocab, network, namedtuple("Params", names)(*(arrays[name] for name in names))


def check_facts(facts: Any, path: Path) -> None:
    """facts are those of a checkpoint of a run.

    Raises:
        ValueError: something is missing, or is of another kind.
    """
    kinds = {"config": dict, "chars": str, "progress": dict, "t": int, "best": dict, "bytes": dict}
    if not isinstance(facts, dict):
        raise ValueError(f"{path} is of no run of ours: its facts are no object")
    for name in ("config", "chars") if "progress" not in facts else kinds:
        if not isinstance(facts.get(name), kinds[name]):
            raise ValueError(f"{path} is of no run of ours: {name} is {facts.get(name)!r}")
    if "progress" in facts:
        numbers = {
            "t": facts["t"],
            **{name: facts["progress"].get(name) for name in PROGRESS},
            **facts["bytes"],
        }
        for name, number in numbers.items():
            whole = int if name not in ("nats", "seconds") else (int, float)
            if isinstance(number, bool) or not isinstance(number, whole) or not 0 <= number < 2**53:
                raise ValueError(f"{path} is of no run of ours: {name} is {number!r}")


def newest(folder: Path, ctx: Any) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """load_newest, with a warning for each checkpoint that was passed over."""
    path, arrays, facts, damaged = load_newest(folder, ctx)
    for reason in damaged:
        warn(f"{reason}; {path.name} is taken instead")
    return path, arrays, facts


def check_shapes(
    network: Any, vocab_size: int, hidden_dim: int, arrays: dict[str, Any], path: Path
) -> list[str]:
    """The names of the parameters.

    Raises:
        ValueError: one of them is not among arrays, or has not its shape.
    """
    names = []
    for name, shape in network.shapes(vocab_size, hidden_dim):
        if name not in arrays or arrays[name].shape != shape or arrays[name].dtype != np.float32:
            found = arrays[name].shape if name in arrays else "missing"
            raise ValueError(f"{path}: {name} is {found}, and the settings ask for {shape} of float32")
        names.append(name)
    return names
