"""A process of a job as the launcher sees it: its node at the other end of a link."""

from __future__ import annotations

import contextlib
import io
import json
import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

from .job import Host, is_here


class Member:
    """A process of the job, as its node tells of it."""

    phase: str | None = None  # what it reported last
    step: int | None = None
    unreachable: str | None = None  # the scheduler's address, if it says that it cannot reach it
    node: int | None = None  # process id of the node on its host, once it is there
    has_explained = False  # whether it has written to stderr
    stopped_at: float | None = None  # when it was first seen held by SIGSTOP
    ended_at: float | None = None
    code: int | None = None  # its exit code, minus the signal; None when the link was lost

    def __init__(self, role: str, index: int, host: Host, ssh: Sequence[str]) -> None:
        self.role, self.index, self.host = role, index, host
        self.ssh = () if is_here(host.address) else (*ssh, host.address)
        self.name = role if role == "scheduler" else f"{role} {index}"
        self.heard = self.noted = 0.0  # seconds since the beginning of the attempt

    def start(self, task: dict[str, Any], events: queue.Queue[Any]) -> None:
        """Start the node, tell it what to start, and put what it says into events: (self, kind, value)."""
        command = [sys.executable, "-m", "d2lrnn.launching.node"]
        if self.ssh:
            path = os.environ.get("PYTHONPATH")
            command = ["env", f"PYTHONPATH={path}", *command] if path else command
            command = [*self.ssh, f"cd {shlex.quote(os.getcwd())} && exec {shlex.join(command)}"]
        self.process = subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        threading.Thread(target=self._listen, args=(events,), daemon=True).start()
        self.send(task)

    def _listen(self, events: queue.Queue[Any]) -> None:
        assert self.process.stdout
        with io.BufferedReader(self.process.stdout) as lines:  # type: ignore[type-var]
            for line in lines:
                events.put((self, *_read(line)))
        events.put((self, "closed", None))

    def send(self, message: dict[str, Any]) -> None:
        """Send the node a line."""
        assert self.process.stdin
        with contextlib.suppress(OSError, ValueError):
            self.process.stdin.write(json.dumps(message).encode() + b"\n")

    def hang_up(self) -> None:
        """Tell the node that all is over."""
        assert self.process.stdin
        self.process.stdin.close()

    def end(self, seconds: float) -> None:
        """Wait for the node's end; kill it, if it is here, or the link to it, if it takes longer."""
        try:
            self.process.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def kill_by_ssh(self) -> subprocess.Popen[bytes]:
        """The command, on its way, that kills the node on another machine."""
        return subprocess.Popen(
            [*self.ssh, f"kill -KILL {self.node}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def is_at_large(self) -> bool:
        """Whether a node on another machine may still be running, after end()."""
        return bool(self.ssh and self.node) and self.process.returncode not in (0, 1)


def _read(line: bytes) -> tuple[str, Any]:
    """What a node tells, and of what kind it is."""
    if line.startswith(b"\x1e"):
        with contextlib.suppress(ValueError, AttributeError):
            ((kind, value),) = json.loads(line[1:]).items()
            return kind, value
    return "err", line.decode("utf-8", "replace").rstrip("\r\n")  # of ssh, or of a Python that finds no node
