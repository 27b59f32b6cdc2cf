"""A worker that cannot go on says so and ends; MXNet itself would wait forever for peers that are gone.

MXNet's waits release the interpreter, so another thread can watch the time.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from typing import Any

from ..cli import say_at_once

STALLED = 75  # the exit code of a worker that could not go on; sysexits.h calls it a temporary failure
STEP = ("computing", "exchanging")  # phases that come with every step
WAITING = ("joining", "exchanging")  # phases in which the others must do their part
TELL = 0.2  # seconds between two looks, and at least between two reports of steps
LAUNCHER = "D2LRNN_AGENT"  # names, where there is a launcher, the pipe through which it hears us
LEAVE = 5.0  # seconds more than the longest steps that the others get when this worker has been told to stop


def report(**facts: Any) -> bool:
    """Tell the launcher, where there is one; returns whether there is.

    facts: phase and step, which a Watchdog reports by itself, or bar={"n":, "total":, "text":}, a few times
    a second.
    """
    pipe = os.environ.get(LAUNCHER)
    if pipe is None:
        return False
    with contextlib.suppress(OSError):
        os.write(int(pipe), json.dumps(facts).encode() + b"\n")
    return True


class Watchdog:
    """Ends the process, with exit code 75, when nothing has been noted for patience seconds.

    What happens between two notes must take less. who: for the line on stderr, which only a worker without a
    launcher writes: the launcher hears it from all and names the culprit.

        with Watchdog(60, "worker 1") as watchdog:
            watchdog.note("joining")
            store = mx.kv.create("dist_sync")
            for step in range(num_steps):
                watchdog.note("computing", step)
                ...
    """

    def __init__(self, patience: float, who: str) -> None:
        self.patience, self.who = patience, who
        self._told: object = None
        self._signal = 0
        self._longest = 0.0  # seconds that the others were waited for, in a step
        self._left = threading.Event()
        self.note("starting")
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def note(self, phase: str, step: int | None = None) -> None:
        """What begins now: joining, computing, exchanging, measuring, saving or done."""
        self._last = phase, step
        if phase not in STEP:
            self._tell()

    def hurry(self, number: int) -> None:
        """A signal has come. A worker that waits in vain for the others now ends soon, with 128 + its number.

        They may be gone, stopped by whatever sent us the signal, and a cluster kills slow processes. A
        launcher knows better whether all can continue: where there is one, nothing changes.
        """
        if LAUNCHER not in os.environ:
            self._signal = number

    def __enter__(self) -> Watchdog:
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()

    def _watch(self) -> None:
        seen, waited, before = self._last, 0.0, time.monotonic()
        while not self._left.wait(TELL):
            self._tell()
            now = time.monotonic()
            # what is longer than a few looks: the whole machine was suspended
            if seen is self._last:
                waited += min(now - before, 2 * TELL)
            else:
                if seen[0] == "exchanging":
                    self._longest = max(self._longest, waited)
                seen, waited = self._last, 0.0
            before = now
            self._judge(waited)

    def _judge(self, waited: float) -> None:
        phase, _ = self._last
        if phase == "done":  # with the run on the disk there is no hurry
            return
        limit = LEAVE + 2 * self._longest
        if self._signal and phase in WAITING and waited > limit:
            self._say(f"stopped, and no word from the others for {limit:.0f} s: not saved")
            os._exit(128 + self._signal)
        if waited > self.patience:
            self._give_up()

    def _tell(self) -> None:
        phase, step = last = self._last
        if last is not self._told:
            self._told = last
            report(phase=phase, step=step)

    def _give_up(self) -> None:
        phase, step = self._last
        unreachable = _unreachable() if phase in WAITING else None
        if not report(phase=phase, step=step, unreachable=unreachable):
            what = f"no word from the others for {self.patience:g} s"
            if phase not in WAITING:
                what = f"stuck in {phase} for {self.patience:g} s"
            self._say(f"{what}; cannot reach {unreachable}" if unreachable else what)
        os._exit(STALLED)

    def _say(self, what: str) -> None:
        _, step = self._last
        line = f"{self.who}: {what}" if step is None else f"{self.who}: step {step}: {what}"
        say_at_once(line)


def _unreachable() -> str | None:
    """Where the scheduler should be, if nobody there takes a connection within a second."""
    host, port = os.environ.get("DMLC_PS_ROOT_URI"), os.environ.get("DMLC_PS_ROOT_PORT")
    if not host or not port:
        return None
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except (OSError, ValueError):
        return f"{host}:{port}"
    return None
