"""Machines inside this one: network namespaces around a switch, each with a link of a chosen bandwidth.

Needs Linux, root, and the commands ip and tc.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

SWITCH = f"d2-{os.getpid()}-s"


class Place(NamedTuple):
    """Where a process runs: what stands before its command, and its address."""

    prefix: tuple[str, ...] = ()
    address: str = "127.0.0.1"


@contextlib.contextmanager
def machines(count: int, gbit: float) -> Iterator[list[Place]]:
    """Within the block: places whose links carry gbit Gbit/s each way.

    Raises:
        OSError, subprocess.CalledProcessError: this system does not permit it.
    """
    names = [f"d2-{os.getpid()}-{k}" for k in range(count)]
    try:
        _run(f"ip netns add {SWITCH}")
        _run(f"ip -n {SWITCH} link add bridge type bridge")
        _run(f"ip -n {SWITCH} link set bridge up")
        for k, name in enumerate(names):
            _run(f"ip netns add {name}")
            _run(f"ip -n {SWITCH} link add port{k} type veth peer name eth0 netns {name}")
            _run(f"ip -n {SWITCH} link set port{k} master bridge up")
            _run(f"ip -n {name} addr add 10.77.0.{k + 1}/24 dev eth0")
            for device in ("lo", "eth0"):
                _run(f"ip -n {name} link set {device} up")
            limit(SWITCH, f"port{k}", gbit)
            limit(name, "eth0", gbit)
        yield [Place(("ip", "netns", "exec", name), f"10.77.0.{k + 1}") for k, name in enumerate(names)]
    finally:
        for name in [SWITCH, *names]:
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                _run(f"ip netns del {name}")


def limit(where: str, device: str, gbit: float) -> None:
    """Limit what a device sends, in Gbit/s."""
    _run(f"tc -n {where} qdisc replace dev {device} root tbf rate {gbit}gbit burst 256k latency 100ms")


def cut(number: int) -> None:
    """Cut the link of the machine with this number, counted from 0."""
    _run(f"ip -n {SWITCH} link set port{number} down")


def _run(command: str) -> None:
    name, *arguments = command.split()
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or name
    subprocess.run([found, *arguments], check=True, stderr=subprocess.DEVNULL)
