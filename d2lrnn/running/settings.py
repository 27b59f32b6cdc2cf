"""The settings of a run: one frozen dataclass, and the command line flags made from it."""

from __future__ import annotations

import argparse
import dataclasses
import math
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

PREFIXES = ("分开", "不分开", "战争中部队")
LR = {"adam": 0.005, "sgd": 100.0}
CLIP = {"adam": 1.0, "sgd": 0.01}
SIZE: Any = {"low": 1, "below": 2**31}  # what MXNet can count
FACTOR: Any = {"low": 1e-30, "below": 1e31}  # what float32 holds, with room for products


def setting(
    default: Any, help: str, *, choices: Sequence[str] = (), low: float = -math.inf, above: float = -math.inf,
    below: float = math.inf,
) -> Any:  # fmt: skip
    """A field of Settings: its default, its line in --help, and what it may be."""
    metadata = {"help": help, "choices": choices, "low": low, "above": above, "below": below}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """Everything that decides how a run goes. None stands for a choice that the help line explains."""

    corpus: str = setting(
        "lyrics", "lyrics (ours), jaychou, timemachine, or the path of a UTF-8 .txt or of a .zip with one"
    )
    max_chars: int | None = setting(None, "keep only the first so many characters", **SIZE)
    cell: str = setting("rnn", "the kind of network", choices=("rnn", "gru", "lstm"))
    layers: int = setting(1, "hidden layers, one on top of the other", **SIZE)
    hidden_dim: int = setting(256, "size of the hidden state", **SIZE)
    dropout: float = setting(
        0.0, "share of what each layer hands upward that is set to 0 while training", low=0, below=1
    )
    scale: float = setting(
        0.05, "deviation of the first weights; the tutorial's 0.01 takes longer to get going", **FACTOR
    )
    sampler: str = setting("random", "how batches are cut", choices=("random", "consecutive"))
    epochs: int = setting(25, "times through the corpus", **SIZE)
    batch_size: int = setting(32, "windows in a batch", **SIZE)
    num_steps: int = setting(35, "characters in a window", **SIZE)
    optimizer: str = setting("adam", "how weights are changed", choices=("adam", "sgd"))
    lr: float | None = setting(
        None, f"learning rate ({LR['adam']:g} for adam, {LR['sgd']:g} for sgd)", **FACTOR
    )
    clip: float | None = setting(
        None,
        f"the longest gradient allowed, theta ({CLIP['adam']:g} for adam, {CLIP['sgd']:g} for sgd)",
        **FACTOR,
    )
    heldout: float = setting(
        0.1, "share of the corpus, at its end, that is not trained on but measured", low=0, below=1
    )
    seed: int = setting(0, "the same seed gives the same numbers", low=0, below=2**32)
    ctx: str = setting("auto", "where to compute", choices=("auto", "cpu", "gpu"))
    workers: int = setting(1, "processes that train together, each on its shard of the corpus", **SIZE)
    deterministic: bool = setting(
        False, "add up what more than two workers send in a fixed order, at as many times the traffic"
    )
    prefix: tuple[str, ...] = setting((), f"what samples begin with; may be repeated ({', '.join(PREFIXES)})")
    pred_period: int = setting(5, "write samples every so many epochs", **SIZE)
    pred_len: int = setting(50, "characters in a sample after its prefix", **SIZE)

    def __post_init__(self) -> None:
        """Raises ValueError, naming the flag, for a value that cannot be."""
        hints = typing.get_type_hints(Settings)
        for field in dataclasses.fields(self):
            value, rule = getattr(self, field.name), field.metadata
            flag = flag_of(field.name)
            kinds = typing.get_args(hints[field.name]) or (hints[field.name],)  # (int, None) of Optional[int]
            for one in value if isinstance(value, tuple) else [value]:
                if type(one) not in kinds and not (type(one) is int and float in kinds):
                    raise ValueError(f"{flag} {one!r}: give {kinds[0].__name__}")
            if rule["choices"] and value not in rule["choices"]:
                raise ValueError(f"{flag} {value}: give one of {', '.join(rule['choices'])}")
            if isinstance(value, (int, float)) and not (
                rule["low"] <= value < rule["below"] and rule["above"] < value < math.inf
            ):
                raise ValueError(f"{flag} {value}: give a number {_bounds(rule)}")
        if "" in self.prefix:
            raise ValueError("--prefix is empty: give at least one character to start from")

    @property
    def theta(self) -> float:
        """The clipping threshold, chosen or by default."""
        return CLIP[self.optimizer] if self.clip is None else self.clip

    @property
    def learning_rate(self) -> float:
        """The learning rate, chosen or by default."""
        return LR[self.optimizer] if self.lr is None else self.lr


def _bounds(rule: Any) -> str:
    words = [f"of at least {rule['low']:.10g}"] if rule["low"] > -math.inf else []
    words += [f"above {rule['above']:.10g}"] if rule["above"] > -math.inf else []
    words += [f"below {rule['below']:.10g}"] if rule["below"] < math.inf else []
    return " and ".join(words)


def flag_of(name: str) -> str:
    """How the command spells a setting."""
    return "--" + name.replace("_", "-")


def flags(settings: Settings) -> list[str]:
    """The settings as arguments of the command that was given them."""
    found: list[str] = []
    for field in dataclasses.fields(Settings):
        flag, value = flag_of(field.name), getattr(settings, field.name)
        for one in value if isinstance(value, tuple) else [value]:
            if isinstance(one, bool):
                found += [flag] * one
            elif one is not None:
                found.append(f"{flag}={one}")
    return found


def add_settings(parser: argparse.ArgumentParser) -> None:
    """One flag for every field of Settings. A flag that is not given leaves no trace in the namespace."""
    for field in dataclasses.fields(Settings):
        add_setting(parser, field.name)


def add_setting(parser: argparse.ArgumentParser, name: str, *, default: Any = argparse.SUPPRESS) -> None:
    """The flag of one field of Settings. default: what the namespace holds if the flag is not given."""
    field, hint = Settings.__dataclass_fields__[name], typing.get_type_hints(Settings)[name]
    line = field.metadata["help"]
    if hint is bool:
        parser.add_argument(flag_of(name), action="store_true", help=line, default=default)
        return
    types = [t for t in typing.get_args(hint) if t in (int, float, str)]
    parser.add_argument(
        flag_of(name),
        type=types[0] if types else hint,
        action="append" if isinstance(field.default, tuple) else "store",
        choices=field.metadata["choices"] or None,
        metavar=None if field.metadata["choices"] else name.split("_")[-1].upper(),
        help=line if field.default in (None, ()) else f"{line} ({field.default})",
        default=default,
    )
