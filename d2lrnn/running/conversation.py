"""Prefixes typed at a terminal, or from a pipe."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ..cli import complain, say, show

PROMPT = "> "
MAX_HISTORY = 1000  # lines


def read_lines(who: str) -> Iterator[str]:
    """Line by line, without line ends, until Ctrl-D or the end of the pipe. Empty lines are skipped.

    On a terminal there is a prompt, and what was typed before can be fetched again. who: complains of a line
    that is no text.
    """
    edits = sys.stdin.isatty() and sys.stdout.isatty()  # only then does Python have readline read the line
    with _history() if edits else contextlib.nullcontext():
        while True:
            try:
                line = input(PROMPT) if edits else _read_line()
            except UnicodeDecodeError as error:
                complain(who, f"this line is not {error.encoding} text: {error.reason}")
                continue
            except (EOFError, KeyboardInterrupt) as error:
                if sys.stdin.isatty():
                    say("")  # behind the prompt
                if isinstance(error, EOFError):
                    return
                raise
            if line:
                yield line


def _read_line() -> str:
    """A line of what is no terminal on both sides, and so has no prompt in the text that is written."""
    if sys.stdin.isatty():
        show(PROMPT, sys.stderr, end="")
    line = sys.stdin.buffer.readline()
    if not line:
        raise EOFError
    return line.decode(sys.stdin.encoding).rstrip("\r\n")


@contextlib.contextmanager
def _history() -> Iterator[None]:
    """What was typed in earlier conversations; what is typed now is kept for later ones."""
    try:
        import readline
    except ImportError:  # a Python without it
        yield
        return
    path = history_file()
    with contextlib.suppress(OSError):
        readline.read_history_file(path)
    readline.set_history_length(MAX_HISTORY)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            readline.write_history_file(path)


def history_file() -> Path:
    """Where the XDG Base Directory Specification keeps such a thing."""
    state = os.environ.get("XDG_STATE_HOME", "")
    home = Path(state) if os.path.isabs(state) else Path(os.path.expanduser("~")) / ".local" / "state"
    return home / "d2lrnn" / "history"
