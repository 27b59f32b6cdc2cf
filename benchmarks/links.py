"""Machines inside this one: network namespaces around a switch, each with a link of a chosen bandwidth.

Needs Linux, root, and the commands ip and tc.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from typing import NamedTuple


class Place(NamedTuple):
    """Where a process runs: what stands before its command, and its address."""

    prefix: tuple[str, ...] = ()
    address: str = "127.0.0.1"


@contextlib.contextmanager
def machines(count: int, gbit: float) -> Iterator[list[Place]]:
    """Places whose links carry so many Gbit/s either way, as long as this is entered.

    Raises:
        OSError, subprocess.CalledProcessError: this system does not permit it.
    """
    switch, names = f"d2-{os.getpid()}-s", [f"d2-{os.getpid()}-{k}" for k in range(count)]
    try:
        _run(f"ip netns add {switch}")
        _run(f"ip -n {switch} link add bridge type bridge")
        _run(f"ip -n {switch} link set bridge up")
        for k, name in enumerate(names):
            _run(f"ip netns add {name}")
            _run(f"ip -n {switch} link add port{k} type veth peer name eth0 netns {name}")
            _run(f"ip -n {switch} link set port{k} master bridge up")
            _run(f"ip -n {name} addr add 10.77.0.{k + 1}/24 dev eth0")
            for device in ("lo", "eth0"):
                _run(f"ip -n {name} link set {device} up")
            for where, device in ((switch, f"port{k}"), (name, "eth0")):
                _run(
                    f"tc -n {where} qdisc add dev {device} root tbf rate {gbit}gbit burst 256k latency 100ms"
                )
        yield [Place(("ip", "netns", "exec", name), f"10.77.0.{k + 1}") for k, name in enumerate(names)]
    finally:
        for name in [switch, *names]:
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)


def _run(command: str) -> None:
    subprocess.run(command.split(), check=True, stderr=subprocess.DEVNULL)
