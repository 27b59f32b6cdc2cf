"""The directory of a run: what is written where, and how it is read again."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import time
from collections import namedtuple
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import mxnet as mx
import numpy as np

from ..checkpoint import load_newest, save_next, write_atomically
from ..cli import warn
from ..corpora import called
from ..fast import Network
from ..loss import perplexity
from ..sampling import try_gpu
from ..text import Vocab
from .folder import BEST, CHECKPOINTS, CONFIG, CURVE, LOGS, SAVED, read_config, read_metrics
from .regularised import Regularised, get_regularised, untied
from .settings import OLDER, Settings

MEAN = "mean_"  # begins the names of the running means of the weights in a checkpoint


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
    """A network to write with, and where it was found.

    what: which state of its run it is, in a few words. tied: the same parameters before they were untied;
    None: they are not tied in that source.
    """

    source: Path
    settings: Settings
    vocab: Vocab
    network: Network
    params: Any  # a NamedTuple of NDArrays, whose names depend on the network
    what: str = ""
    tied: Any = None


@dataclass
class Directory:
    """The files of a run that is trained here. last: its newest checkpoint."""

    path: Path
    last: Path | None = None

    def write_config(self, config: Mapping[str, Any]) -> None:
        """config.json."""
        text = json.dumps(config, ensure_ascii=False, indent=2) + "\n"
        write_atomically(
            self.path / CONFIG, text.encode(errors="backslashreplace")
        )  # a name that is no UTF-8

    def write_list(self, name: str, lines: Sequence[str]) -> None:
        """A list that is too long for config.json, in a file of its own."""
        write_atomically(self.path / f"{name}.txt", "".join(f"{line}\n" for line in lines).encode())

    def read_list(self, name: str) -> list[str]:
        """That list again; empty if it is gone."""
        with contextlib.suppress(OSError, ValueError):
            return (self.path / f"{name}.txt").read_text("utf-8").splitlines()
        return []

    def log(self, name: str, text: str) -> None:
        """Append to metrics.jsonl or samples.txt."""
        with open(self.path / name, "a", encoding="utf-8") as log:
            log.write(text)

    def cut_logs(self, sizes: Mapping[str, int]) -> None:
        """Cut the logs off at these sizes; a missing log begins empty."""
        for name, size in sizes.items():
            with open(self.path / name, "ab") as log:
                log.truncate(min(log.tell(), size))

    def read_metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl that are whole."""
        return read_metrics(self.path)

    def draw_curve(self, metrics: Sequence[dict[str, Any]]) -> None:
        """curve.svg from the lines of metrics.jsonl."""
        from .plot import draw_curve  # matplotlib takes half a second to load

        write_atomically(self.path / CURVE, draw_curve(metrics))

    def save(self, arrays: Mapping[str, mx.nd.NDArray], facts: Mapping[str, Any]) -> None:
        """The next checkpoint, with what is logged so far; this one and the one before it stay."""
        sizes = {name: (self.path / name).stat().st_size for name in LOGS}
        facts = {**facts, "bytes": sizes, SAVED: round(time.time(), 3)}
        self.last = save_next(self.path / CHECKPOINTS, arrays, facts, self.last)


def new_folder(settings: Settings, runs: Path = Path("runs")) -> Path:
    """A new directory in runs/, named after corpus and cell."""
    name = f"{called(settings.corpus[0]).split('.')[0] or 'corpus'}-{settings.cell}"
    runs.mkdir(exist_ok=True)
    for k in itertools.count(1):
        folder = runs / (f"{name}-{k}" if k > 1 else name)
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise AssertionError("there are more numbers than folders")


