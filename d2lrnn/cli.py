"""What every command shares: its parser, how it prints, and how a signal ends it."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import errno
import os
import re
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from .messages import fill, translated

# what controls a terminal: control characters, changes of the direction of writing, the two other line ends
# of Unicode, halves of surrogate pairs
STEERING = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
MAX_LINE = 1000
ESCAPES = {r"\n": "\n", r"\t": "\t", r"\\": "\\"}  # the only ones in arguments
MAX_BYTES = 4 * 10**7  # of a file that a flag names: no text that is written is longer
WIDEST = 100  # columns of --help
# of tqdm; disable=None: only on a terminal
BAR: Any = {"unit": " chars", "unit_scale": True, "disable": None, "leave": False, "dynamic_ncols": True}
BARS = threading.RLock()  # tqdm's own lock is for processes too: Python 3.14 warns where they end at once
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ECHO = 10.0  # seconds in which a second SIGHUP or SIGTERM counts as the same one
# The signal that ends a wait of the main thread, and the seconds until it is sent again. Python calls
# handlers in the order of their numbers, so this one comes last: input() of Python 3.10 breaks if another
# handler is still due while an exception propagates.
WAKE, AGAIN = signal.SIGURG, 0.1


# --- arguments ---


class Parser(argparse.ArgumentParser):
    """argparse, with one line on stderr and exit code 2 for what the user got wrong."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=_Help, **kwargs)

    def add_group(self, title: str, about: str, example: str) -> argparse._ArgumentGroup:
        """A group of flags: what it is about, and the arguments of an example."""
        return self.add_argument_group(title, f"{about}\n\n    {self.prog} {example}")

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


def unescape(text: str) -> str:
    r"""What an argument means, in which \n, \t and \\ stand for a line end, a tab and a backslash.

    A backslash before anything else is one.
    """
    return re.sub(r"\\[nt\\]", lambda found: ESCAPES[found[0]], text)


def escape(text: str) -> str:
    """The argument that means text: on one line if all its line ends are those of Unix."""
    return re.sub(r"[\n\t\\]", lambda found: repr(found[0])[1:-1], text)


def read_text(path: str) -> str:
    """The text of the file that a flag names, exactly; "-" is standard input. For add_argument(type=).

    Raises:
        argparse.ArgumentTypeError: it cannot be read, is empty, too long or no UTF-8 text.
    """
    try:
        with contextlib.nullcontext(sys.stdin.buffer) if path == "-" else open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # a NUL in its name is a ValueError
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise argparse.ArgumentTypeError(f"{path} cannot be read ({reason})") from None
    if len(data) > MAX_BYTES:
        raise argparse.ArgumentTypeError(f"{path} has more than {MAX_BYTES:,} bytes: give a shorter one")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise argparse.ArgumentTypeError(f"{path} is not UTF-8 text: byte {error.start} is wrong") from None
    if not text:
        raise argparse.ArgumentTypeError(f"{path} is empty: give at least one character to start from")
    return text


# --- messages ---


def printable(text: str, *, keep: str = "\n\t") -> str:
    r"""text made safe to show: what would control a terminal becomes a visible escape (\x1b, \u202e, \udcff).

    keep: characters that are shown as they are. "" makes one line of the text.
    """
    return STEERING.sub(lambda found: found[0] if found[0] in keep else repr(found[0])[1:-1], text)


def one_line(text: object, length: int = MAX_LINE) -> str:
    """text, printable and on one line; if it is too long, the middle is left out."""
    line = printable(str(text), keep="")
    return line if len(line) <= length else f"{line[: length // 2 - 1]} … {line[2 - length // 2 :]}"


def complain(who: str, message: object) -> None:
    """One line on stderr, in the language of the user."""
    say(f"{translated(who)}: {one_line(translated(str(message)))}")


def warn(message: object) -> None:
    """One line on stderr; the command continues."""
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


# --- printing ---
#
# No print may end a run. Where an encoding lacks a character, an escape takes its place. And stdout may be
# lost: its reader has gone (| head), the disk is full, the terminal was closed. What happens then is decided
# in one place, a Stream, for everything that a command prints.


def show(text: str, file: Any = None, *, end: str = "\n") -> None:
    """Print text to stdout, or to file: on a terminal without what would control it, elsewhere as it is.

    What the encoding cannot show is escaped. A bar that is being drawn makes way.
    """
    file = sys.stdout if file is None else file
    put(printable(text) if is_terminal(file) else text, file, end=end)


def put(text: str, file: Any = None, *, end: str = "\n") -> None:
    """Like show(), for text that may control a terminal: it has colours, and nothing from outside."""
    file = sys.stdout if file is None else file
    if file is None:  # closed, and nobody has called begin()
        return
    with _tqdm().external_write_mode(file) if "tqdm" in sys.modules else contextlib.nullcontext():
        file.write(encodable(text + end, file))
        file.flush()


def tell(message: str) -> None:
    """One line on stdout, of the command's own, in the language of the user."""
    show(printable(translated(message), keep=""))


