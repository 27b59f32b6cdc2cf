"""How fast it is beside its peers: a table, row by row, all contenders taking turns.

    python -m benchmarks.speed                    all rows, 90 minutes; writes benchmarks/speed.md
    python -m benchmarks.speed rnn vocab-28       some of them, and their rows of benchmarks/speed.md
    python -m benchmarks.speed --quick [rnn …]    a look, a minute; shown and not written
    python -m benchmarks.speed profile [rnn …]    where ours spends its time

The rows: rnn gru lstm rnn-1024 lstm-1024 vocab-28 lstm-vocab-28 vocab-6000 lstm-2-layers tutorial, decode-1
decode-32 decode-1-drawn decode-32-drawn, load, sizes, perplexity-6.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from .arena import ROOT, ContenderError
from .rows import MEASURES, TRAINING, Row, profile
from .stage import FULL, QUICK, Bench, say
from .table import keep, machine, to_table

VERSIONS = """
from importlib.metadata import PackageNotFoundError, version
for name in ("torch", "jax", "numpy", "mxnet", "d2lrnn"):
    try: print(name, version(name))
    except PackageNotFoundError: pass
"""


def main() -> int:
    """Measure the rows and print the table."""
    parser = argparse.ArgumentParser(
        prog="make bench ARGS=", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", metavar="row", help="which rows (all)")
    parser.add_argument("--quick", action="store_true", help="few rounds, all cores, no tuning")
    peers = ROOT / ".venv-peers/bin/python"
    parser.add_argument("--peers", type=Path, default=peers, help="the Python that has PyTorch and JAX")
    arguments = parser.parse_args()
    profiled = arguments.rows[:1] == ["profile"]
    known = TRAINING if profiled else MEASURES
    chosen = arguments.rows[profiled:] or (["rnn", "decode-1"] if arguments.quick else list(known))
    unknown = [name for name in chosen if name not in known]
    if unknown:
        parser.exit(2, f"there is no row {unknown[0]!r}: give some of {', '.join(known)}\n")
    bench = Bench(arguments.peers.absolute(), QUICK if arguments.quick else FULL)
    if profiled:
        for name in chosen:
            print(f"{profile(name, bench)}\n", flush=True)
        return 0
    rows: list[Row] = []
    for name in chosen:
        rows.append(MEASURES[name](name, bench))
        how = machine(versions(bench))
        if not arguments.quick:  # row by row: an interrupted run keeps its rows
            keep(rows, list(MEASURES), how)
    print(f"{to_table(rows)}\n{how}")
    faults = [f"{row['row']}: {row['faults']}" for row in rows if row.get("faults")]
    say("".join(f"not the same work: {fault}\n" for fault in faults))
    return 1 if faults else 0


def versions(bench: Bench) -> dict[str, str]:
    """Of the libraries; the peers' NumPy is another than MXNet's."""
    found: dict[str, str] = {}
    for python in (bench.peers, Path(sys.executable)):
        if python.exists():
            lines = subprocess.run([python, "-c", VERSIONS], capture_output=True, text=True).stdout
            for line in lines.splitlines():
                name, version = line.split()
                found.setdefault(name, version)
    return found


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except ContenderError as error:
        say(f"make bench: {error}")
        sys.exit(1)
