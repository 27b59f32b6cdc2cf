"""Write a trained network to one file that numpy, PyTorch and a web page can open.

    python -m d2lrnn.export                                          the newest run, to network.safetensors
    python -m d2lrnn.export runs/lyrics-rnn --out lyrics.safetensors

The arrays have the names of the formulas (W_xh, W_hh, b_h, W_hy, b_y, …); the metadata say cell, layers and
hidden_dim, and hold the characters of the vocabulary in the order of their indices.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from . import __version__
from .config import Parser

PROG = "python -m d2lrnn.export"


def main(argv: Sequence[str] | None = None) -> int:
    """Write the file; 0 when done, 2 for a mistake of the user."""
    arguments = _parser().parse_args(argv)
    from safetensors.numpy import save

    from .checkpoint import write_atomically
    from .run import load_run, newest_run

    try:
        folder = Path(arguments.run) if arguments.run else newest_run()
        settings, vocab, _, params = load_run(folder)
        metadata = {
            "cell": settings.cell,
            "layers": str(settings.layers),
            "hidden_dim": str(settings.hidden_dim),
            "chars": "".join(vocab.idx_to_char),
            "d2lrnn": __version__,
        }
        arrays = {name: param.asnumpy() for name, param in params._asdict().items()}
        write_atomically(Path(arguments.out), save(arrays, metadata))
    except (ValueError, OSError) as error:
        print(f"{PROG}: {error}", file=sys.stderr)
        return 2
    print(f"{arguments.out} holds the network of {folder}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROG, description=__doc__)
    parser.add_argument("run", nargs="?", help="run directory (the newest in runs/)")
    parser.add_argument("--out", metavar="FILE", default="network.safetensors", help="(network.safetensors)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
