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
    "text": "corpus max_chars lines encoding normalize field heldout valid heldout_sample",
    "network": "cell layers hidden_dim scale init_bias init init_last chars",
    "training": "sampler epochs early_stop batch_size num_steps optimizer lr schedule warmup clip seed ctx",
    "regularisation": "tied dropout locked_dropout dropout_in dropout_embedding weight_drop weight_decay "
    "unseen average",
    "output": "prefix pred_period pred_len temperature",
    "several workers": "workers deterministic",
}
ABOUT = {  # each group: what it is about, and an example
    "text": ("What the network learns from.", "--corpus poems.txt plays/ --heldout 0.05"),
    "network": ("What it is made of.", "--cell lstm --layers 2 --hidden-dim 384"),
    "training": ("How it learns.", "--epochs 50 --lr 0.002 --schedule cosine"),
    "regularisation": (
        "What keeps it from overfitting a small text.", "--tied --dropout 0.7 --locked-dropout"
    ),
    "output": ("What is written, and where.", r"--out runs/poems --prefix 'QUEEN:\n'"),
    "several workers": (
        "Train in several processes, on one machine or more.", "--workers 4 --batch-size 16"
    ),
}  # fmt: skip
OLDER: dict[str, Any] = {  # what a setting means that the config of an older run lacks
    "deterministic": False,
    "lines": "space", "encoding": None, "normalize": "none", "field": None, "valid": [],
    "weight_decay": 0.0, "schedule": "constant", "warmup": 0,
    "init_bias": "zero", "average": 0.0, "early_stop": 0, "temperature": 0.0,
    "init": None, "init_last": False, "chars": None, "heldout_sample": 0,
    "tied": False, "locked_dropout": False, "dropout_in": 0.0, "dropout_embedding": 0.0, "weight_drop": 0.0,
    "unseen": "ignored",
}  # fmt: skip
MANY = ("corpus", "valid")  # flags that take several values at once
KNOWN = "lyrics, songci, timemachine and jaychou"
TEMPERATURE = "0: always the likeliest character; 1: as likely as the network says; above 1: more surprising"
LR = {"adam": 0.005, "sgd": 100.0}
CLIP = {"adam": 1.0, "sgd": 0.01}
# The defaults of a dense text, in which each distinct character occurs often, and of a sparse one, which is
# easier to memorise than to learn from.
DENSE = 30  # times, on average, that a character of a dense text occurs in what is trained on
BY_TEXT: dict[str, tuple[Any, Any]] = {"dropout": (0.0, 0.8), "lr": (LR, {**LR, "adam": 0.01})}
EARLY_STOP = 5  # epochs, where text is held out
WARMUP = 100, 4  # steps, but at most those of this many epochs
SIZE: Any = {"low": 1, "below": 2**31}  # what MXNet can count
FACTOR: Any = {"low": 1e-30, "below": 1e31}  # what float32 holds, with room for products
SHORTEST = 5  # of the windows of variable steps, as lesson 19 cuts them
MOST_EPOCHS = 100_000  # of a cosine, which takes some seconds to find out how many steps these have


def setting(
    default: Any, help: str, *, choices: Sequence[str] = (), low: float = -math.inf, below: float = math.inf,
    metavar: str | None = None, unset: str = "none", escapes: bool = False,
) -> Any:  # fmt: skip
    """A field of Flags: its default, its line in --help, what it may be, and what --help calls that.

    unset: how --help says a default of None or (). escapes: whether its flag is given with those of
    cli.unescape.
    """
    words = {"help": help, "default": _in_words(default, unset), "metavar": metavar}
    rules = {"choices": choices, "low": low, "below": below, "escapes": escapes}
    return dataclasses.field(default=default, metadata={**rules, **words})


