"""Install a lock with this Python's pip, and show how far it is: python setup/install.py setup/train.lock

A lock names every package, so nothing is resolved (--no-deps): what was published since cannot change what is
installed. Nothing is built either (--only-binary), since a build asks for packages of its own.
"""

from __future__ import annotations

import queue
import re
import subprocess
import sys
import sysconfig
import threading
import time
from pathlib import Path
from typing import IO

REPORT_SECONDS = 10.0  # between two lines where there is no terminal
PIP = (
    "pip install --no-deps --require-hashes --only-binary :all: --no-input --no-color --progress-bar off "
    "--disable-pip-version-check --requirement"
)


class Progress:
    """One line, rewritten in place on a terminal; elsewhere, a line now and then."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.last = what, total, time.monotonic()

    def show(self, text: str) -> None:
        """Show how far it is."""
        line = f"{self.what}: {text}"
        if sys.stdout.isatty():
            print(f"\r\033[K{line[:79]}", end="", flush=True)
        elif time.monotonic() - self.last > REPORT_SECONDS:
            self.last = time.monotonic()
            print(line, flush=True)

    def end(self, text: str) -> None:
        """Leave a last line."""
        print("\r\033[K" * sys.stdout.isatty() + f"{self.what}: {text}", flush=True)


def count_installed() -> int:
    """The packages in the environment of this Python."""
    return sum(1 for _ in Path(sysconfig.get_path("purelib")).glob("*.dist-info"))


def follow(pip: subprocess.Popen[str], progress: Progress) -> list[str]:
    """Show how far pip is until it ends; return what it said."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    assert pip.stdout
    threading.Thread(target=_read, args=[pip.stdout, lines], daemon=True).start()
    said: list[str] = []
    collected, before, installing = 0, count_installed(), False
    while not (said and said[-1] == ""):
        try:
            said.append(lines.get(timeout=0.3))
        except queue.Empty:
            said.append(" ")
        line = said[-1]
        progress.total -= line.startswith("Ignoring ")  # what other platforms and Pythons need
        collected += line.startswith(("Collecting ", "Processing ", "Requirement already"))
        collected = min(collected, progress.total)  # of some pip says two of these
        installing = installing or line.startswith("Installing collected")
        if installing:
            progress.show(f"installing {min(count_installed() - before, collected)} of {collected} packages")
        elif found := re.search(r"Downloading (?:\S*/)?([\w.]+)-\S+ (\([\d.]+ \wB\))", line):
            progress.show(f"fetching {collected} of {progress.total} packages, {found[1]} {found[2]}")
    return [line for line in said if line.strip()]


def _read(stdout: IO[str], lines: queue.SimpleQueue[str]) -> None:
    for line in stdout:
        lines.put(line.rstrip() or " ")
    lines.put("")


def main() -> int:
    """Install the lock that is named; 1 when pip could not, with what it said."""
    lock = Path(sys.argv[1])
    total = len(re.findall(r"(?m)^\S+==", lock.read_text()))
    progress, start = Progress(f"{lock.stem} packages", total), time.monotonic()
    command = [sys.executable, "-m", *PIP.split(), str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        said = follow(pip, progress)
    if pip.returncode:
        print("\n" + "\n".join(said[-15:]), file=sys.stderr)
        progress.end(f"could not be installed; the whole command: {' '.join(command)}")
        return 1
    progress.end(f"installed ({time.monotonic() - start:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
