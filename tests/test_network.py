"""Several hosts, for real: three network namespaces, and the job goes on, or ends and says why.

One host has the scheduler and a server, two have a server and a worker each. A switch joins them.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from small_run import SMALL, run_small, weights

from audits.links import SWITCH, Place, cut, limit, machines
from audits.torture.workers import Job, latest, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
RUN = ("--workers", 2, "--sampler", "consecutive", "--epochs", 40, "--pred-period", 1000)
GBIT = 10  # of every link


class Network(NamedTuple):
    """Three hosts, the file that names them, and a command that stands in for ssh."""

    places: list[Place]
    hosts: Path
    ssh: Path


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    if os.geteuid():
        pytest.skip("network namespaces need root")
    hosts, ssh = tmp_path / "hosts.txt", tmp_path / "enter"
    with contextlib.ExitStack() as stack:
        try:
            places = stack.enter_context(machines(3, GBIT))
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"network namespaces are not permitted here: {error}")
        hub, one, two = (place.address for place in places)
        hosts.write_text(f"{hub} 0  # scheduler and a server\n{one}\n{two} 1\n")
        cases = "".join(f"{place.address}) enter='{' '.join(place.prefix)}';;\n" for place in places)
        ssh.write_text(f'#!/bin/sh\ncase $1 in {cases}esac\nshift\nexec $enter sh -c "$*"\n')
        ssh.chmod(0o755)
        yield Network(places, hosts, ssh)


@contextlib.contextmanager
def job(network: Network, folder: Path, *more: object) -> Iterator[Job]:
    """A job on the three hosts; what is left of it at the end is killed."""
    hosts = ("--hosts", network.hosts, "--ssh", network.ssh, "--out", folder, "--autosave", 0.3)
    job = Job([*SMALL, *map(str, (*RUN, *hosts, *more))])
    try:
        yield job
    finally:
        job.process.kill()
        job.wait()
        assert until(lambda: not job.processes()), "processes have outlived their job"


def in_one_process(folder: Path) -> dict[str, bytes]:
    assert run_small(*RUN, "--in-turn", "--out", folder) == 0
    return weights(folder)


def test_workers_on_two_hosts_train_as_one_process_does_and_survive_a_kill(
    network: Network, tmp_path: Path
) -> None:
    with job(network, tmp_path / "run", "--patience", 3600) as running:
        assert until(lambda: latest(tmp_path / "run") > "000001")
        addresses = listening(network)
        begin = time.monotonic()
        os.kill(running.processes()["worker 1"], signal.SIGKILL)
        said = running.said(f"worker 1 on {network.places[2].address}.*SIGKILL", begin)
        code = running.wait()

    assert said, running.lines
    assert code == 0, running.lines
    assert weights(tmp_path / "run") == in_one_process(tmp_path / "whole")
    assert addresses
    assert addresses <= {place.address for place in network.places}  # and not on all that a host has


def listening(network: Network) -> set[str]:
    """The addresses on which anybody takes connections in the namespaces."""
    found = set()
    for place in network.places:
        lines = subprocess.run([*place.prefix, "cat", "/proc/net/tcp"], capture_output=True, text=True)
        for local, state in re.findall(r"(?m)^ *\d+: ([0-9A-F]{8}):[0-9A-F]{4} \S+ (\S\S)", lines.stdout):
            if state == "0A":
                found.add(".".join(str(byte) for byte in bytes.fromhex(local)[::-1]))
    return found


def test_a_cut_link_ends_the_job_and_its_worker_is_named(network: Network, tmp_path: Path) -> None:
    with job(network, tmp_path / "run", "--patience", 20, "--max-restarts", 0) as running:
        assert until(lambda: latest(tmp_path / "run") > "000001")
        cut(1)
        begin = time.monotonic()
        said = running.said(f"(worker 0|server 1) on {network.places[1].address}", begin)
        code = running.wait()

    assert said, running.lines
    assert code == 1


def test_a_slow_link_costs_time_and_changes_nothing(network: Network, tmp_path: Path) -> None:
    with job(network, tmp_path / "run") as running:
        assert until(lambda: latest(tmp_path / "run") > "000001")
        limit(SWITCH, "port2", 0.008)
        code = running.wait()

    assert code == 0, running.lines
    assert weights(tmp_path / "run") == in_one_process(tmp_path / "whole")
