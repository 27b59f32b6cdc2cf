"""The directory of a run: what is written where, its lock, and how it is found and read again."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import itertools
import json
import os
from collections import namedtuple
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import mxnet as mx
import numpy as np

from ..checkpoint import LATEST, load_newest, read_small, save_next, write_atomically
from ..cli import command_line, warn
from ..fast import Network, get_network
from ..loss import perplexity
from ..sampling import try_gpu
from ..text import Vocab
from .settings import Settings

CONFIG, METRICS, SAMPLES, CURVE = "config.json", "metrics.jsonl", "samples.txt", "curve.svg"
LOGS = (METRICS, SAMPLES)
CHECKPOINTS, BEST = "checkpoints", "best"  # each a folder of numbered checkpoints
LOCK = ".lock"
PERPLEXITIES = ("train_perplexity", "heldout_perplexity")


@dataclass
class Progress:
    """How far a run has come: how many epochs are done, and what of the next one."""

    epoch: int = 0
    batch: int = 0
    nats: float = 0.0
    num_chars: int = 0
    seconds: float = 0.0

    @property
    def perplexity(self) -> float:
        """The training perplexity of the epoch so far."""
        return perplexity(self.nats / max(self.num_chars, 1))


class Checkpoint(NamedTuple):
    """A checkpoint of a run, read again."""

    path: Path
    arrays: dict[str, mx.nd.NDArray]
    facts: dict[str, Any]


class Trained(NamedTuple):
    """A network to write with, and where it was found."""

    source: Path
    settings: Settings
    vocab: Vocab
    network: Network
    params: Any  # a NamedTuple of NDArrays, whose names depend on the network


@dataclass
class Directory:
    """The files of a run that is trained here. last: its newest checkpoint."""

    path: Path
    last: Path | None = None

    def write_config(self, config: Mapping[str, Any]) -> None:
        """config.json."""
        text = json.dumps(config, ensure_ascii=False, indent=2) + "\n"
        write_atomically(self.path / CONFIG, text.encode())

    def log(self, name: str, text: str) -> None:
        """Append to metrics.jsonl or samples.txt."""
        with open(self.path / name, "a", encoding="utf-8") as log:
            log.write(text)

    def cut_logs(self, sizes: Mapping[str, int]) -> None:
        """Forget what was logged behind these sizes; a log that is not there begins empty."""
        for name, size in sizes.items():
            with open(self.path / name, "ab") as log:
                log.truncate(min(log.tell(), size))

    def read_metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl that are whole."""
        metrics = []
        for line in (self.path / METRICS).read_bytes().splitlines():
            with contextlib.suppress(KeyError, TypeError, ValueError, RecursionError):
                read = json.loads(line)
                perplexities = {key: None if read[key] is None else float(read[key]) for key in PERPLEXITIES}
                metrics.append({"epoch": int(read["epoch"]), **perplexities})
        return metrics

    def draw_curve(self, metrics: Sequence[dict[str, Any]]) -> None:
        """curve.svg from the lines of metrics.jsonl."""
        from .plot import draw_curve  # matplotlib takes half a second to load

        write_atomically(self.path / CURVE, draw_curve(metrics))

    def save(self, arrays: Mapping[str, mx.nd.NDArray], facts: Mapping[str, Any]) -> None:
        """The next checkpoint, with what is logged so far; this one and the one before it stay."""
        sizes = {name: (self.path / name).stat().st_size for name in LOGS}
        self.last = save_next(self.path / CHECKPOINTS, arrays, {**facts, "bytes": sizes}, self.last)


def new_folder(settings: Settings, runs: Path = Path("runs")) -> Path:
    """A new directory in runs/, named after corpus and cell."""
    name = f"{Path(settings.corpus).name.split('.')[0] or 'corpus'}-{settings.cell}"
    runs.mkdir(exist_ok=True)
    for k in itertools.count(1):
        folder = runs / (f"{name}-{k}" if k > 1 else name)
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
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


def load_run(folder: Path, ctx: mx.Context | None = None, *, best: bool = False) -> Trained:
    """The network of a run directory, to write with: its newest, or its best.

    best: that which did best on the held-out text.

    Raises:
        ValueError: it is no run directory, it has no such checkpoint, or none that is whole.
    """
    try:
        found = newest(folder / (BEST if best else CHECKPOINTS), ctx or try_gpu())
    except FileNotFoundError:
        read_config(folder)
        why = "nothing was held out of its training, or its first epoch is not over" if best else "not begun"
        kind = "best checkpoint" if best else "checkpoint"
        raise ValueError(f"{folder} holds no {kind}: {why}") from None
    check_facts(found)
    settings = to_settings(found.facts["config"], found.path)
    vocab = Vocab(found.facts["chars"])
    network = get_network(settings.cell, settings.layers)
    arrays = check_shapes(network, len(vocab), settings.hidden_dim, found)
    return Trained(folder, settings, vocab, network, namedtuple("Params", arrays)(*arrays.values()))


def check_facts(checkpoint: Checkpoint) -> None:
    """Its facts are those of a run.

    Raises:
        ValueError: something is missing, or is of another kind.
    """
    path, _, facts = checkpoint
    kinds = {"config": dict, "chars": str, "progress": dict, "t": int, "best": dict, "bytes": dict}
    if not isinstance(facts, dict):
        raise ValueError(f"{path} was not written by d2lrnn: its facts are no object")
    for name in ("config", "chars") if "progress" not in facts else kinds:
        if not isinstance(facts.get(name), kinds[name]):
            raise ValueError(f"{path} was not written by d2lrnn: {name} is {facts.get(name)!r}")
    if "progress" in facts:
        progress = {field.name: facts["progress"].get(field.name) for field in dataclasses.fields(Progress)}
        for name, number in {"t": facts["t"], **progress, **facts["bytes"]}.items():
            whole = int if name not in ("nats", "seconds") else (int, float)
            if isinstance(number, bool) or not isinstance(number, whole) or not 0 <= number < 2**53:
                raise ValueError(f"{path} was not written by d2lrnn: {name} is {number!r}")


def newest(folder: Path, ctx: mx.Context) -> Checkpoint:
    """load_newest, with a warning for each damaged checkpoint."""
    path, arrays, facts, damaged = load_newest(folder, ctx)
    for reason in damaged:
        warn(f"{reason}; {path.name} is taken instead")
    return Checkpoint(path, arrays, facts)


def check_shapes(
    network: Network, vocab_size: int, hidden_dim: int, checkpoint: Checkpoint
) -> dict[str, mx.nd.NDArray]:
    """The parameters among its arrays, in the order of the network.

    Raises:
        ValueError: one of them is not there, or has not its shape.
    """
    path, arrays, _ = checkpoint
    params = {}
    for name, shape in network.shapes(vocab_size, hidden_dim):
        if name not in arrays or arrays[name].shape != shape or arrays[name].dtype != np.float32:
            found = arrays[name].shape if name in arrays else "missing"
            raise ValueError(f"{path}: {name} is {found}, and the settings ask for {shape} of float32")
        params[name] = arrays[name]
    return params