def say(text: str) -> None:
    """Print to stderr, if possible."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            show(text, sys.stderr)


def say_at_once(line: str, stderr: int = 2) -> None:
    """One line, in the language of the user, to the file of stderr itself: from any thread, at the end."""
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    with contextlib.suppress(OSError):
        os.write(stderr, f"{translated(line)}\n".encode(encoding, "backslashreplace"))


def say_last(text: str) -> None:
    """Print to stdout, or to stderr if stdout is lost: how a run that was stopped goes on."""
    show(text)
    if isinstance(sys.stdout, Stream) and sys.stdout.is_lost:
        say(text)


def encodable(text: str, file: Any) -> str:
    r"""text with escapes (\u5206, \xe9) for the characters that the encoding of a text stream lacks."""
    encoding = getattr(file, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def is_terminal(file: Any) -> bool:
    """Whether what is printed to it is seen by a person, and obeyed by a terminal."""
    try:
        return file.isatty()
    except (AttributeError, ValueError):  # no stream, or a closed one
        return False


def progress_bar(total: int | None, **options: Any) -> Any:
    """A bar of tqdm, by default of characters; where stderr is no terminal it stays invisible."""
    return _tqdm()(total=total, **{**BAR, **options})


def _tqdm() -> Any:
    from tqdm import tqdm

    tqdm.set_lock(BARS)
    return tqdm


class Stream:
    """stdout or stderr, and what to do when it is lost. Printing escapes what its encoding lacks.

    lost: called once, with the error, when a write fails; after that nothing is written. What it raises
    reaches the caller.
    """

    is_lost = False

    def __init__(self, stream: Any, lost: Callable[[Exception], object]) -> None:
        self.stream, self.lost = stream, lost

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write and flush: readers of a log see it at once, and an error is raised where it was caused."""
        self._try(lambda: self.stream.write(encodable(text, self.stream)))
        self.flush()
        return len(text)

    def flush(self) -> None:
        """Write what is left to write."""
        self._try(self.stream.flush)

    def _try(self, call: Callable[[], object]) -> None:
        if self.is_lost:
            return
        try:
            call()
        except (OSError, ValueError, AttributeError) as error:  # full, closed, None
            self.is_lost = True
            lost = error
        else:
            return
        _empty(self.stream)
        self.lost(lost)


def _empty(stream: Any) -> None:
    """Discard what a lost stream still holds: Python would try again to write it at exit, and complain."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        fd = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        if nowhere != fd:
            os.dup2(nowhere, fd)
            os.close(nowhere)
        stream.flush()


def guard_streams(who: str) -> None:
    """From now on, a command ends silently when the reader of its output has gone.

    Its exit code is then that of a process ended by SIGPIPE. After any other failure, such as a full disk, it
    is 2, with a line. A stdout that was closed from the beginning was meant to be.
    """
    _open_what_is_closed()
    for fd in (1, 2):
        os.set_blocking(fd, True)  # others that have the same terminal may have set it otherwise

    def end(error: Exception) -> None:
        if isinstance(error, OSError) and error.errno == errno.EBADF:
            return
        if isinstance(error, BrokenPipeError):
            raise SystemExit(128 + signal.SIGPIPE)
        complain(who, f"stdout: {_reason(error)}")
        raise SystemExit(2)

    sys.stdout, sys.stderr = _guarded(sys.stdout, end), _guarded(sys.stderr, lambda error: None)


@contextlib.contextmanager
def outlive_stdout(who: str) -> Iterator[None]:
    """Within the block, losing stdout changes nothing; a line on stderr reports it once."""

    def complain_once(error: Exception) -> None:
        complain(who, f"stdout: {_reason(error)}: no more output is shown there; the run is unaffected")

    before = getattr(sys.stdout, "lost", None)
    out, err = _guarded(sys.stdout, complain_once), _guarded(sys.stderr, lambda error: None)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            yield
        finally:
            out.lost = before


def _guarded(stream: Any, lost: Callable[[Exception], object]) -> Any:
    if not isinstance(stream, Stream):
        return Stream(stream, lost)
    stream.lost = lost
    return stream


def _open_what_is_closed() -> None:
    """Open a file for stdin, stdout and stderr each: else a checkpoint might become what we print into."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:  # stdout is opened for reading, so that writing fails as it does where it is closed
            os.set_inheritable(os.open(os.devnull, os.O_RDONLY if fd == 1 else os.O_RDWR), True)
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(fd, "w" if fd else "r", encoding="utf-8", closefd=False))


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


# --- Ctrl-C, SIGTERM, and SIGHUP where the terminal is closed ---
#
# All are noticed even while Python waits inside MXNet, and the exit code shows which: 130, 143 or 129. Python
# calls a handler between two of its own instructions. Inside a call of MXNet there are none, and such a call
# can last forever: a worker may wait in it for another one that has died. But the number of a signal goes to
# a pipe at once (signal.set_wakeup_fd), and ctypes releases the interpreter, so another thread can read it.


