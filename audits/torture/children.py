"""The commands in forked children, in which mxnet is loaded already: what they answer, and at what cost."""

from __future__ import annotations

import dataclasses
import logging
import os
import re
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import d2lrnn.formats.safetensors_file

# once, and not in each child
import d2lrnn.running.plot
import d2lrnn.running.resume  # noqa: F401
from d2lrnn import predict, train

NOTES = ("warning: ", f"{predict.PROG}: writes from ")  # lines on stderr that report no mistake


@dataclasses.dataclass(frozen=True)
class Answer:
    """How a child ended. code: its exit code, or minus the signal; grown: bytes beside those it inherited."""

    code: int
    seconds: float
    grown: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """The lines on stderr that report a mistake."""
        return [line for line in self.err.splitlines() if not line.startswith(NOTES)]

    def complaint(self, *codes: int) -> str:
        """What is wrong with this answer, which should have one of codes and, unless that is 0, one line."""
        wrong = self.code not in codes or "Traceback" in self.err
        if wrong or (self.code in (1, 2) and len(self.errors) != 1) or (self.code == 0 and self.errors):
            return f"exit {self.code} after {self.seconds:.1f} s; {self.err[-1500:] or 'no word on stderr'}"
        return ""


def call(
    action: Callable[[], int | None],
    *,
    stop: tuple[float, int] | None = None,
    memory: int | None = None,
    limit: float = 120,
) -> Answer:
    """Run action in a forked child and wait for its end.

    stop: (seconds, signal) to send then, if it still runs. memory: bytes of address space that it may take
    beside those that it inherits. limit: seconds after which it is killed.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        sys.stdout.flush()
        begin, inherited = time.monotonic(), anonymous()
        child = os.fork()
        if not child:
            _be_child(action, out, err, memory)
        waiting = os.pidfd_open(child)
        try:
            if stop and not select.select([waiting], [], [], stop[0])[0]:
                os.kill(child, stop[1])
            if not select.select([waiting], [], [], limit)[0]:
                os.kill(child, signal.SIGKILL)
            _, status, usage = os.wait4(child, 0)
        finally:
            os.close(waiting)
        seconds, grown = time.monotonic() - begin, usage.ru_maxrss * 1024 - inherited
        return Answer(os.waitstatus_to_exitcode(status), seconds, grown, _read(out), _read(err))


def resident() -> int:
    """The bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def anonymous() -> int:
    """The anonymous ones among them: a forked child has these at once, and libraries as it uses them."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.findall(r"RssAnon:\s+(\d+)", status)[0])


def command(main: Callable[[list[str]], int], *arguments: Any) -> Callable[[], int]:
    """A command of ours as a process would run it: argparse leaves by SystemExit."""

    def action() -> int:
        try:
            return main([*map(str, arguments)])
        except SystemExit as leave:
            return int(leave.code or 0)

    return action


def train_into(folder: Path, *arguments: Any) -> Callable[[], int]:
    """python -m d2lrnn.train ... --out folder."""
    return command(train.main, *arguments, "--out", folder)


def predict_from(folder: Path) -> Callable[[], int]:
    """python -m d2lrnn.predict folder, the few likeliest characters of its newest checkpoint."""
    return command(predict.main, folder, "--last", "--length", 5, "--temperature", 0)


def at_file(part: str, nth: int, action: Callable[[], None], *, writing: bool = False) -> None:
    """In a child: do something just before Python touches a file with part in its path for the nth time.

    To touch is to open (writing: for writing), to make, rename or remove. It cannot be undone.
    """
    left = nth

    def hook(event: str, details: tuple[Any, ...]) -> None:
        nonlocal left
        if event not in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate"):
            return
        if part in str(details[0]) and not (writing and str(details[1])[:1] not in "wa"):
            left -= 1
            if left == 0:
                action()

    sys.addaudithook(hook)


def _be_child(action: Callable[[], int | None], out: IO[bytes], err: IO[bytes], memory: int | None) -> None:
    code = 1
    try:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115
        logging.getLogger().handlers.clear()  # pytest's; without any, warnings go to stderr
        if memory:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            most = pages * resource.getpagesize() + memory
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        code = action() or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
