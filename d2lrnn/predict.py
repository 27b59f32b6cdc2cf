r"""Let a trained network write.

    python -m d2lrnn.predict                           the newest run
    python -m d2lrnn.predict runs/poems --length 500   this run, longer texts
    python -m d2lrnn.predict network.safetensors       a file that export wrote

Only the texts are written to stdout, so that they can go into a file or a pipe; messages go to stderr. Each
of several texts follows a line that no text can contain: --- 1, seed 7: Once upon
"""

from __future__ import annotations

if __name__ == "__main__":  # before what takes long to load
    from .cli import begin

    begin("python -m d2lrnn.predict")

import argparse
import itertools
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from .cli import Parser, complain, escape, exit_code, hear, interrupting, show, unescape
from .compat import CannotLoad
from .running.settings import (
    TEMPERATURE,
    Settings,
    add_best_or_last,
    add_prefix_file,
    add_run,
    add_setting,
    flag_of,
)

if TYPE_CHECKING:
    from .decoding import Writer
    from .running.directory import Trained

PROG = "python -m d2lrnn.predict"
SEEDS = 10**6  # of those that are drawn: short enough to be typed again
FLUSH = 0.05  # seconds


def main(argv: Sequence[str] | None = None) -> int:
    """Print the texts; 0 when done, 2 for a mistake of the user."""
    arguments = _parser().parse_args(argv)
    try:
        _check(arguments)
        if arguments.temperature and (arguments.top_k or arguments.top_p or arguments.cache):
            _load_mxnet()
        if arguments.interactive:
            _converse(arguments)
        else:
            _predict(arguments)
    except KeyboardInterrupt as interrupt:
        complain(PROG, "stopped")
        return exit_code(interrupt)
    except (ValueError, OSError, CannotLoad, FloatingPointError) as error:
        complain(PROG, error)
        return 1 if isinstance(error, FloatingPointError) else 2
    return 0


def _load_mxnet() -> None:
    """Load MXNet with its single-threaded engine: where Python chooses, it waits for every character.

    That engine announces itself on stderr, which is suppressed.
    """
    if "mxnet" in sys.modules:
        return
    stderr = os.dup(2)
    os.environ.setdefault("MXNET_ENGINE_TYPE", "NaiveEngine")
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            from mxnet import nd

            nd.zeros(1).wait_to_read()
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _check(arguments: argparse.Namespace) -> None:
    if arguments.interactive and arguments.prefix:
        raise ValueError("--interactive asks for prefixes: omit --prefix and --prefix-file")
    if arguments.stop and "" in arguments.stop:
        raise ValueError("--stop is empty: give the characters before which a text ends")


def _predict(arguments: argparse.Namespace) -> None:
    """Write the continuations of all prefixes together, and print them one after the other."""
    writing = Writing(_load(arguments), arguments)
    prefixes = [writing.prepare(prefix) for prefix in arguments.prefix or ()]
    pieces, headings = writing.begin(prefixes or writing.found.settings.prefix)
    writing.tell()
    _print(pieces, headings if len(headings) > 1 else None)


def _converse(arguments: argparse.Namespace) -> None:
    """Print the continuation of each line that is read; Ctrl-C ends only the text that is being written.

    From a terminal to a terminal the prompts tell the texts apart.
    """
    from .running.conversation import read_lines

    writing, lines = Writing(_load(arguments), arguments), read_lines(PROG)
    writing.check()
    prompts = arguments.num_samples == 1 and sys.stdin.isatty() and sys.stdout.isatty()
    writing.tell()
    while True:
        with interrupting():
            line = next(lines, None)
        if line is None:
            return
        try:
            pieces, headings = writing.begin([writing.prepare(unescape(line))])
        except ValueError as error:  # an unknown character
            complain(PROG, error)
            continue
        heard: list[int] = []
        with hear(heard.append):
            _print(pieces, None if prompts else headings, stop=heard.__len__)
        if heard and heard[-1] != signal.SIGINT:
            raise KeyboardInterrupt(heard[-1])


def _load(arguments: argparse.Namespace) -> Trained:
    from .formats.safetensors_file import load_network
    from .running.dataset import find_context

    return load_network(arguments.run, find_context(arguments.ctx), best=arguments.best)


def _writer(found: Trained, cache: bool) -> Writer:
    if not cache:
        return found.network.writer(found.params)
    from .running.adapting import cached_writer

    return cached_writer(found.network, found.params)


