r"""One process of a job, on the machine where it runs: starts it, reports on it, and always ends it.

The launcher starts `python -m d2lrnn.launching.agent`, here or through ssh, and holds its standard input and
output:

- in: what to start, as one line of JSON; then {} every second, or {"signal": 15};
- out: lines that begin with \x1e, each {kind: value}: begun (our process id), out and err (a line that the
  process wrote), report (a line from watchdog.py), stopped (every second: whether SIGSTOP holds it),
  ended (its exit code, or minus the signal). Anything else comes from ssh.

When the input ends or falls silent, the launcher is gone or the link is cut: the process is killed with its
group. When we are killed, the kernel kills it (PR_SET_PDEATHSIG). It cannot outlive us.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from .. import MOST_THREADS
from .watchdog import LAUNCHER

FIRST_WORD = 60  # seconds until we must know what to start
LAST_WORDS = 1  # second that a line of the process may take to reach us after its end
MAX_LINE = 2**22  # bytes; a longer line is told in pieces
# Not taken from the shell here: what of it the job is meant to have, the launcher sends.
NOT_OURS = ("DMLC_", "PS_", "D2LRNN_", "MXNET_", "OMP_")
THREADS = "MXNET_CPU_WORKER_NTHREADS"
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None)
_one_at_a_time = threading.Lock()


def main() -> None:
    """Be the agent of one process."""
    signal.alarm(FIRST_WORD)  # until there is a process, ending is enough
    line = sys.stdin.readline()
    if not line:
        return
    task = json.loads(line)
    child, streams = _start(task)

    silence = (
        0  # tenths of our patience; counted, so that time in which the whole machine is suspended is left out
    )

    def end() -> None:
        _signal_group(child.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):  # _wait() has seen its end
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        os._exit(1)

    def tick(*_: object) -> None:
        nonlocal silence
        silence += 1
        if silence > 10:
            end()

    signal.alarm(0)
    signal.signal(signal.SIGALRM, tick)
    signal.setitimer(signal.ITIMER_REAL, task["silence"] / 10, task["silence"] / 10)
    _tell("begun", os.getpid())
    relays = [threading.Thread(target=_relay, args=pair, daemon=True) for pair in streams.items()]
    watches = [threading.Thread(target=_beat, args=(child.pid, task["silence"] / 10), daemon=True)]
    watches += [threading.Thread(target=_wait, args=(child, relays), daemon=True)]
    for thread in [*relays, *watches]:
        thread.start()
    for line in sys.stdin:
        silence = 0
        number = json.loads(line).get("signal")
        if number:
            _signal_group(child.pid, number)
    end()


def _start(task: dict[str, Any]) -> tuple[subprocess.Popen[bytes], dict[str, IO[bytes]]]:
    """The process, and what it writes: out, err, and reports through a pipe of their own."""
    agent = os.getpid()
    read_end, write_end = os.pipe()

    def end_with_agent() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != agent:  # it died just now
            os._exit(1)

    try:
        child = subprocess.Popen(
            task["argv"],
            env={**_environment(task), LAUNCHER: str(write_end)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[write_end],
            start_new_session=True,
            preexec_fn=end_with_agent,
        )
    except OSError as error:
        sys.exit(f"cannot start {task['argv'][0]}: {error.strerror}")
    os.close(write_end)
    assert child.stdout
    assert child.stderr
    return child, {"out": child.stdout, "err": child.stderr, "report": open(read_end, "rb")}


def _environment(task: dict[str, Any]) -> dict[str, str]:
    """Ours without what belongs to other jobs, with what was sent, and the threads it may have."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
    given = task["env"].get(THREADS, "")  # what the user has set is shared like the cores of the machine
    cores = int(given) if given.isdecimal() else MOST_THREADS
    threads = max(1, cores // task["sharing"]) if task["sharing"] else 1
    return {
        **environment,
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        **task["env"],
        THREADS: str(threads),
    }


def _tell(kind: str, value: object) -> None:
    with _one_at_a_time, contextlib.suppress(OSError):
        sys.stdout.write("\x1e" + json.dumps({kind: value}) + "\n")
        sys.stdout.flush()


def _relay(kind: str, stream: IO[bytes]) -> None:
    for line in iter(lambda: stream.readline(MAX_LINE), b""):
        _tell(kind, line.decode("utf-8", "replace").rstrip("\n"))


def _beat(pid: int, pause: float) -> None:
    while True:
        with contextlib.suppress(OSError):  # it has ended
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            _tell("stopped", state == "T")
        time.sleep(pause)


def _wait(child: subprocess.Popen[bytes], relays: Sequence[threading.Thread]) -> None:
    """Wait for the end of the process; what it leaves behind of its group ends with it."""
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # its number stays its own until wait()
    _signal_group(child.pid, signal.SIGKILL)
    code = child.wait()
    for relay in relays:
        relay.join(LAST_WORDS)
    _tell("ended", code)
    os._exit(0)


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


if __name__ == "__main__":
    main()
