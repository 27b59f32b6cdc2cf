"""What `runs` shows of a run: read without MXNet, in whatever state its files are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..cli import command_line
from .folder import (
    CONFIG,
    METRICS,
    by_number,
    date_of,
    holds_run,
    is_locked,
    read_config,
    read_facts,
    read_metrics,
    time_in,
)
from .settings import CLIP, LR, OLDER, Settings

TRAINING, STOPPED, DONE, BEGUN, DAMAGED = "training", "stopped", "done", "begun", "damaged"
KINDS: dict[str, Any] = {"corpus": (str, list), "cell": str, "layers": int, "hidden_dim": int, "epochs": int}


class Listed(NamedTuple):
    """A run, as it is listed.

    saved: seconds since 1970. state: one of those above. epochs: how many are done. best: epoch and
    perplexity on held-out text. fault: why it is damaged.
    """

    path: Path
    saved: float
    state: str
    config: Mapping[str, Any] = {}
    metrics: Sequence[Mapping[str, Any]] = ()
    epochs: int = 0
    best: tuple[int, float] | None = None
    fault: str = ""

    @property
    def bits(self) -> float | None:
        """The best, in bits per character."""
        return math.log2(self.best[1]) if self.best else None

    @property
    def corpus(self) -> str:
        """The names of its files, without their folders."""
        corpus = self.config.get("corpus", "")
        return ", ".join(Path(one).name or one for one in ([corpus] if isinstance(corpus, str) else corpus))

    @property
    def network(self) -> str:
        """Cell, layers and width: lstm 2x256."""
        layers = self.config["layers"]
        return f"{self.config['cell']} {f'{layers}x' * (layers > 1)}{self.config['hidden_dim']}"

    def last(self, key: str) -> float | None:
        """A perplexity of the last epoch."""
        return self.metrics[-1][key] if self.metrics else None

    def setting(self, name: str) -> Any:
        """What config.json says, or means by not saying it."""
        return self.config.get(name, OLDER.get(name))

    def chosen(self) -> dict[str, Any]:
        """The settings that are not the default, beside corpus, network and epochs."""
        kind = self.config.get("optimizer", "")
        usual = {**vars(Settings()), "lr": LR.get(kind), "clip": CLIP.get(kind)}
        names = [name for name in usual if name not in (*KINDS, "prefix", "chars") and name in self.config]
        return {name: self.config[name] for name in names if self.config[name] != usual[name]}


def find_runs(folders: Sequence[Path]) -> list[Listed]:
    """The runs in folders, or that these are themselves, the newest first.

    Raises:
        ValueError: one of them is not a run, and holds none.
    """
    paths = {path: None for folder in folders for path in _runs_in(folder)}  # once each
    return sorted(map(look_at, paths), key=lambda run: (-run.saved, by_number(str(run.path))))


def _runs_in(folder: Path) -> list[Path]:
    runs = [folder] if holds_run(folder) else [path for path in folder.glob("*") if holds_run(path)]
    if not runs:
        train = command_line("d2lrnn.train")
        raise ValueError(f"no run in {folder}/: name the directory of one, or train one with {train}")
    return runs


def look_at(folder: Path) -> Listed:
    """The run in folder, as it is listed."""
    try:
        return _look_at(folder)
    except (ValueError, OSError) as error:
        fault = str(error)
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        fault = f"{folder} was not written by d2lrnn ({type(error).__name__}: {error})"
    return Listed(folder, date_of(folder) if folder.exists() else 0, DAMAGED, fault=fault)


def _look_at(folder: Path) -> Listed:
    training = is_locked(folder)
    try:
        checkpoint, facts = read_facts(folder)
    except FileNotFoundError:
        return _look_at_begun(folder, TRAINING if training else BEGUN)
    config = _config(folder, facts)
    _check_config(config, checkpoint)
    saved, epochs = time_in(facts) or date_of(checkpoint), int(facts["progress"]["epoch"])
    metrics = list(_finite(read_metrics(folder))) if (folder / METRICS).is_file() else []
    if training:
        epochs = max([epochs, *(line["epoch"] for line in metrics)])
    metrics = [line for line in metrics if line["epoch"] <= epochs]  # what was not saved is trained again
    best = _best(facts, metrics)
    idle = config.get("early_stop") and epochs - (best[0] if best else 0) >= config["early_stop"]
    state = DONE if epochs >= config["epochs"] or idle else STOPPED
    return Listed(folder, saved, TRAINING if training else state, config, metrics, epochs, best)


def _look_at_begun(folder: Path, state: str) -> Listed:
    config = read_config(folder)
    _check_config(config, folder / CONFIG)
    return Listed(folder, date_of(folder / CONFIG), state, config)


def _config(folder: Path, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """config.json is the newer one; if it is damaged, a run continues with that of its checkpoint."""
    try:
        return read_config(folder)
    except ValueError:
        if not isinstance(facts.get("config"), dict):
            raise
        return facts["config"]


def _check_config(config: Mapping[str, Any], path: Path) -> None:
    for name, kind in KINDS.items():
        if not isinstance(config.get(name), kind):
            raise ValueError(f"{path} is damaged ({name} is {config.get(name)!r})")


def _finite(metrics: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The lines of metrics, without what is no perplexity."""
    for line in metrics:
        perplexities = {name: value for name, value in line.items() if name != "epoch"}
        finite = {
            name: p if p is not None and 1 <= p < math.inf else None for name, p in perplexities.items()
        }
        yield {"epoch": line["epoch"], **finite}


def _best(facts: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]]) -> tuple[int, float] | None:
    """Epoch and perplexity of the best on held-out text: of those logged, and the one that is kept."""
    kept = facts.get("best")
    lines = [*metrics, *_finite([kept] if isinstance(kept, dict) and "epoch" in kept else [])]
    measured = [
        (line["heldout_perplexity"], line["epoch"]) for line in lines if line.get("heldout_perplexity")
    ]
    return min(measured)[::-1] if measured else None
