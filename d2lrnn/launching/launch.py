"""Start a job on this machine or on several, watch it, end all of it when one part fails, start again.

A job is a scheduler, servers (both are MXNet's own) and workers. Each runs under an agent (agent.py), which
is started here or through ssh, and which ends what it has started when it no longer hears from us. So nothing
outlives the launcher. A thread for each agent (process.py) puts what it says into one queue; only the main
thread decides (supervisor.py); a thread of its own prints (console.py).
"""

from __future__ import annotations

from ..cli import first_and_second, hear, one_line, warn
from ..messages import translated
from .console import Console
from .job import Host, Job, is_loopback, read_hosts
from .supervisor import End, Supervisor

__all__ = ["Host", "Job", "launch", "read_hosts"]


def launch(job: Job) -> int:
    """Run a job to its end. 0: done; 1 or 2: a worker's own fault; 129, 130, 143: stopped; 1: no restarts.

    Workers find DMLC_*, D2LRNN_WORKER_INDEX and their share of the cores in the environment, and report by
    watchdog.report. The first signal is passed on to them; the second kills all. 2 also stands for a host on
    which nothing can be started.

    Raises:
        OSError: this machine has no ssh, or no more processes.
    """
    addresses = ", ".join(host.address for host in job.hosts if not is_loopback(host.address))
    if addresses:
        warn(
            "ps-lite has no authentication: anyone who reaches the ports that MXNet opens on "
            f"{addresses} can run code there; use addresses of a private network only (chapter 17)"
        )
    signals: list[int] = []
    console = Console()
    try:
        with first_and_second(signals.append, signals.append) as note, hear(note):
            return _run(job, console, signals)
    finally:
        console.close()


def _run(job: Job, console: Console, signals: list[int]) -> int:
    restarts = 0
    while True:
        supervisor = Supervisor(job, console, signals, is_first=not restarts)
        try:
            supervisor.start()
            end = supervisor.watch()
            again = end.again and restarts < job.max_restarts and not signals
            if end.line:
                line = _with_what_comes_now(end, again, restarts, job.max_restarts)
                console.say(one_line(translated(line)))
        finally:
            supervisor.end()
        if not again:
            return end.code
        restarts += 1


def _with_what_comes_now(end: End, again: bool, restarts: int, max_restarts: int) -> str:
    line = end.line
    if again:
        return f"{line}; starting again from the last checkpoint (restart {restarts + 1} of {max_restarts})"
    if end.code not in (1, 2):
        return line
    return (
        f"{line}; the job is ended after restart {restarts} of {max_restarts}"
        if restarts
        else f"{line}; the job is ended"
    )
