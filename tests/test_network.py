"""Several hosts, for real: three network namespaces, and the job goes on, or ends and says why.

One host has scheduler and server, two have a worker each. A link joins each of these with the first; there is
no other way.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_run import SMALL, run_small, weights

from benchmarks.torture.workers import Job, latest, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
HUB, ONE, TWO = "10.77.0.1", "10.77.1.2", "10.77.2.2"
TC = shutil.which("tc", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
RUN = ("--workers", 2, "--sampler", "consecutive", "--epochs", 40, "--pred-period", 1000)


def ip(*arguments: object) -> None:
    subprocess.run(["ip", *map(str, arguments)], check=True, capture_output=True)


class Network:
    """The hosts by their addresses, and a command that stands in for ssh."""

    def __init__(self, folder: Path) -> None:
        self.names = {address: f"d2l{os.getpid()}{k}" for k, address in enumerate((HUB, ONE, TWO))}
        self.hosts = folder / "hosts.txt"
        self.hosts.write_text(f"{HUB} 0  # scheduler and server\n{ONE}\n{TWO} 1\n")
        self.ssh = folder / "enter"
        cases = "".join(f"{address}) name={name};;\n" for address, name in self.names.items())
        self.ssh.write_text(
            f'#!/bin/sh\ncase $1 in {cases}esac\nshift\nexec ip netns exec $name sh -c "$*"\n'
        )
        self.ssh.chmod(0o755)

    def build(self) -> None:
        for name in self.names.values():
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        hub = self.names[HUB]
        ip("-n", hub, "address", "add", f"{HUB}/32", "dev", "lo")
        for address in (ONE, TWO):
            near, far = self.link(address), self.names[address]
            ip("link", "add", near, "netns", hub, "type", "veth", "peer", "name", "up0", "netns", far)
            gateway = address[:-1] + "1"
            ip("-n", hub, "address", "add", f"{gateway}/24", "dev", near)
            ip("-n", far, "address", "add", f"{address}/24", "dev", "up0")
            ip("-n", hub, "link", "set", near, "up")
            ip("-n", far, "link", "set", "up0", "up")
            ip("-n", far, "route", "add", "default", "via", gateway)

    def link(self, address: str) -> str:
        """The first host's end of its link to another."""
        return f"to{address.split('.')[2]}"

    def cut(self, address: str) -> None:
        ip("-n", self.names[HUB], "link", "set", self.link(address), "down")

    def slow(self, address: str, rate: str) -> None:
        limits = f"root tbf rate {rate} burst 16kbit latency 400ms".split()
        assert TC
        command = [TC, "-n", self.names[HUB], "qdisc", "add", "dev", self.link(address), *limits]
        subprocess.run(command, check=True, capture_output=True)

    def remove(self) -> None:
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    if not shutil.which("ip") or os.geteuid():
        pytest.skip("network namespaces need root and iproute2")
    network = Network(tmp_path)
    try:
        network.build()
    except subprocess.CalledProcessError as error:
        network.remove()
        pytest.skip(f"network namespaces are not permitted here: {error.stderr.decode().strip()}")
    yield network
    network.remove()


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
        assert until(lambda: not job.members(), 20), "processes have outlived their job"


def in_one_process(folder: Path) -> dict[str, bytes]:
    assert run_small(*RUN, "--in-turn", "--out", folder) == 0
    return weights(folder)


def test_workers_on_two_hosts_train_as_one_process_does_and_survive_a_kill(
    network: Network, tmp_path: Path
) -> None:
    with job(network, tmp_path / "run") as running:
        assert until(lambda: latest(tmp_path / "run") > "000001")
        addresses = listening(network)
        begin = time.monotonic()
        os.kill(running.members()["worker 1"], signal.SIGKILL)
        said = running.said(f"worker 1 on {TWO}.*SIGKILL", begin)
        code = running.wait()

    assert said
    assert said[0] < 3
    assert code == 0, running.lines
    assert weights(tmp_path / "run") == in_one_process(tmp_path / "whole")
    assert addresses
    assert addresses <= {HUB, ONE, TWO}  # and not on all that a host has


def listening(network: Network) -> set[str]:
    """The addresses on which anybody takes connections in the namespaces."""
    found = set()
    for name in network.names.values():
        lines = subprocess.run(
            ["ip", "netns", "exec", name, "cat", "/proc/net/tcp"], capture_output=True, text=True
        )
        for local, state in re.findall(r"(?m)^ *\d+: ([0-9A-F]{8}):[0-9A-F]{4} \S+ (\S\S)", lines.stdout):
            if state == "0A":
                found.add(".".join(str(byte) for byte in bytes.fromhex(local)[::-1]))
    return found


def test_a_cut_link_ends_the_job_and_its_worker_is_named(network: Network, tmp_path: Path) -> None:
    with job(network, tmp_path / "run", "--patience", 3, "--max-restarts", 0) as running:
        assert until(lambda: latest(tmp_path / "run") > "000001")
        network.cut(ONE)
        begin = time.monotonic()
        said = running.said(f"worker 0 on {ONE}", begin)
        code = running.wait(60)

    assert said, running.lines
    assert said[0] < 3 + 10
    assert code == 1


@pytest.mark.skipif(not TC, reason="links are slowed by tc, of iproute2")
def test_a_slow_link_costs_time_and_changes_nothing(network: Network, tmp_path: Path) -> None:
    with job(network, tmp_path / "run") as running:
        assert until(lambda: latest(tmp_path / "run") > "000001")
        network.slow(TWO, "8mbit")
        code = running.wait()

    assert code == 0, running.lines
    assert weights(tmp_path / "run") == in_one_process(tmp_path / "whole")
