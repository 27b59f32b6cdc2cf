"""d2lrnn COMMAND …, the same as python -m d2lrnn.COMMAND …"""

from __future__ import annotations

import difflib
import runpy
import sys
from collections.abc import Sequence

from . import __version__
from .cli import complain, guard_streams, show
from .messages import translated

PROG = "d2lrnn"
COMMANDS = {  # what it does, and an example that works
    "train": ("train a network on a text", "--corpus my.txt --cell lstm --epochs 40"),
    "predict": ("let a trained network write", "--prefix 分开 --length 200 --temperature 0.8"),
    "evaluate": ("measure how well a network predicts texts", "runs/lyrics-rnn my.txt"),
    "export": ("write a network to a file for other programs", "--best --out network.safetensors"),
    "runs": ("list what was trained, and compare runs", "compare runs/lyrics-rnn runs/lyrics-gru"),
    "assignment": ("make an assignment, and check a solution", "new mine --lesson sampling"),
    "grade": ("grade the submissions of a class", "class.zip --out results"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command with the arguments after its name; 2 if there is no such command."""
    guard_streams(PROG)
    name, *arguments = [*(sys.argv[1:] if argv is None else argv), ""]
    if name in ("", "-h", "--help", "help"):
        show(_help())
        return 0
    if name in ("-V", "--version"):
        show(f"{PROG} {__version__}")
        return 0
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        remedy = f"do you mean {near[0]}?" if near else f"give one of {', '.join(COMMANDS)}"
        complain(PROG, f"{name!r} is not a command: {remedy}")
        return 2
    sys.argv = [f"{PROG} {name}", *arguments[:-1]]
    runpy.run_module(f"d2lrnn.{name}", run_name="__main__", alter_sys=True)
    return 0


def _help() -> str:
    rows = [
        f"  {name:11} {translated(what)}\n{'':14}d2lrnn {name} {example}"
        for name, (what, example) in COMMANDS.items()
    ]
    lines = [
        translated("Recurrent language models from scratch in MXNet: train one, and let it write."),
        "",
        f"{translated('usage:')} d2lrnn COMMAND ...      d2lrnn COMMAND --help      d2lrnn --version",
        "",
        *rows,
        "",
        translated("Without arguments, train takes our lyrics, and predict the newest run."),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