def begin(who: str) -> None:
    """Begin a command: no print can harm it, and a signal ends it at once, with one line, outside of hear().

    For a module that is run as a command, before it imports anything slow. A signal that the shell has told
    us to ignore, as it does for background jobs of a script, stays ignored. who: says the line.
    """
    guard_streams(who)
    stderr = os.dup(2)  # where it leads now: predict redirects it for a moment
    numbers = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    hearing = hear(beside=lambda number: leave(number, f"{who}: stopped", stderr), numbers=numbers)
    hearing.__enter__()
    atexit.register(_ignore, hearing)


def _ignore(_: object) -> None:
    """Python removes handlers as it exits, and a signal would then change the exit code of finished work."""
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
    """Within the block, a signal calls handler(number) in the main thread, and beside(number) in another.

    handler is called when Python gets there, beside at once, and neither after the block. SIGHUP stays
    ignored under nohup. Outside the main thread nothing changes: only that thread can have handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with contextlib.ExitStack() as stack:
        fd = stack.enter_context(_pipe_to(beside)) if beside else -1
        stack.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(fd))
        for number in numbers:
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            stack.callback(signal.signal, number, signal.signal(number, lambda number, _: handler(number)))
        yield


@contextlib.contextmanager
def _pipe_to(beside: Callable[[int], object]) -> Iterator[int]:
    """The writing end of a pipe that receives signal numbers, for beside."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)

    def listen() -> None:
        for number in iter(lambda: os.read(read_end, 1), b""):
            if number[0] in SIGNALS:  # others that have handlers come here, too
                beside(number[0])
        os.close(read_end)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield write_end
    finally:
        os.close(write_end)
        listener.join()  # what has come is heard now or never: not in the middle of what follows


@contextlib.contextmanager
def hear_two(handler: Callable[[int], object], first: Callable[[int], object], line: str) -> Iterator[None]:
    """hear(), where the first signal calls first(number) beside, and the second ends all with line."""
    with first_and_second(first, lambda number: leave(number, line)) as beside, hear(handler, beside):
        yield


@contextlib.contextmanager
def first_and_second(
    first: Callable[[int], object], second: Callable[[int], object]
) -> Iterator[Callable[[int], object]]:
    """For hear(): what calls first(number) for the first signal, second(number) for those that follow.

    A terminal that is closed sends SIGHUP, and so may the shell in it; timeout sends SIGTERM to us and to our
    group; the end of a session sends both. They all mean the same: a second one counts only after ECHO
    seconds, enough to save everything. Ctrl-C counts at once.
    """
    heard: list[tuple[int, float]] = []
    timers: list[threading.Timer] = []
    ctrl_c = signal.SIGINT

    def note(number: int) -> None:
        heard.append((number, time.monotonic()))
        (begun, at), now = heard[0], heard[-1][1]
        if len(heard) == 1:
            first(number)
        elif now < at + ECHO and number != ctrl_c and (number == signal.SIGHUP or begun != ctrl_c):
            timers.append(threading.Timer(at + ECHO - now, second, [number]))
            timers[-1].daemon = True
            timers[-1].start()
        else:
            second(number)

    try:
        yield note
    finally:
        for timer in timers:
            timer.cancel()


@contextlib.contextmanager
def interrupting() -> Iterator[None]:
    """Within the block, a signal raises KeyboardInterrupt(number), so that what is open gets closed.

    exit_code gives the exit code for it. A process that was forked here ends at once.
    """
    pid, main = os.getpid(), threading.get_ident()
    heard: list[int] = []
    is_raised = False  # no lock: a handler may come while the same thread holds it

    def interrupt(number: int) -> None:
        nonlocal is_raised
        if number == WAKE:
            if heard:
                is_raised = True
                raise KeyboardInterrupt(heard.pop())
        elif os.getpid() != pid:
            os._exit(128 + number)
        else:
            heard.append(number)
            signal.raise_signal(WAKE)

    def wake(_: int) -> None:  # what waits, where another thread got the signal, or it came just before
        time.sleep(AGAIN)
        while not is_raised:
            signal.pthread_kill(main, WAKE)
            time.sleep(AGAIN)

    def drop(what: Any) -> None:  # in a destructor and beside a fork, Python drops what is raised
        nonlocal is_raised
        if isinstance(what.exc_value, KeyboardInterrupt) and what.exc_value.args:
            is_raised = False
            heard.append(*what.exc_value.args)
            threading.Thread(target=wake, args=what.exc_value.args, daemon=True).start()
        else:
            before(what)

    with hear(interrupt, wake, (*SIGNALS, WAKE)):
        before, sys.unraisablehook = sys.unraisablehook, drop
        try:
            yield
        finally:
            sys.unraisablehook = before
            is_raised = True


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """130, or what interrupting() has put into it."""
    return 128 + (interrupt.args[0] if interrupt.args else signal.SIGINT)


def leave(number: int, line: str, stderr: int = 2) -> NoReturn:
    """End the process at once with 128 + number, from any thread, and say line."""
    say_at_once(line, stderr)
    os._exit(128 + number)
