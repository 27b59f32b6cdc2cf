"""Write a trained network to one file that numpy, PyTorch and a web page can open.

    python -m d2lrnn.export                     the newest run
    python -m d2lrnn.export runs/poems --last   the end of this run
    python -m d2lrnn.export --onnx              an ONNX graph

The file is in the open format safetensors. Its arrays are float32 and have the names of the formulas:

    W_xh W_hh b_h                           rnn: (V, N), (N, N), (N,)
    W_xz W_hz b_z  W_xr … b_r  W_xh … b_h   gru: gates z, r, candidate
    W_xi W_hi b_i  W_xf …  W_xo …  W_xc …   lstm: gates i, f, o, candidate
    W_xh_2 W_hh_2 b_h_2 …                   second layer: (N, N), (N, N), (N,)
    W_hy b_y                                output: (N, V), (V,)

V is the number of characters, N hidden_dim. The metadata, all strings: cell, layers, hidden_dim; chars, the
characters in the order of their indices; prefixes, what predict begins with, a list in JSON (and prefix, for
older versions: those of them without a line end, one a line); trained, which epoch of its run it is; d2lrnn,
the version; sha256, that of the file with these 64 digits as zeros (omit it in files that you write
yourself).

The ONNX graph takes indices (num_steps, batch_size) and the states H, C, H_2, … (batch_size, N), and gives
logits (num_steps * batch_size, V), time-major, and the states new_H, new_C, …; it has the same metadata.
"""

from __future__ import annotations

if __name__ == "__main__":  # before what takes long to load
    from .cli import begin

    begin("python -m d2lrnn.export")

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .cli import Parser, command_line, complain, exit_code, interrupting, tell
from .compat import CannotLoad
from .running.settings import Settings, add_best_or_last, add_run, add_setting

PROG = "python -m d2lrnn.export"


def main(argv: Sequence[str] | None = None) -> int:
    """Write the file; 0 when done, 2 for a mistake of the user."""
    arguments = _parser().parse_args(argv)
    try:
        _export(arguments)
    except KeyboardInterrupt as interrupt:
        complain(PROG, "stopped")
        return exit_code(interrupt)
    except (ValueError, OSError, CannotLoad) as error:
        complain(PROG, error)
        return 2
    return 0


def _export(arguments: argparse.Namespace) -> None:
    from .formats.safetensors_file import load_network, write_network
    from .running.dataset import find_context

    write, out = write_network, "network.safetensors"
    if arguments.onnx:
        try:
            from .formats.onnx_file import write_onnx
        except ImportError as error:
            remedy = command_line("pip", "install", "onnx")
            raise ValueError(f"--onnx needs the package onnx ({error}): {remedy}") from None
        write, out = write_onnx, "network.onnx"
    if arguments.out is not None:
        out = arguments.out
    ctx = find_context(arguments.ctx)
    found = load_network(arguments.run, ctx, best=arguments.best)
    with interrupting():  # half a file is put away
        write(Path(out), found.settings, found.vocab, found.params, found.what)
    tell(": ".join(filter(None, [f"{out} holds the network of {found.source}", found.what])))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROG, description=__doc__)
    add_run(parser)
    parser.add_argument(
        "--out", metavar="FILE", help="file to write (default: network.safetensors or network.onnx)"
    )
    parser.add_argument(
        "--onnx", action="store_true", help="write an ONNX graph; the package onnx must be installed"
    )
    add_best_or_last(parser)
    add_setting(parser, "ctx", default=Settings.ctx)
    return parser


if __name__ == "__main__":
    sys.exit(main())
