"""Let a trained network write.

    python -m d2lrnn.predict                           the newest run
    python -m d2lrnn.predict runs/poems --length 500   this run, longer texts
    python -m d2lrnn.predict network.safetensors       a file that export wrote

Only the texts are written to stdout, so that they can go into a file or a pipe; messages go to stderr.
"""

from __future__ import annotations

if __name__ == "__main__":  # before what takes long to load
    from .cli import begin

    begin("python -m d2lrnn.predict")

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from .cli import Parser, complain, exit_code, printable
from .compat import CannotLoad
from .running.settings import Settings, add_setting

PROG = "python -m d2lrnn.predict"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the texts, one a line; 0 when done, 2 for a mistake of the user."""
    arguments = _parser().parse_args(argv)
    try:
        _predict(arguments)
    except KeyboardInterrupt as interrupt:
        complain(PROG, "stopped")
        return exit_code(interrupt)
    except (ValueError, OSError, CannotLoad, FloatingPointError) as error:
        complain(PROG, error)
        return 1 if isinstance(error, FloatingPointError) else 2
    return 0


def _load_mxnet() -> None:
    """Load MXNet with the engine without threads, for drawing: each character waits for the one before it.

    That engine says on stderr that it is there, which nobody has asked.
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


def _predict(arguments: argparse.Namespace) -> None:
    temperature = arguments.temperature
    if temperature is None:  # greedy, unless the choice was narrowed or several are wanted: there is a choice
        is_greedy = arguments.top_k is arguments.top_p is None and arguments.num_samples == 1
        temperature = 0.0 if is_greedy else 1.0
    if temperature:
        _load_mxnet()
    from .decoding import Choice, generate_batch
    from .formats.safetensors_file import load_network
    from .running.dataset import find_context

    ctx = find_context(arguments.ctx)
    _, settings, vocab, network, params = load_network(arguments.run, ctx, best=arguments.best)
    prefixes, writer = arguments.prefix or settings.prefix, network.writer(params)
    choice = Choice(temperature, arguments.top_k, arguments.top_p, arguments.seed)
    texts = generate_batch(
        prefixes, arguments.length, writer, vocab, choice, num_samples=arguments.num_samples
    )
    print(printable("\n".join(texts)))


def _group(parser: Parser, title: str, about: str, example: str) -> argparse._ArgumentGroup:
    return parser.add_argument_group(title, f"{about}\n\n    {PROG} {example}")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROG, description=__doc__)
    _add_network(parser)
    _add_text(parser)
    _add_drawing(parser)
    return parser


def _add_network(parser: Parser) -> None:
    group = _group(parser, "network", "The network that writes.", "runs/poems --best")
    group.add_argument(
        "run", nargs="?", help="run directory, or a file that export wrote (default: the newest run in runs/)"
    )
    group.add_argument(
        "--best",
        action="store_true",
        help="the network as it was when it did best on held-out text, not the last",
    )
    add_setting(group, "ctx", default=Settings.ctx)


def _add_text(parser: Parser) -> None:
    group = _group(parser, "text", "What it writes.", "--prefix 'Once upon' --length 500 --num-samples 3")
    group.add_argument(
        "--prefix",
        action="append",
        help="what a text begins with; repeat it for several (default: those of the run)",
    )
    group.add_argument("--length", type=int, default=100, metavar="N", help="characters after the prefix")
    group.add_argument(
        "--num-samples", type=int, default=1, metavar="N",
        help="texts for each prefix, drawn with seed, seed + 1, and so on",
    )  # fmt: skip


def _add_drawing(parser: Parser) -> None:
    group = _group(
        parser, "drawing", "How the next character is chosen.", "--temperature 0.8 --top-k 20 --seed 1"
    )
    group.add_argument(
        "--temperature", type=float, metavar="X",
        help="0: always the likeliest character; 1: as likely as the network says; above 1: more surprising "
        "(default: 0, and 1 where several texts, top-k or top-p are asked for)",
    )  # fmt: skip
    group.add_argument(
        "--top-k", type=int, metavar="N", help="draw only from the N likeliest characters (default: all)"
    )
    group.add_argument(
        "--top-p", type=float, metavar="X",
        help="draw only from the likeliest characters that together have this probability (default: 1)",
    )  # fmt: skip
    group.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="the same seed writes the same text (default: another each time)",
    )


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader that has seen enough, head perhaps, is no fault
    sys.exit(main())