def complete(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config of whatever age, with all settings that there are today, as they are written today."""
    config = {**OLDER, **config}
    corpus = config.get("corpus")
    return {**config, "corpus": [corpus]} if isinstance(corpus, str) else config


def to_settings(config: Mapping[str, Any], path: Path) -> Settings:
    """The settings in a config; path says where it was found.

    Raises:
        ValueError: one is missing, or cannot be.
    """
    try:
        config = complete(config)
        fields = {field.name: config[field.name] for field in dataclasses.fields(Settings)}
        for name in ("corpus", "valid", "prefix"):
            fields[name] = tuple(fields[name])
        return Settings(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({type(error).__name__}: {error})") from None


def load_run(folder: Path, ctx: mx.Context | None = None, *, best: bool | None = None) -> Trained:
    """The network of a run directory, to write with.

    best: True: the parameters that did best on held-out text. False: the newest. None: the best where there
    is one, else the newest.

    Raises:
        ValueError: it is not a run directory, it has no such checkpoint, or none that is whole.
    """
    found, is_best = _find(folder, ctx or try_gpu(), best)
    check_facts(found)
    settings = to_settings(found.facts["config"], found.path)
    vocab = Vocab(found.facts["chars"])
    network = get_regularised(settings)
    mean = MEAN if settings.average and not is_best else ""  # the best are means already
    arrays = check_shapes(network, len(vocab), settings.hidden_dim, found, mean)
    params = namedtuple("Params", arrays)(*arrays.values())
    tied, which = params if network.tied else None, _which(found, is_best)
    return Trained(folder, settings, vocab, network.network, untied(params), which, tied)


def _find(folder: Path, ctx: mx.Context, best: bool | None) -> tuple[Checkpoint, bool]:
    """The checkpoint that load_run takes, and whether it is the best."""
    if best is not False:
        try:
            return newest(folder / BEST, ctx), True
        except FileNotFoundError:
            if best:
                read_config(folder)
                why = "nothing was held out of its training, or its first epoch is not over"
                raise ValueError(f"{folder} holds no best checkpoint: {why}") from None
        except ValueError as error:
            if best:
                raise
            warn(f"{error}; the end of the run is taken instead")
    try:
        return newest(folder / CHECKPOINTS, ctx), False
    except FileNotFoundError:
        read_config(folder)
        raise ValueError(f"{folder} holds no checkpoint: not begun") from None


def _which(checkpoint: Checkpoint, is_best: bool) -> str:
    """Trained.what."""
    path, _, facts = checkpoint
    if not is_best:
        epoch, batch = facts["progress"]["epoch"], facts["progress"]["batch"]
        return f"epoch {epoch + 1}, batch {batch}, the last" if batch else f"epoch {epoch}, the last"
    try:
        return f"epoch {facts['epoch']:d}, best held-out {facts['heldout_perplexity']:.1f}"
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} was not written by d2lrnn ({type(error).__name__}: {error})") from None


def check_facts(checkpoint: Checkpoint) -> None:
    """Its facts are those of a run.

    Raises:
        ValueError: something is missing, or is of another kind.
    """
    path, _, facts = checkpoint
    kinds = {"config": dict, "chars": str, "progress": dict, "t": int, "best": dict, "bytes": dict}
    if not isinstance(facts, dict):
        raise ValueError(f"{path} was not written by d2lrnn: its facts are not an object")
    for name in ("config", "chars") if "progress" not in facts else kinds:
        if not isinstance(facts.get(name), kinds[name]):
            raise ValueError(f"{path} was not written by d2lrnn: {name} is {facts.get(name)!r}")
    if "progress" in facts:
        progress = {field.name: facts["progress"].get(field.name) for field in dataclasses.fields(Progress)}
        for name, number in {"t": facts["t"], **progress, **facts["bytes"]}.items():
            whole = int if name not in ("nats", "seconds") else (int, float)
            if isinstance(number, bool) or not isinstance(number, whole) or not 0 <= number < 2**53:
                raise ValueError(f"{path} was not written by d2lrnn: {name} is {number!r}")
        best = facts["best"]
        epochs, kind = range(1, progress["epoch"] + 1), type(best.get("heldout_perplexity"))
        if best and not (best.get("epoch") in epochs and kind is float):
            raise ValueError(f"{path} was not written by d2lrnn: best is {best!r}")


def newest(folder: Path, ctx: mx.Context) -> Checkpoint:
    """load_newest, with a warning for each damaged checkpoint."""
    path, arrays, facts, damaged = load_newest(folder, ctx)
    for reason in damaged:
        warn(f"{reason}; {path.name} is taken instead")
    return Checkpoint(path, arrays, facts)


def check_shapes(
    network: Regularised, vocab_size: int, hidden_dim: int, checkpoint: Checkpoint, prefix: str = ""
) -> dict[str, mx.nd.NDArray]:
    """The parameters among its arrays, in the order of the network; there their names begin with prefix.

    Raises:
        ValueError: one of them is missing, or has the wrong shape.
    """
    path, arrays, _ = checkpoint
    params = {}
    for param, shape in network.shapes(vocab_size, hidden_dim):
        name = f"{prefix}{param}"
        if name not in arrays or arrays[name].shape != shape or arrays[name].dtype != np.float32:
            found = arrays[name].shape if name in arrays else "missing"
            raise ValueError(f"{path}: {name} is {found}, and the settings ask for {shape} of float32")
        params[param] = arrays[name]
    return params
