"""Install the peers into the environment of the Python that runs this; exit with 0 if all are there.

    .venv-peers/bin/python benchmarks/speed/install.py

PyTorch brings 3 GB for GPUs, which it does not use here: its build for CPUs is smaller and computes the same,
but it is not on the plain package index.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

LOCKS = Path(__file__).parents[1] / "locks"
PEERS = {"JAX": "jax", "PyTorch": "torch"}  # the lock of each


def install(lock: str) -> str:
    """Nothing if pip could, else what it said."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries=1"]
    path = LOCKS / f"{lock}.lock"
    pip += ["--no-deps", "--require-hashes", "--requirement", str(path)]
    done = subprocess.run(pip, capture_output=True, text=True)
    if not done.returncode:
        return ""
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    return errors[-1].removeprefix("ERROR: ") if errors else f"pip ended with {done.returncode}"


def main() -> int:
    """Install one after the other; say in a line what could not be."""
    if find_spec("mxnet"):
        print("this Python has MXNet, which their NumPy would break: run it by `make bench`", file=sys.stderr)
        return 2
    missing = 0
    for name, lock in PEERS.items():
        print(f"{name}: installing {lock}.lock", file=sys.stderr, flush=True)
        fault = install(lock)
        if fault:
            missing += 1
            print(f"{name} is not installed, its columns stay empty: {fault}", file=sys.stderr, flush=True)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
