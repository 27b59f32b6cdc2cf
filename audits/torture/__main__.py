"""Training is killed, disks fail, files are damaged and forged: count what is lost.

    python -m audits.torture                  all parts, an hour; writes audits/torture.md
    python -m audits.torture kills disk       some of them, and their sections of audits/torture.md
    python -m audits.torture --size 0.05      the same in three minutes, shown and not written

The parts: kills, damage, disk, long_runs, corpora, workers. Two may run at once, each called by itself.
Exits with 1 if a figure misses its bar.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time
from pathlib import Path

PARTS = ("kills", "damage", "disk", "long_runs", "corpora", "workers")


def main() -> int:
    """Run the parts and show their tables; keep those of full size."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m audits.torture", description=__doc__, formatter_class=form
    )
    parser.add_argument("parts", nargs="*", metavar="part", help=f"{', '.join(PARTS)} (all)")
    parser.add_argument("--seed", type=int, default=0, help="another seed has other accidents (0)")
    parser.add_argument("--size", type=float, default=1, help="multiple of the full campaign (1)")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.parts if name not in PARTS]
    if unknown or not 0 < arguments.size <= 1000:
        parser.error(f"there is no part {unknown[0]}" if unknown else "--size: give a number above 0")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before mxnet is loaded
    held = [run(name, arguments.seed, arguments.size) for name in arguments.parts or PARTS]
    return 0 if all(held) else 1


def run(name: str, seed: int, size: float) -> bool:
    """One part; whether all of its figures hold."""
    from .figures import keep, to_table, versions

    part = importlib.import_module(f".{name}", __package__)
    line = f"python -m audits.torture {name} --seed {seed}" + (f" --size {size:g}" if size != 1 else "")
    about = str(part.__doc__).splitlines()[0]
    print(f"{line}\n{about}\n", flush=True)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        figures = part.run(Path(folder), seed, size)
    minutes = (time.monotonic() - begin) / 60
    table = to_table(figures)
    print(f"{table}{minutes:.1f} minutes\n", flush=True)
    if size >= 1:
        how = f"`{line}`: {minutes:.0f} minutes; {versions()}"
        keep(f"## {name}\n\n{about}\n\n{table}\n{how}\n", PARTS)
    return all(figure.holds is not False for figure in figures)


if __name__ == "__main__":
    sys.exit(main())