def _in_words(default: Any, unset: str) -> str:
    if default in (None, ()):
        return unset
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, float):
        return f"{default:g}"
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
        ("lyrics",), "one or more of lyrics (ours), songci, timemachine, jaychou, or texts of your own: "
        "files, folders, '*.txt', .zip, .gz, .bz2, .xz, .jsonl, or - for the standard input", metavar="NAME"
    )  # fmt: skip
    max_chars: int | None = setting(None, "read only the first N characters", unset="all", **SIZE)
    lines: str | None = setting(
        None, "keep line ends, or turn each into a space", unset=f"keep; space for {KNOWN}",
        choices=("keep", "space")
    )  # fmt: skip
    encoding: str | None = setting(
        None, "encoding of your files, such as gbk or cp1252", unset="utf-8", metavar="NAME"
    )
    normalize: str | None = setting(
        None, "Unicode normal form to convert your files to", unset=f"NFC; none for {KNOWN}",
        choices=("none", "NFC", "NFKC")
    )  # fmt: skip
    field: str | None = setting(
        None, "key of the text in the records of a .jsonl file, such as text", metavar="NAME"
    )
    heldout: float = setting(
        0.1, "share of the text, at its end, to hold out of training: how well the network predicts it shows "
        "whether it learns or only memorises; with ten documents or more, whole documents", low=0, below=1
    )  # fmt: skip
    valid: tuple[str, ...] = setting(
        (), "files to hold out instead of the end of the text", metavar="FILE"
    )  # fmt: skip
    heldout_sample: int = setting(
        1_000_000, "characters of a longer held-out text to measure after each epoch, in evenly spaced "
        "stretches, always the same; 0: all of it", low=0, below=2**31
    )  # fmt: skip
    cell: str = setting(
        "rnn",
        "kind of network: plain, or with gates, which remember longer",
        choices=("rnn", "gru", "lstm"),
    )
    layers: int = setting(1, "hidden layers, stacked", **SIZE)
    hidden_dim: int = setting(
        256, "hidden units in a layer: more can learn more, but train more slowly", **SIZE
    )
    dropout: float | None = setting(
        None, "share of what a layer passes upward that is zeroed in training, against overfitting",
        unset=f"{BY_TEXT['dropout'][0]:g}; {BY_TEXT['dropout'][1]:g} for a text whose characters occur fewer "
        f"than {DENSE} times each on average", low=0, below=1
    )  # fmt: skip
    tied: bool = setting(
        False, "read and write characters with the same matrix: each has one vector of --hidden-dim numbers"
    )
    locked_dropout: bool = setting(
        False, "zero the same numbers at all steps of a window, not different ones at each step"
    )
    dropout_in: float = setting(
        0.0, "with --tied: share of the characters' vectors that is zeroed before the first layer, the same "
        "numbers at all steps of a window", low=0, below=1
    )  # fmt: skip
    dropout_embedding: float = setting(
        0.0, "share of the distinct characters that are zeroed wherever a batch reads them", low=0, below=1
    )
    weight_drop: float = setting(
        0.0, "share of the weights from each hidden state to the next that is zeroed in a batch",
        low=0, below=1
    )  # fmt: skip
    unseen: str = setting(
        "ignored", "what is learnt about characters that do not occur in the training text: nothing, so that "
        "they become ever less likely; good-turing: together they are as likely as those that occur once",
        choices=("ignored", "good-turing")
    )  # fmt: skip
    scale: float = setting(
        0.05, "standard deviation of the initial weights; with 0.01 learning takes longer to start", **FACTOR
    )
    init_bias: str = setting(
        "frequencies", "initial output bias: the log frequencies of the characters, or zeros",
        choices=("frequencies", "zero")
    )  # fmt: skip
    init: str | None = setting(
        None, "start from the weights of a run or of an exported file; its characters are kept, new ones "
        "are added", unset="random weights", metavar="RUN"
    )  # fmt: skip
    init_last: bool = setting(False, "with --init: take the end of that run, not its best epoch")
    chars: str | None = setting(
        None, "characters to have in the vocabulary besides those of the text",
        unset="none; with --init those of that run"
    )  # fmt: skip
    sampler: str = setting(
        "random", "how batches are cut: in random windows; consecutive: each continues the one before, state "
        "and all; variable: likewise, with random numbers of steps around --num-steps, and the learning rate "
        "in proportion to them",
        choices=("random", "consecutive", "variable")
    )  # fmt: skip
    epochs: int = setting(25, "passes over the text", **SIZE)
    early_stop: int | None = setting(
        None, "stop after N epochs without a better held-out perplexity; 0: never",
        unset=f"{EARLY_STOP} where text is held out, else 0", low=0, below=2**31
    )  # fmt: skip
    batch_size: int = setting(32, "windows in a batch", **SIZE)
    num_steps: int = setting(35, "characters in a window, which is as far as gradients go back", **SIZE)
    optimizer: str = setting("adam", "how the weights are updated", choices=("adam", "sgd"))
    lr: float | None = setting(
        None, "learning rate",
        unset=f"{LR['adam']:g} for adam, or {BY_TEXT['lr'][1]['adam']:g} for a text whose characters occur "
        f"fewer than {DENSE} times each on average (less for small batches); {LR['sgd']:g} for sgd",
        **FACTOR
    )  # fmt: skip
    schedule: str = setting(
        "constant", "learning rate after the warm-up: constant, or falling along a cosine to 0 at the end of "
        "the last epoch", choices=("constant", "cosine")
    )  # fmt: skip
    warmup: int | None = setting(
        None, "batches over which the learning rate rises to --lr",
        unset=f"{WARMUP[0]}, or {WARMUP[1]} epochs if that is less", low=0, below=2**31
    )  # fmt: skip
    weight_decay: float = setting(
        0.0, "decoupled weight decay (AdamW): every step shrinks all weights and biases by --lr times this",
        low=0
    )  # fmt: skip
    clip: float | None = setting(
        None, "largest norm of the gradients; larger ones are scaled down to it",
        unset=f"{CLIP['adam']:g} for adam, {CLIP['sgd']:g} for sgd", **FACTOR
    )  # fmt: skip
    average: float = setting(
        0.98, "evaluate and sample with an exponential moving average of the weights that decays by this "
        "factor every batch; 0: with the weights themselves", low=0, below=1
    )  # fmt: skip
    seed: int = setting(
        0, "seed of all random draws: the same seed gives the same numbers", low=0, below=2**32
    )
    ctx: str = setting(
        "auto", "device to compute on; auto is a GPU if MXNet finds one", choices=("auto", "cpu", "gpu")
    )
    prefix: tuple[str, ...] = setting(
        (), r"what samples begin with, \n for a line end; repeat it for several",
        unset=f"those of {', '.join(PREFIXES)} that the text can spell, or its first characters",
        escapes=True
    )  # fmt: skip
    pred_period: int = setting(5, "epochs between two samples", **SIZE)
    pred_len: int = setting(50, "characters in a sample after its prefix", **SIZE)
    temperature: float = setting(0.8, TEMPERATURE, low=0, below=1e31)
    workers: int = setting(1, "processes that train together, each on its share of the text", **SIZE)
    deterministic: bool = setting(
        False, "with more than two workers: add up gradients in a fixed order, so that a run can be repeated "
        "to the last digit; with N workers it takes N times the traffic"
    )  # fmt: skip

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
        if self.heldout_sample == 1:
            raise ValueError("--heldout-sample 1: give at least two characters, or 0 for the whole text")
        if self.dropout_in and not self.tied:
            raise ValueError(
                f"--dropout-in {self.dropout_in}: characters have vectors only in a --tied network: "
                "give --tied, too, or --dropout-in 0"
            )
        if self.sampler == "variable" and self.num_steps < SHORTEST:
            raise ValueError(
                f"--num-steps {self.num_steps}: --sampler variable takes {SHORTEST} steps or more; give at "
                f"least {SHORTEST}"
            )
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
            "lr": self._usual_lr(is_sparse),
            "warmup": min(
                most, num_epochs * (num_train // (self.batch_size * self.num_steps * self.workers))
            ),
            "early_stop": EARLY_STOP if num_heldout else 0,
        }
        missing = {name: value for name, value in defaults.items() if getattr(self, name) is None}
        return dataclasses.replace(self, **missing)

    def _usual_lr(self, is_sparse: bool) -> float:
        """The default; of a sparse text, by Adam, less for small batches, whose gradients waver more."""
        lr = BY_TEXT["lr"][is_sparse][self.optimizer]
        if not is_sparse or self.optimizer == "sgd":
            return lr
        return round(lr * min(1, self.batch_size / Settings.batch_size) ** 0.5, 4)

    def given_warmup(self, num_train: int, num_heldout: int, vocab_size: int) -> int:
        """The warm-up that somebody asked for; 0 where it is the default, which a resumed run has stored."""
        default = dataclasses.replace(self, warmup=None).chosen(num_train, num_heldout, vocab_size)
        return self.warmup or 0 if self.warmup != default.warmup else 0

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
    """How a run is launched, at its start and at each resume: none of this changes its numbers."""

    autosave: float = setting(
        60, "seconds between two checkpoints, from which a killed run resumes",
        metavar="SECONDS", low=0
    )  # fmt: skip
    tensorboard: bool = setting(
        False, "write the metrics for TensorBoard, too; the package tensorboard must be installed"
    )
    in_turn: bool = setting(
        False, "train all workers in this process, one after the other: slower, the same numbers"
    )
    hosts: str | None = setting(
        None, "file with the machines, one a line: IPv4 address and number of workers there",
        metavar="FILE", unset="this machine"
    )  # fmt: skip
    ssh: str = setting(shlex.join(SSH), "command that reaches another machine", metavar="COMMAND")
    servers: int | None = setting(
        None, "parameter-server processes, which add up the workers' gradients, spread over the machines",
        metavar="N", low=1, unset="one for each worker, at most 4, or for each machine if these are more"
    )  # fmt: skip
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
    if rule["low"] == -math.inf:
        return below
    return f"of at least {rule['low']:.10g} and below {rule['below']:.10g}"


