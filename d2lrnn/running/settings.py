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

from ..cli import escape, read_text, unescape
from ..launching.job import SSH

PREFIXES = ("分开", "不分开", "战争中部队")
GROUPS = {  # of flags, as --help shows them
    "text": "corpus max_chars lines encoding normalize field heldout valid",
    "network": "cell layers hidden_dim dropout scale init_bias init init_last chars",
    "training": "sampler epochs early_stop batch_size num_steps optimizer lr schedule warmup weight_decay "
    "clip average seed ctx",
    "output": "prefix pred_period pred_len temperature",
    "several workers (chapter 17)": "workers deterministic",
}
OLDER: dict[str, Any] = {  # what a setting meant of which the config of an older run does not speak
    "deterministic": False,
    "lines": "space", "encoding": None, "normalize": "none", "field": None, "valid": [],
    "weight_decay": 0.0, "schedule": "constant", "warmup": 0,
    "init_bias": "zero", "average": 0.0, "early_stop": 0, "temperature": 0.0,
    "init": None, "init_last": False, "chars": None,
}  # fmt: skip
MANY = ("corpus", "valid")  # flags that take several values at once
LR = {"adam": 0.005, "sgd": 100.0}
CLIP = {"adam": 1.0, "sgd": 0.01}
# The defaults of a dense text, in which each distinct character occurs often, and of a sparse one: to learn
# that by heart is easier than to learn from it.
DENSE = 30  # times, on average, that a character of a dense text occurs in what is trained on
BY_TEXT: dict[str, tuple[Any, Any]] = {"dropout": (0.0, 0.8), "lr": (LR, {**LR, "adam": 0.01})}
EARLY_STOP = 5  # epochs, where text is held out
WARMUP = 100, 4  # steps, but no more than so many epochs have
SIZE: Any = {"low": 1, "below": 2**31}  # what MXNet can count
FACTOR: Any = {"low": 1e-30, "below": 1e31}  # what float32 holds, with room for products
MOST_EPOCHS = 100_000  # of a cosine, which takes some seconds to find out how many steps these have


def setting(
    default: Any, help: str, *, choices: Sequence[str] = (), low: float = -math.inf, below: float = math.inf,
    metavar: str | None = None, escapes: bool = False,
) -> Any:  # fmt: skip
    """A field of Flags: its default, its line in --help, what it may be, and what --help calls that.

    escapes: whether its flag is given with those of cli.unescape.
    """
    metadata = {"help": help, "choices": choices, "low": low, "below": below, "metavar": metavar}
    metadata["escapes"] = escapes
    return dataclasses.field(default=default, metadata=metadata)


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
            if rule["choices"] and value is not None and value not in rule["choices"]:
                raise ValueError(f"{flag} {value}: give one of {', '.join(rule['choices'])}")
            if isinstance(value, (int, float)) and not (
                rule["low"] <= value < rule["below"] and value < math.inf
            ):
                raise ValueError(f"{flag} {value}: give a number {_bounds(rule)}")