class Writing:
    """What one network writes for the flags. Each call of begin goes on counting texts and seeds."""

    def __init__(self, found: Trained, flags: argparse.Namespace) -> None:
        self.found, self.flags, self.num_texts, self.num_seeds = found, flags, 0, 0
        self.writer = _writer(found, flags.cache)
        self.stops = [self.prepare(stop) for stop in flags.stop or ()]
        self.seed = secrets.randbelow(SEEDS) if flags.seed is None else flags.seed

    @property
    def draws(self) -> bool:
        """Whether there is a choice between characters."""
        return self.flags.temperature != 0 and self.flags.top_k != 1

    def prepare(self, prefix: str) -> str:
        """A prefix or a stop, as the network's corpus was."""
        from .running.writing import prepare_prefix

        return prepare_prefix(prefix, self.found.settings, self.found.vocab)

    def check(self) -> None:
        """Refuse flags that are wrong whatever the prefix is."""
        self.begin([self.found.vocab.idx_to_char[0]])
        self.num_texts = self.num_seeds = 0

    def begin(self, prefixes: Sequence[str]) -> tuple[Iterator[tuple[int, str]], list[str]]:
        """The texts as stream yields them, and a heading for each; what cannot be written is refused now."""
        from .decoding import Choice
        from .running.writing import heading, stream

        flags, vocab, seed = self.flags, self.found.vocab, self.seed + self.num_seeds
        choice = Choice(flags.temperature, flags.top_k, flags.top_p, seed)
        pieces = stream(prefixes, flags.length, self.writer, vocab, choice, flags.num_samples, self.stops)
        pieces = itertools.chain([next(pieces, (0, ""))], pieces)
        headings = []
        for i in range(len(prefixes) * flags.num_samples):
            drawn = f", seed {seed + i % flags.num_samples}" if self.draws else ""
            number = self.num_texts + i + 1
            headings.append(heading(f"{number}{drawn}", prefixes[i // flags.num_samples], vocab))
        self.num_texts += len(headings)
        self.num_seeds += flags.num_samples
        return pieces, headings

    def tell(self) -> None:
        """On stderr: which network it is, how to get the texts again, and which flags are without effect."""
        where = [f"writes from {self.found.source}", self.found.what]
        complain(PROG, ": ".join(filter(None, where)))
        if self.draws and self.flags.seed is None:
            complain(PROG, f"--seed {self.seed} writes this again")
        if idle := [*self._idle_flags(), *self._idle_stops()]:
            complain(PROG, "; ".join(idle))

    def _idle_flags(self) -> Iterator[str]:
        flags, vocab = self.flags, self.found.vocab
        top_k, greedy = flags.top_k or 0, "at temperature 0" if flags.temperature == 0 else "with --top-k 1"
        if not self.draws:
            drawing = ("top_p", "seed") if flags.temperature else ("top_k", "top_p", "seed")
            if given := [flag_of(flag) for flag in drawing if getattr(flags, flag) is not None]:
                yield f"{', '.join(given)} without effect {greedy}: always the likeliest character"
            if flags.num_samples > 1:
                yield f"{greedy} all texts of a prefix are the same"
            return
        if top_k >= len(vocab):
            yield f"--top-k {top_k} without effect: this network knows {len(vocab)} characters"
        if flags.top_p == 1:
            yield "--top-p 1 without effect: all characters share this probability"

    def _idle_stops(self) -> Iterator[str]:
        for stop in self.stops:
            if unknown := set(stop) - self.found.vocab.char_to_idx.keys():
                chars = ", ".join(map(repr, sorted(unknown)))
                yield f"--stop {escape(stop)} without effect: this network never writes {chars}"


def _print(
    pieces: Iterable[tuple[int, str]],
    headings: Sequence[str] | None,
    stop: Callable[[], object] = bool,
) -> None:
    """Print texts as they come; headings: the line before each."""
    last, waiting, shown = -1, list[str](), 0.0
    for i, piece in pieces:
        if i > last:
            waiting.append("\n" if i else "")
            waiting.append(f"{headings[i]}\n" if headings else "")
            last = i
        waiting.append(piece)
        now = time.monotonic()
        if now - shown > FLUSH:
            show("".join(waiting), end="")
            waiting.clear()
            shown = now
        if stop():
            break
    show("".join(waiting))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROG, usage="%(prog)s [OPTION ...] [run]", description=__doc__)
    _add_network(parser)
    _add_text(parser)
    _add_drawing(parser)
    return parser


def _add_network(parser: Parser) -> None:
    group = parser.add_group("network", "The network that writes.", "runs/poems --last")
    add_run(group)
    add_best_or_last(group)
    add_setting(group, "ctx", default=Settings.ctx)


def _add_text(parser: Parser) -> None:
    group = parser.add_group("text", "What it writes.", r"--prefix 'QUEEN:\n' --stop '\n\n' --num-samples 3")
    group.add_argument(
        "--prefix",
        action="append",
        type=unescape,
        help=r"what a text begins with, \n for a line end; repeat it for several (default: those of the run)",
    )
    add_prefix_file(group, default=None)
    group.add_argument(
        "-i", "--interactive", action="store_true", help="read prefixes from the terminal until Ctrl-D"
    )
    group.add_argument("--length", type=int, default=100, metavar="N", help="characters after the prefix")
    group.add_argument(
        "--stop",
        action="append",
        type=unescape,
        metavar="TEXT",
        help=r"end a text before TEXT, such as '\n\n'; repeat it for several (default: none)",
    )
    group.add_argument(
        "--num-samples", type=int, default=1, metavar="N",
        help="texts for each prefix, sampled with seed, seed + 1, and so on",
    )  # fmt: skip


def _add_drawing(parser: Parser) -> None:
    group = parser.add_group(
        "drawing", "How the next character is chosen.", "--temperature 1 --top-k 20 --seed 1"
    )
    group.add_argument("--temperature", type=float, default=0.8, metavar="X", help=TEMPERATURE)
    group.add_argument(
        "--top-k", type=int, metavar="N", help="sample only from the N likeliest characters (default: all)"
    )
    group.add_argument(
        "--top-p", type=float, metavar="X",
        help="sample only from the likeliest characters that together have this probability (default: 1)",
    )  # fmt: skip
    group.add_argument(
        "--cache",
        action="store_true",
        help="remember what was just read and written, and make it likelier where it fits: refrains, names",
    )
    group.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="the same seed writes the same text (default: a new one each time, named on stderr)",
    )


if __name__ == "__main__":
    sys.exit(main())
