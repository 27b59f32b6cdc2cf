"""The settings of a run and how it is launched: two frozen dataclasses, and the flags made from them."""

from __future__ import annotations

import argparse
import dataclasses
import math
import shlex
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..launching.job import SSH

PREFIXES = ("分开", "不分开", "战争中部队")
GROUPS = {  # of flags, as --help shows them
    "text": "corpus max_chars heldout",
    "network": "cell layers hidden_dim dropout scale",
    "training": "sampler epochs batch_size num_steps optimizer lr clip seed ctx",
    "output": "prefix pred_period pred_len",
    "several workers": "workers deterministic",
}
ABOUT = {  # each group: what it is about, and an example
    "text": ("What the network learns from.", "--corpus poems.txt --heldout 0.05"),
    "network": ("What it is made of.", "--cell lstm --layers 2 --dropout 0.3"),
    "training": ("How it learns.", "--epochs 50 --num-steps 100 --lr 0.002"),
    "output": ("What is written, and where.", "--out runs/poems --prefix 'Once upon'"),
    "several workers": (
        "Train in several processes, on one machine or more.", "--workers 4 --batch-size 16"
    ),
}  # fmt: skip
LR = {"adam": 0.005, "sgd": 100.0}
CLIP = {"adam": 1.0, "sgd": 0.01}
SIZE: Any = {"low": 1, "below": 2**31}  # what MXNet can count
FACTOR: Any = {"low": 1e-30, "below": 1e31}  # what float32 holds, with room for products


def setting(
    default: Any, help: str, *, choices: Sequence[str] = (), low: float = -math.inf, below: float = math.inf,
    metavar: str | None = None, unset: str = "none",
) -> Any:  # fmt: skip
    """A field of Flags: its default, its line in --help, what it may be, and what --help calls that.

    unset: how --help says a default of None or ().
    """
    words = {"help": help, "default": _in_words(default, unset), "metavar": metavar}
    return dataclasses.field(
        default=default, metadata={"choices": choices, "low": low, "below": below, **words}
    )


def _in_words(default: Any, unset: str) -> str:
    if default in (None, ()):
        return unset
    if isinstance(default, bool):
        return "on" if default else "off"
    return ", ".join(default) if isinstance(default, tuple) else str(default)


@dataclass(frozen=True)
class Flags:
    """What a command is told by flags: each field, made by setting(), is one."""

    def __post_init__(self) -> None:
        """Raises ValueError, naming the flag, for a value that cannot be."""
        hints = typing.get_type_hints(type(self))
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
                rule["low"] <= value < rule["below"] and value < math.inf
            ):
                raise ValueError(f"{flag} {value}: give a number {_bounds(rule)}")


