"""Let a trained network write.

python -m d2lrnn.predict                             the newest run
python -m d2lrnn.predict runs/poems --length 500     this run, longer texts
python -m d2lrnn.predict network.safetensors         a network that export wrote
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


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROG, description=__doc__)
    parser.add_argument("run", nargs="?", help="run directory, or a file of export (the newest run in runs/)")
    parser.add_argument(
        "--best", action="store_true", help="take the run where it did best on held-out text, not its end"
    )
    parser.add_argument(
        "--prefix", action="append", help="what to begin with; may be repeated (those of the run)"
    )
    parser.add_argument("--length", type=int, default=100, help="characters after the prefix (100)")
    parser.add_argument(
        "--temperature", type=float, help="0 the likeliest always, 1 as learned, above 1 wilder (0)"
    )
    parser.add_argument("--top-k", type=int, help="draw from the k likeliest characters only")
    parser.add_argument(
        "--top-p", type=float, help="draw from the likeliest characters that share this probability only"
    )
    parser.add_argument(
        "--num-samples", type=int, default=1, help="texts for each prefix, drawn with seed, seed + 1, … (1)"
    )
    parser.add_argument("--seed", type=int, help="the same seed writes the same text")
    add_setting(parser, "ctx", default=Settings.ctx)
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader that has seen enough, head perhaps, is no fault
    sys.exit(main())
