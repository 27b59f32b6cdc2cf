"""A process of a job as the launcher sees it: its agent at the other end of a link."""

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


class Process:
    """A process of the job, as its agent reports it."""

    phase: str | None = None  # what it reported last
    step: int | None = None
    unreachable: str | None = None  # the scheduler's address, if it says that it cannot reach it
    agent: int | None = None  # process id of the agent on its host, once it is there
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
        """Start the agent, tell it what to start, and put what it says into events: (self, kind, value)."""
        command = [sys.executable, "-m", "d2lrnn.launching.agent"]
        if self.ssh:
            path = os.environ.get("PYTHONPATH")
            command = ["env", f"PYTHONPATH={path}", *command] if path else command
            command = [*self.ssh, f"cd {shlex.quote(os.getcwd())} && exec {shlex.join(command)}"]
        self._popen = subprocess.Popen(
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
        assert self._popen.stdout
        with io.BufferedReader(self._popen.stdout) as lines:  # type: ignore[type-var]
            for line in lines:
                events.put((self, *_read(line)))
        events.put((self, "closed", None))

    def send(self, message: dict[str, Any]) -> None:
        """Send the agent a line."""
        assert self._popen.stdin
        with contextlib.suppress(OSError, ValueError):
            self._popen.stdin.write(json.dumps(message).encode() + b"\n")

    def hang_up(self) -> None:
        """Tell the agent that all is over."""
        assert self._popen.stdin
        self._popen.stdin.close()

    def end(self, seconds: float) -> None:
        """Wait for the agent's end; kill it, if it is here, or the link to it, if it takes longer."""
        try:
            self._popen.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()

    def kill_by_ssh(self) -> subprocess.Popen[bytes]:
        """The command, on its way, that kills the agent on another machine."""
        return subprocess.Popen(
            [*self.ssh, f"kill -KILL {self.agent}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def is_at_large(self) -> bool:
        """Whether an agent on another machine may still be running, after end()."""
        return bool(self.ssh and self.agent) and self._popen.returncode not in (0, 1)


def _read(line: bytes) -> tuple[str, Any]:
    """What an agent reports, and of what kind it is."""
    if line.startswith(b"\x1e"):
        with contextlib.suppress(ValueError, AttributeError):
            ((kind, value),) = json.loads(line[1:]).items()
            return kind, value
    return "err", line.decode("utf-8", "replace").rstrip("\r\n")  # of ssh, or of a Python that finds no agent