@dataclass(frozen=True)
class Settings(Flags):
    """Everything that decides how a run goes. None stands for a choice that the help line explains."""

    corpus: str = setting(
        "lyrics", "lyrics, jaychou, timemachine, or the path of a UTF-8 .txt or of a .zip with one"
    )
    max_chars: int | None = setting(None, "use only the first so many characters", unset="all", **SIZE)
    heldout: float = setting(
        0.1, "share of the text, at its end, that is not trained on: how well the network predicts it shows "
        "whether it learns or only memorises", low=0, below=1
    )  # fmt: skip
    cell: str = setting(
        "rnn",
        "kind of network: plain, or with gates, which remember for longer",
        choices=("rnn", "gru", "lstm"),
    )
    layers: int = setting(1, "hidden layers, stacked", **SIZE)
    hidden_dim: int = setting(256, "size of the hidden state of a layer: more learns more, slower", **SIZE)
    dropout: float = setting(
        0.0, "share of what a layer passes upward that is zeroed in training, against overfitting",
        low=0, below=1
    )  # fmt: skip
    scale: float = setting(
        0.05, "standard deviation of the initial weights; with 0.01 learning takes longer to start", **FACTOR
    )
    sampler: str = setting(
        "random", "how batches are cut: random windows, or each continuing the one before, state and all",
        choices=("random", "consecutive")
    )  # fmt: skip
    epochs: int = setting(25, "passes over the text", **SIZE)
    batch_size: int = setting(32, "windows in a batch", **SIZE)
    num_steps: int = setting(35, "characters in a window, which is as far as gradients go back", **SIZE)
    optimizer: str = setting("adam", "how the weights are updated", choices=("adam", "sgd"))
    lr: float | None = setting(
        None, "learning rate", unset=f"{LR['adam']:g} for adam, {LR['sgd']:g} for sgd", **FACTOR
    )
    clip: float | None = setting(
        None, "largest norm of the gradients; longer ones are scaled down to it",
        unset=f"{CLIP['adam']:g} for adam, {CLIP['sgd']:g} for sgd", **FACTOR
    )  # fmt: skip
    seed: int = setting(0, "of all that is drawn: the same seed gives the same numbers", low=0, below=2**32)
    ctx: str = setting(
        "auto", "device to compute on; auto is a GPU if MXNet finds one", choices=("auto", "cpu", "gpu")
    )
    prefix: tuple[str, ...] = setting(
        (), "what samples begin with; repeat it for several",
        unset=f"of {', '.join(PREFIXES)} those that the text can spell, or its first characters"
    )  # fmt: skip
    pred_period: int = setting(5, "epochs between two samples", **SIZE)
    pred_len: int = setting(50, "characters in a sample after its prefix", **SIZE)
    workers: int = setting(1, "processes that train together, each on its share of the text", **SIZE)
    deterministic: bool = setting(
        False, "with more than two workers: add up gradients in a fixed order, so that a run can be repeated "
        "to the last digit; takes as many times the traffic as there are workers"
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Raises ValueError, naming the flag, for a value that cannot be."""
        super().__post_init__()
        if "" in self.prefix:
            raise ValueError("--prefix is empty: give at least one character to start from")

    @property
    def is_random_iter(self) -> bool:
        """Whether batches are cut at random, so that no state is carried between them."""
        return self.sampler == "random"

    @property
    def theta(self) -> float:
        """The clipping threshold, chosen or by default."""
        return CLIP[self.optimizer] if self.clip is None else self.clip

    @property
    def learning_rate(self) -> float:
        """The learning rate, chosen or by default."""
        return LR[self.optimizer] if self.lr is None else self.lr


@dataclass(frozen=True)
class LaunchOptions(Flags):
    """How a run is trained, as often as it is gone on with: nothing of it changes its numbers."""

    autosave: float = setting(
        60, "seconds between two checkpoints, from which a run that was killed goes on",
        metavar="SECONDS", low=0
    )  # fmt: skip
    in_turn: bool = setting(
        False, "train all workers in this process, one after the other: slower, the same numbers"
    )
    hosts: str | None = setting(
        None, "file with the machines, one a line: IPv4 address and number of workers there",
        metavar="FILE", unset="this machine"
    )  # fmt: skip
    ssh: str = setting(shlex.join(SSH), "command that reaches another machine", metavar="COMMAND")
    servers: int = setting(1, "processes that add up the workers' gradients", metavar="N", low=1)
    max_restarts: int = setting(
        3, "how often training restarts from the last checkpoint after a failure", metavar="N", low=0
    )
    patience: float = setting(
        60, "seconds without a step after which a worker counts as hung", metavar="SECONDS", low=0
    )
    locked: bool = setting(False, argparse.SUPPRESS)  # a launcher, which has locked the directory, says it

    def __post_init__(self) -> None:
        """Raises ValueError, naming the flag, for a value that cannot be."""
        super().__post_init__()
        try:
            shlex.split(self.ssh)
        except ValueError as error:
            raise ValueError(f"--ssh {self.ssh}: {error}") from None


def _bounds(rule: Any) -> str:
    low, below = f"of at least {rule['low']:.10g}", f"below {rule['below']:.10g}"
    if rule["below"] == math.inf:
        return low
    return below if rule["low"] == -math.inf else f"{low} and {below}"


def flag_of(name: str) -> str:
    """How the command spells a field of Flags."""
    return "--" + name.replace("_", "-")


def flags(given: Flags) -> list[str]:
    """Them as arguments of the command that was given them."""
    found: list[str] = []
    for field in dataclasses.fields(given):
        flag, value = flag_of(field.name), getattr(given, field.name)
        for one in value if isinstance(value, tuple) else [value]:
            if isinstance(one, bool):
                found += [flag] * one
            elif one is not None:
                found.append(f"{flag}={one}")
    return found


def given(arguments: argparse.Namespace, kind: type[Flags]) -> dict[str, Any]:
    """The fields of kind whose flags were given."""
    found = {name: value for name, value in vars(arguments).items() if name in kind.__dataclass_fields__}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}


def add_setting(
    parser: Any, name: str, kind: type[Flags] = Settings, *, default: Any = argparse.SUPPRESS
) -> None:
    """The flag of a field of kind, for a parser or a group of one.

    default: what the namespace holds if the flag is not given; SUPPRESS leaves no trace there.
    """
    field, hint = kind.__dataclass_fields__[name], typing.get_type_hints(kind)[name]
    line, hidden = field.metadata["help"], argparse.SUPPRESS
    line = line if line == hidden else f"{line} (default: {field.metadata['default']})"
    if hint is bool:
        parser.add_argument(flag_of(name), action="store_true", help=line, default=default)
        return
    kind_of = (typing.get_args(hint) or (hint,))[0]  # int of Optional[int], str of tuple[str, ...]
    letters = {int: "N", float: "X", str: name.split("_")[-1].upper()}
    metavar = None if field.metadata["choices"] else letters[kind_of]
    parser.add_argument(
        flag_of(name),
        type=kind_of,
        action="append" if isinstance(field.default, tuple) else "store",
        choices=field.metadata["choices"] or None,
        metavar=field.metadata["metavar"] or metavar,
        help=line,
        default=default,
    )