def flag_of(name: str) -> str:
    """How the command spells a field of Flags."""
    return "--" + name.replace("_", "-")


def spelled(value: Any) -> str:
    """A value as it is typed behind its flag; of a switch, on or off."""
    if isinstance(value, bool):
        return _in_words(value, "")
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
    line, hidden = field.metadata["help"], argparse.SUPPRESS
    line = line if line == hidden else f"{line} (default: {field.metadata['default']})"
    if hint is bool:
        action: Any = argparse.BooleanOptionalAction if kind is Settings else "store_true"
        parser.add_argument(flag_of(name), action=action, help=line, default=default)
        return
    kind_of = (typing.get_args(hint) or (hint,))[0]  # int of Optional[int], str of tuple[str, ...]
    letters = {int: "N", float: "X", str: name.split("_")[-1].upper()}
    metavar = None if field.metadata["choices"] else letters[kind_of]
    parser.add_argument(
        flag_of(name),
        type=unescape if field.metadata["escapes"] else kind_of,
        action="extend" if name in MANY else "append" if isinstance(field.default, tuple) else "store",
        nargs="+" if name in MANY else None,
        choices=field.metadata["choices"] or None,
        metavar=field.metadata["metavar"] or metavar,
        help=line,
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
        help="file with one more prefix, taken exactly, line ends and all; - for the standard input "
        "(default: none)",
    )


def add_run(parser: Any) -> None:
    """The network that a command reads: arguments.run as load_network takes it."""
    parser.add_argument(
        "run", nargs="?", help="run directory, or a file that export wrote (default: the newest run in runs/)"
    )


def add_best_or_last(parser: Any) -> None:
    """--best and --last: arguments.best as load_network takes it."""
    either = parser.add_mutually_exclusive_group()
    for flag, value, what in (
        ("--best", True, "take the epoch that did best on held-out text (default: where text was held out)"),
        ("--last", False, "take the end of the run (default: where no text was held out)"),
    ):
        either.add_argument(flag, dest="best", action="store_const", const=value, default=None, help=what)
