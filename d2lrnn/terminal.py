"""What a terminal shows: any text, without what would steer it; one line for an error; the next command."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

# what steers a terminal: control characters, what turns the direction of writing, the two other line ends of
# Unicode, halves of surrogate pairs
STEERING = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
MAX_LINE = 1000
# of tqdm, for a bar of characters trained on; on what is no terminal there is none
BAR: Any = {"unit": " chars", "unit_scale": True, "disable": None, "leave": False, "dynamic_ncols": True}


def printable(text: str, *, keep: str = "\n\t") -> str:
    r"""text as it may be shown: what would steer a terminal becomes a visible escape (\x1b, \u202e, \udcff).

    keep: characters that are shown as they are. "" makes one line of the text.
    """
    return STEERING.sub(lambda found: found[0] if found[0] in keep else repr(found[0])[1:-1], text)


def error_line(message: object) -> str:
    """What a command says on stderr: printable, on one line, the middle left out if it is very long."""
    line = printable(str(message), keep="")
    if len(line) > MAX_LINE:
        line = f"{line[: MAX_LINE // 2]} … {line[-MAX_LINE // 2 :]}"
    return line


def complain(who: str, message: object) -> None:
    """One line on stderr."""
    print(f"{who}: {error_line(message)}", file=sys.stderr)


def warn(message: object) -> None:
    """One line on stderr, after which things go on."""
    complain("warning", message)


def command_line(module: str, *arguments: object) -> str:
    """The line that runs a module with this Python, quoted for a shell in the current folder.

    A Python below that folder is named from there: .venv/bin/python -m d2lrnn.predict 'runs/my run'
    """
    python, here = Path(sys.executable), Path.cwd()
    if here in python.parents[1:]:  # in the folder itself, its name alone would be looked up on the PATH
        python = python.relative_to(here)
    words = [f"./{one}" if isinstance(one, Path) and str(one)[0] == "-" else str(one) for one in arguments]
    return shlex.join([str(python), "-m", module, *words])
