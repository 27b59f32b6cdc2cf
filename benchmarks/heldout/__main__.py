"""Measure how well networks and counts predict text that was held out, and print the tables.

    python -m benchmarks.heldout              every study: hours on 2 cores
    python -m benchmarks.heldout songci       one of them
    python -m benchmarks.heldout --stored     the tables of what is stored; nothing is measured

A result is stored in data/heldout.json as soon as it is measured: stop the command whenever you like, and
run it again to continue. Delete a result's line there to have it measured again. The lyrics are copyrighted
and not ours to ship: their studies need jaychou_lyrics_2018-05.txt.zip in data/ or in the folder that
D2LRNN_TEST_DATA names.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from .store import RESULTS, NotMeasured, Store

STUDIES = (
    "songci", "songci_best", "songci_curves", "lyrics", "ablation", "adaptive", "timemachine", "small_text",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run the studies. 0: done, 2: a corpus or a stored result is missing, 130: stopped."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.heldout",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("studies", nargs="*", metavar="STUDY", help=f"of {', '.join(STUDIES)} (all)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="which seeds (0 1 2)")
    parser.add_argument("--stored", action="store_true", help="measure nothing")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="file of the results (data/heldout.json)"
    )
    arguments = parser.parse_args(argv)
    unknown = sorted({*arguments.studies} - {*STUDIES})
    if unknown:
        parser.error(f"no study is called {unknown[0]}: give one of {', '.join(STUDIES)}")
    store, missing = Store(arguments.results, measure=not arguments.stored), False
    for name in arguments.studies or STUDIES:
        print(f"\n--- {name}", flush=True)
        try:
            importlib.import_module(f"{__package__}.{name}").study(store, tuple(arguments.seeds))
        except (FileNotFoundError, NotMeasured) as error:
            print(error, file=sys.stderr)
            missing = True
        except KeyboardInterrupt:
            print("stopped: what was measured is stored", file=sys.stderr)
            return 130
    return 2 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
