"""A job of several processes, and the machines that it runs on."""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5",
       "-o", "ServerAliveCountMax=2")  # fmt: skip
MOST_SERVERS = 4  # of one host, unless more are asked for


@dataclass(frozen=True)
class Host:
    """A machine, by its IPv4 address, and how many workers run on it."""

    address: str = "127.0.0.1"
    num_workers: int = 1


@dataclass(frozen=True)
class Job:
    """What to start, and how long to wait for it.

    worker: the arguments of a worker, the same for all and for a new start: it goes on from its checkpoint.
    num_servers: None: one for each worker up to 4, and at least one for each host. patience: seconds without
    a step. ssh: the command that takes an address and a command line. server: what runs as scheduler and as
    server; the scheduler is on the first host.
    """

    worker: Sequence[str]
    hosts: Sequence[Host] = (Host(),)
    num_servers: int | None = None
    patience: float = 60.0
    max_restarts: int = 3
    ssh: Sequence[str] = SSH
    server: Sequence[str] = (sys.executable, "-c", "import d2lrnn, mxnet")

    @property
    def servers(self) -> list[Host]:
        """Where each server runs: one after the other on the hosts, so that all links carry their share."""
        num_workers = sum(host.num_workers for host in self.hosts)
        count = self.num_servers or max(len(self.hosts), min(num_workers, MOST_SERVERS))
        return [self.hosts[index % len(self.hosts)] for index in range(count)]


def read_hosts(path: str | Path) -> list[Host]:
    """The hosts of a file: on each line an IPv4 address and how many workers run there (1 unless given).

    What follows a # is a comment. The first host runs the scheduler as well, and servers run on all: one with
    0 workers has nothing else to do.

    Raises:
        ValueError: a line is not like that, or the hosts could not reach each other.
    """
    hosts: list[Host] = []
    for number, line in enumerate(Path(path).read_text("utf-8-sig", "replace").splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            host = _read_host(f"{path}, line {number}", words)
            if host.address in [other.address for other in hosts]:
                raise ValueError(
                    f"{path}, line {number}: {host.address} again: give it once, with all its workers"
                )
            hosts.append(host)
    if not any(host.num_workers for host in hosts):
        raise ValueError(
            f"{path} names no worker: give a line for each, such as 10.0.0.2 4 (address, workers)"
        )
    loopback = [host.address for host in hosts if is_loopback(host.address)]
    if 0 < len(loopback) < len(hosts):
        raise ValueError(
            f"{path}: no other machine reaches {loopback[0]}: give this one's address on their network"
        )
    return hosts


def _read_host(where: str, words: Sequence[str]) -> Host:
    address, num_workers, *more = [*words, "1"] if len(words) == 1 else words
    try:
        parsed = ipaddress.IPv4Address(address)
        usable = not (parsed.is_unspecified or parsed.is_multicast)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(
            f"{where}: {address!r} is not an IPv4 address (MXNet binds to no names): "
            "give one such as 10.0.0.2"
        )
    if more or not num_workers.isdecimal() or int(num_workers) > 1000:
        raise ValueError(
            f"{where}: {' '.join(words[1:])!r} is not a number of workers: give one, from 0 to 1000"
        )
    return Host(address, int(num_workers))


def free_port(address: str) -> int | None:
    """A port that nobody uses on an address of this machine; None if it is of another."""
    with socket.socket() as server:
        try:
            server.bind((address, 0))
        except OSError:
            return None
        return server.getsockname()[1]


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches it."""
    return ipaddress.ip_address(address).is_loopback


def is_here(address: str) -> bool:
    """Whether it is an address of this machine."""
    return is_loopback(address) or free_port(address) is not None
