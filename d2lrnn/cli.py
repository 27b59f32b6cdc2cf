"""What every command shares: its parser, what it says on a terminal, and how a signal ends it."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import os
import re
import shlex
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from .messages import fill, translated

# what steers a terminal: control characters, what turns the direction of writing, the two other line ends of
# Unicode, halves of surrogate pairs
STEERING = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
MAX_LINE = 1000
WIDEST = 100  # columns of --help
# of tqdm, for a bar of characters trained on; on what is no terminal there is none
BAR: Any = {"unit": " chars", "unit_scale": True, "disable": None, "leave": False, "dynamic_ncols": True}
SIGNALS = (signal.SIGINT, signal.SIGTERM)


# --- arguments ---


class Parser(argparse.ArgumentParser):
    """argparse, with one line on stderr and exit code 2 for what the user got wrong."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=_Help, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Print the message without the usage lines, and leave."""
        self.exit(2, f"{self.prog}: {one_line(translated(f'{message}; see --help'))}\n")


class _Help(argparse.HelpFormatter):
    """--help in the language of the user, at most 100 columns wide: indented lines of a text are examples."""

    def __init__(self, prog: str, **_: Any) -> None:
        super().__init__(prog, width=min(shutil.get_terminal_size().columns, WIDEST) - 2)

    def start_section(self, heading: str | None) -> None:
        super().start_section(translated(heading or ""))

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, f"{translated('usage:')} " if prefix is None else prefix)

    def _get_help_string(self, action: argparse.Action) -> str:
        line, default = action.help or "", action.default
        if "default:" in line or default in (None, argparse.SUPPRESS) or not action.option_strings:
            return line
        return f"{line} (default: {'off' if default is False else default})"

    def _split_lines(self, text: str, width: int) -> list[str]:
        return fill(translated(text), width).split("\n")

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(_paragraph(part, width, indent) for part in text.rstrip().split("\n\n"))


def _paragraph(text: str, width: int, indent: str) -> str:
    if not text.startswith(" "):
        return fill(translated(" ".join(text.split())), width, indent, indent)
    rows = [
        re.fullmatch(r"(.*?\S {3,})?(.*)", line) for line in text.split("\n")
    ]  # what to type, what it does
    return "\n".join(f"{indent}{row[1] or ''}{translated(row[2])}" for row in rows if row)


# --- messages ---


def printable(text: str, *, keep: str = "\n\t") -> str:
    r"""text as it may be shown: what would steer a terminal becomes a visible escape (\x1b, \u202e, \udcff).

    keep: characters that are shown as they are. "" makes one line of the text.
    """
    return STEERING.sub(lambda found: found[0] if found[0] in keep else repr(found[0])[1:-1], text)


def one_line(text: object, length: int = MAX_LINE) -> str:
    """text, printable and on one line; of more than so many characters the middle is left out."""
    line = printable(str(text), keep="")
    return line if len(line) <= length else f"{line[: length // 2 - 1]} … {line[2 - length // 2 :]}"


def complain(who: str, message: object) -> None:
    """One line on stderr."""
    print(f"{translated(who)}: {one_line(translated(str(message)))}", file=sys.stderr)


def tell(message: str) -> None:
    """One line on stdout, of the command's own."""
    print(encodable(printable(translated(message), keep="")))


def encodable(text: str) -> str:
    """text with an escape for each character that the encoding of stdout does not have."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


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


# --- Ctrl-C and SIGTERM ---
#
# Both are heard even while Python waits inside MXNet, and told by the exit code, 130 or 143. Python calls a
# handler between two of its own instructions. Inside a call of MXNet there are none, and such a call can last
# for ever: a worker waits in it for another one that has died. But the number of a signal goes to a pipe at
# once (signal.set_wakeup_fd), and ctypes releases the interpreter: so another thread can read it.


def begin(who: str) -> None:
    """From now on Ctrl-C or SIGTERM ends the process at once, with one line, except inside hear().

    For a module that is run as a command, before it imports anything that takes time. A signal that the
    shell has told us to ignore, as it does for jobs in the background of a script, stays ignored. who: says
    the line.
    """
    stderr = os.dup(2)  # where it leads now: predict redirects it for a moment
    numbers = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    hearing = hear(beside=lambda number: leave(number, f"{who}: stopped", stderr), numbers=numbers)
    hearing.__enter__()
    atexit.register(_ignore, hearing)


def _ignore(_: object) -> None:
    """Python takes handlers away as it ends, and a signal would then decide the exit code of what is done."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()  # this may take long, and can still be stopped
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def hear(
    handler: Callable[[int], object] = lambda number: None,
    beside: Callable[[int], object] | None = None,
    numbers: Sequence[int] = SIGNALS,
) -> Iterator[None]:
    """While entered, a signal calls handler(number) in the main thread, and beside(number) in one of its own.

    The handler is called when Python gets there, beside at once. Where the caller is not in the main thread
    nothing is changed: only that one can have handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with contextlib.ExitStack() as stack:
        fd = _open_pipe(beside) if beside else -1
        if beside:
            stack.callback(os.close, fd)
        stack.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(fd))
        for number in numbers:
            stack.callback(signal.signal, number, signal.signal(number, lambda number, _: handler(number)))
        yield


def _open_pipe(beside: Callable[[int], object]) -> int:
    """The end of a pipe that takes numbers of signals, until it is closed, for beside."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)

    def listen() -> None:
        for number in iter(lambda: os.read(read_end, 1), b""):
            if number[0] in SIGNALS:  # others that have handlers come here, too
                beside(number[0])
        os.close(read_end)

    threading.Thread(target=listen, daemon=True).start()
    return write_end


def after_the_first(first: Callable[[int], object], line: str) -> Callable[[int], None]:
    """For hear(beside=): first gets the number of the first signal; the second ends all, with line."""
    heard: list[int] = []

    def beside(number: int) -> None:
        heard.append(number)
        if len(heard) > 1:
            leave(number, line)
        first(number)

    return beside


@contextlib.contextmanager
def interrupting() -> Iterator[None]:
    """While entered, a signal raises KeyboardInterrupt(number), so that what is open gets closed.

    exit_code tells what the process should then end with. A process that was forked here ends at once.
    """
    pid = os.getpid()

    def interrupt(number: int) -> None:
        if os.getpid() != pid:
            os._exit(128 + number)
        raise KeyboardInterrupt(number)

    with hear(interrupt):
        yield


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """130, or what interrupting() has put into it."""
    return 128 + (interrupt.args[0] if interrupt.args else signal.SIGINT)


def leave(number: int, line: str, stderr: int = 2) -> NoReturn:
    """End the process at once with 128 + number, from any thread, and say line."""
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    with contextlib.suppress(OSError):
        os.write(stderr, f"{translated(line)}\n".encode(encoding, "backslashreplace"))
    os._exit(128 + number)
