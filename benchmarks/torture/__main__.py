"""Nothing is lost: training is killed, disks fail, files are damaged and forged, and it is counted.

    python -m benchmarks.torture                        all of it, an hour; writes benchmarks/torture.md
    python -m benchmarks.torture --part kills disk      some of it
    python -m benchmarks.torture --short                a few of each, some minutes

Exits with 1 if one figure misses its bar. The parts: kills, damage, disk, long, corpora.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .children import Figure

TABLE = Path(__file__).parent.parent / "torture.md"
HEAD = """# Nothing lost: the last full campaign

`make torture` does all of this again; `python -m benchmarks.torture --help` says how to do parts of it.
Times and memory are those of a busy machine with 2 cores. Seed {seed}, {minutes:g} minutes of corpora.

"""


def kills(folder: Path, seed: int, short: bool) -> list[Figure]:
    """Runs that are killed and begun again."""
    from .kills import kill_runs

    return kill_runs(folder, seed, kills=24 if short else 216, processes=1 if short else 12)


def damage(folder: Path, seed: int, short: bool) -> list[Figure]:
    """Run directories that are damaged or forged."""
    from .damage import damage_runs

    return damage_runs(folder, seed, cases=100 if short else 1200)


def disk(folder: Path, seed: int, short: bool) -> list[Figure]:
    """Disks that are full, read-only, gone or broken."""
    from .disk import fail_disks

    return fail_disks(folder, seed, times=1 if short else 10)


def long(folder: Path, seed: int, short: bool) -> list[Figure]:
    """What saving costs, and memory."""
    from .long_runs import memory, overhead

    return overhead(folder, rounds=5 if short else 30) + memory(folder, batches=2_000 if short else 20_000)


def corpora(minutes: float, seed: int) -> list[Figure]:
    """Texts and zips from an enemy."""
    from benchmarks.fuzz_corpora import fuzz_corpora

    from .children import Figure

    found = fuzz_corpora(minutes, seed)
    print(found)
    bad = {name: found[name] for name in ("tracebacks", "wrong_answers", "signals", "hangs")}
    return [
        Figure(
            f"corpora and zips, guided by coverage ({found['engine']})",
            f"≥ {minutes:g} minutes",
            f"{found['minutes']:g} minutes, {found['inputs']:,} inputs, {found['read']:,} of them read",
            found["minutes"] >= 0.99 * minutes,
        ),
        Figure(
            "tracebacks, wrong answers, signals, hangs",
            "0",
            ", ".join(map(str, bad.values())),
            not any(bad.values()),
        ),
    ]


PARTS: dict[str, Callable[[Path, int, bool], list[Figure]]] = {
    "kills": kills, "damage": damage, "disk": disk, "long": long,
}  # fmt: skip


def to_table(figures: list[Figure]) -> str:
    """The figures in Markdown."""
    rows = [(line.what, line.bar, line.found, "yes" if line.ok else "**no**") for line in figures]
    head = [("what", "bar", "found", "holds"), ("---", "---", "---", "---")]
    return "".join(f"| {' | '.join(row)} |\n" for row in [*head, *rows])


def main() -> int:
    """Run the parts, print the table, and keep that of a whole campaign."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", nargs="+", choices=[*PARTS, "corpora"], help="which parts (all)")
    parser.add_argument("--minutes", type=float, default=20, help="of hostile corpora (20)")
    parser.add_argument("--seed", type=int, default=0, help="another seed has other accidents (0)")
    parser.add_argument("--short", action="store_true", help="a few of each")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before mxnet is loaded
    minutes = min(arguments.minutes, 1) if arguments.short else arguments.minutes
    figures = []
    for name in arguments.part or [*PARTS, "corpora"]:
        print(f"--- {name}", flush=True)
        with tempfile.TemporaryDirectory(prefix="torture-") as folder:
            if name == "corpora":
                figures += corpora(minutes, arguments.seed)
            else:
                figures += PARTS[name](Path(folder), arguments.seed, arguments.short)
        print(to_table(figures), flush=True)
    if not arguments.part and not arguments.short:
        head = HEAD.format(seed=arguments.seed, minutes=minutes)
        TABLE.write_text(head + to_table(figures), encoding="utf-8")
    return 0 if all(line.ok for line in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