@dataclass(frozen=True)
class Settings(Flags):
    """Everything that decides how a run goes. None stands for a choice that the help line explains."""

    corpus: tuple[str, ...] = setting(
        ("lyrics",),
        "one or several: lyrics (ours), jaychou, timemachine, or your own: texts, folders, '*.txt', .zip, "
        ".gz, .bz2, .xz, .jsonl, - (standard input)",
        metavar="NAME",
    )
    max_chars: int | None = setting(None, "read only the first so many characters", **SIZE)
    lines: str | None = setting(
        None,
        "what becomes of line ends (keep, and space for corpora known by name)",
        choices=("keep", "space"),
    )
    encoding: str | None = setting(None, "of your files, such as gbk or cp1252 (utf-8)", metavar="NAME")
    normalize: str | None = setting(
        None, "Unicode form of your files (NFC, and none for known corpora)", choices=("none", "NFC", "NFKC")
    )
    field: str | None = setting(None, "where the records of a .jsonl have their texts", metavar="NAME")
    heldout: float = setting(
        0.1,
        "share of the corpus, at its end, that is not trained on but measured; of 10 documents or more, some",
        low=0,
        below=1,
    )
    valid: tuple[str, ...] = setting((), "files to measure on instead, one or several", metavar="FILE")
    cell: str = setting("rnn", "the kind of network", choices=("rnn", "gru", "lstm"))
    layers: int = setting(1, "hidden layers, one on top of the other", **SIZE)
    hidden_dim: int = setting(256, "size of the hidden state", **SIZE)
    dropout: float | None = setting(
        None,
        "share of what each layer hands upward that is set to 0 while training "
        f"({BY_TEXT['dropout'][0]:g}; in a sparse text, whose characters occur fewer than {DENSE} times each "
        f"on average, {BY_TEXT['dropout'][1]:g})",
        low=0,
        below=1,
    )
    scale: float = setting(
        0.05, "deviation of the first weights; the tutorial's 0.01 takes longer to get going", **FACTOR
    )
    init_bias: str = setting(
        "frequencies",
        "what the output bias begins as: how often each character occurs, or the tutorial's zeros",
        choices=("frequencies", "zero"),
    )
    init: str | None = setting(
        None, "begin with the weights of a run or an exported file, on its characters and those of the text",
        metavar="RUN",
    )  # fmt: skip
    init_last: bool = setting(False, "with --init: take the end of that run, not its best on held-out text")
    chars: str | None = setting(
        None, "characters that the vocabulary has beside those of the text (with --init: those of that run)"
    )
    sampler: str = setting("random", "how batches are cut", choices=("random", "consecutive"))
    epochs: int = setting(25, "times through the corpus", **SIZE)
    early_stop: int | None = setting(
        None,
        "stop after so many epochs without a better held-out perplexity; 0: never "
        f"({EARLY_STOP} where text is held out)",
        low=0,
        below=2**31,
    )
    batch_size: int = setting(32, "windows in a batch", **SIZE)
    num_steps: int = setting(35, "characters in a window", **SIZE)
    optimizer: str = setting("adam", "how weights are changed", choices=("adam", "sgd"))
    lr: float | None = setting(
        None,
        f"learning rate ({LR['adam']:g} for adam, in a sparse text {BY_TEXT['lr'][1]['adam']:g}; "
        f"{LR['sgd']:g} for sgd)",
        **FACTOR,
    )
    schedule: str = setting(
        "constant",
        "the learning rate after the warm-up: a cosine falls to 0 by the last epoch's end",
        choices=("constant", "cosine"),
    )
    warmup: int | None = setting(
        None,
        "steps (batches) over which the learning rate rises to --lr "
        f"({WARMUP[0]}, at most those of {WARMUP[1]} epochs)",
        metavar="STEPS",
        low=0,
        below=2**31,
    )
    weight_decay: float = setting(
        0.0, "every step shrinks all weights by --lr times this (AdamW, decoupled; biases too)", low=0
    )
    clip: float | None = setting(
        None,
        f"the longest gradient allowed, theta ({CLIP['adam']:g} for adam, {CLIP['sgd']:g} for sgd)",
        **FACTOR,
    )
    average: float = setting(
        0.98,
        "measure and write with a running mean of the weights, of which so much stays with every batch; "
        "0: with the weights themselves",
        low=0,
        below=1,
    )
    seed: int = setting(0, "the same seed gives the same numbers", low=0, below=2**32)
    ctx: str = setting("auto", "where to compute", choices=("auto", "cpu", "gpu"))
    prefix: tuple[str, ...] = setting(
        (), rf"what samples begin with, \n a line end; may be repeated ({', '.join(PREFIXES)})", escapes=True
    )
    pred_period: int = setting(5, "write samples every so many epochs", **SIZE)
    pred_len: int = setting(50, "characters in a sample after its prefix", **SIZE)
    temperature: float = setting(
        0.8,
        "how boldly samples are drawn; 0: always the likeliest character, which soon goes in circles",
        low=0,
        below=1e31,
    )
    workers: int = setting(1, "processes that train together, each on its shard of the corpus", **SIZE)
    deterministic: bool = setting(
        False, "add up what more than two workers send in a fixed order, at as many times the traffic"
    )

    def __post_init__(self) -> None:
        """Raises ValueError, naming the flag, for a value that cannot be."""
        super().__post_init__()
        if not self.corpus or isinstance(self.corpus, str):
            raise ValueError(f"--corpus {self.corpus!r}: give a tuple of names")
        if self.encoding is not None:
            from ..corpora.encodings import check_encoding  # this loads NumPy

            check_encoding(self.encoding)
        if "-" in self.valid:
            raise ValueError("--valid -: give files; the standard input is for --corpus")
        if "" in self.prefix:
            raise ValueError("--prefix is empty: give at least one character to start from")
        lr, weight_decay = self.learning_rate, self.weight_decay
        if 0 < weight_decay < FACTOR["low"]:
            raise ValueError(f"--weight-decay {weight_decay}: give 0, or at least {FACTOR['low']:g}")
        if lr * weight_decay >= 1:
            raise ValueError(
                f"--weight-decay {weight_decay}: times --lr {lr:g} every step takes all of a weight; "
                f"give less than {1 / lr:g}"
            )
        if self.schedule == "cosine" and self.epochs > MOST_EPOCHS:
            raise ValueError(
                f"--epochs {self.epochs}: --schedule cosine ends with them; give at most {MOST_EPOCHS}"
            )

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

    def chosen(self, num_train: int, num_heldout: int, vocab_size: int) -> Settings:
        """Them with a value for all that was not given and depends on the text, whose sizes these are.

        Raises:
            ValueError: early stopping was asked for, and there is no held-out text to go by.
        """
        if self.early_stop and not num_heldout:
            raise ValueError(
                f"--early-stop {self.early_stop} goes by held-out text, and nothing is held out: "
                "give a --heldout above 0"
            )
        is_sparse = num_train < DENSE * vocab_size
        most, num_epochs = WARMUP
        defaults = {
            "dropout": BY_TEXT["dropout"][is_sparse],
            "lr": BY_TEXT["lr"][is_sparse][self.optimizer],
            "warmup": min(
                most, num_epochs * (num_train // (self.batch_size * self.num_steps * self.workers))
            ),
            "early_stop": EARLY_STOP if num_heldout else 0,
        }
        missing = {name: value for name, value in defaults.items() if getattr(self, name) is None}
        return dataclasses.replace(self, **missing)

    def say_if_sparse(self, num_train: int, vocab_size: int) -> str:
        """In words: what chosen() takes because the text is sparse, "" where it is not."""
        chosen = self.chosen(num_train, 1, vocab_size)
        words = [f"{name} {getattr(chosen, name):g}" for name in BY_TEXT if getattr(self, name) is None]
        if not words or num_train >= DENSE * vocab_size:
            return ""
        times = num_train / vocab_size
        return f"sparse text, {times:.0f} times each character on average: {', '.join(words)}"


@dataclass(frozen=True)
class LaunchOptions(Flags):
    """How a run is trained, as often as it is gone on with: nothing of it changes its numbers."""

    autosave: float = setting(60, "between two checkpoints", metavar="SECONDS", low=0)
    tensorboard: bool = setting(
        False, "write the metrics as events, too, for TensorBoard, where it is installed"
    )
    in_turn: bool = setting(False, "all in this process: slower, and the same numbers, bit for bit")
    hosts: str | None = setting(
        None, "machines, a line each: IPv4 address and number of workers there", metavar="FILE"
    )
    ssh: str = setting(shlex.join(SSH), "to reach them", metavar="COMMAND")
    servers: int = setting(1, "processes that add up", metavar="N", low=1)
    max_restarts: int = setting(3, "after one of them has ended", metavar="N", low=0)
    patience: float = setting(60, "without a step, then it ends", metavar="SECONDS", low=0)
    locked: bool = setting(False, argparse.SUPPRESS)  # a launcher, which has locked the directory, says it

    def __post_init__(self) -> None:
        """Raises ValueError, naming the flag, for a value that cannot be."""
        super().__post_init__()
        try:
            shlex.split(self.ssh)
        except ValueError as error:
            raise ValueError(f"--ssh {self.ssh}: {error}") from None


def _bounds(rule: Any) -> str:
    words = [f"of at least {rule['low']:.10g}"] if rule["low"] > -math.inf else []
    words += [f"below {rule['below']:.10g}"] if rule["below"] < math.inf else []
    return " and ".join(words)


def flag_of(name: str) -> str:
    """How the command spells a field of Flags."""
    return "--" + name.replace("_", "-")


def spelled(value: Any) -> str:
    """A value as it is typed behind its flag."""
    return shlex.join(value) if isinstance(value, tuple) else str(value)


def flags(given: Flags) -> list[str]:
    """Them as arguments of the command that was given them."""
    found: list[str] = []
    for field in dataclasses.fields(given):
        flag, value = flag_of(field.name), getattr(given, field.name)
        for one in value if isinstance(value, tuple) else [value]:
            if isinstance(one, bool):
                found += [flag] * one
            elif one is not None:
                found.append(f"{flag}={escape(one) if field.metadata['escapes'] else one}")
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
    line = field.metadata["help"]
    if hint is bool:
        parser.add_argument(flag_of(name), action="store_true", help=line, default=default)
        return
    metavar = None if field.metadata["choices"] else name.split("_")[-1].upper()
    parser.add_argument(
        flag_of(name),
        # int of Optional[int], str of tuple[str, ...]
        type=unescape if field.metadata["escapes"] else (typing.get_args(hint) or (hint,))[0],
        action="extend" if name in MANY else "append" if isinstance(field.default, tuple) else "store",
        nargs="+" if name in MANY else None,
        choices=field.metadata["choices"] or None,
        metavar=field.metadata["metavar"] or metavar,
        help=line if field.default in (None, ()) else f"{line} ({spelled(field.default)})",
        default=default,
    )


def add_prefix_file(parser: Any, *, default: Any = argparse.SUPPRESS) -> None:
    """--prefix-file, which stands for one more --prefix."""
    parser.add_argument(
        "--prefix-file",
        metavar="FILE",
        dest="prefix",
        action="append",
        type=read_text,
        default=default,
        help="a prefix of more lines than one: a UTF-8 text, taken exactly (-: standard input)",
    )


def add_best_or_last(parser: Any) -> None:
    """--best and --last: arguments.best as load_network takes it."""
    either = parser.add_mutually_exclusive_group()
    default = "(the best where held-out text was measured, else the end)"
    for flag, value, what in (
        ("--best", True, f"take the run where it did best on held-out text {default}"),
        ("--last", False, "take the end of the run"),
    ):
        either.add_argument(flag, dest="best", action="store_const", const=value, default=None, help=what)
