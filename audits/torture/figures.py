"""The result of a part of the campaign: figures beside their bars, in a stored table."""

from __future__ import annotations

import dataclasses
import os
import platform
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

TABLE = Path(__file__).parent.parent / "torture.md"
HEAD = """# Nothing lost: the last full campaign

Written by `python -m audits.torture`: each part writes its own section when it was run at full size. The
machine had {cores} cores and did other things besides. A part that could not be tried says so under «holds».
"""


@dataclasses.dataclass(frozen=True)
class Figure:
    """A line of the table: what was done, the required result, the actual one, and whether it passes.

    holds: None if it could not be tried here.
    """

    what: str
    bar: str
    found: str
    holds: bool | None


class Findings(list[str]):
    """What was found to be wrong: lines, shown as soon as they are known."""

    def append(self, line: str) -> None:
        """Add a line, and print it."""
        super().append(line)
        tqdm.write(line, file=sys.stderr)


def to_table(figures: Sequence[Figure]) -> str:
    """The figures in Markdown that can be read as it is."""
    words = {True: "yes", False: "**no**", None: "not tried"}
    rows: list[tuple[str, ...]] = [("what", "bar", "found", "holds")]
    rows += [(line.what, line.bar, line.found, words[line.holds]) for line in figures]
    widths = [max(map(len, column)) for column in zip(*rows)]
    rows.insert(1, tuple("-" * width for width in widths))
    lines = (" | ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows)
    return "".join(f"| {line} |\n" for line in lines)


def versions() -> str:
    """What the figures depend on."""
    import d2lrnn

    import mxnet
    import numpy

    return (
        f"d2lrnn {d2lrnn.__version__}, MXNet {mxnet.__version__}, NumPy {numpy.__version__}, "
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS')}"
    )


def keep(section: str, names: Sequence[str], path: Path = TABLE) -> None:
    """Write a section (it begins with «## name») over the old one of that name; names: their order."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    found = [part for part in re.split(r"(?m)^(?=## )", text) if part.startswith("## ")]
    sections = {part.split()[1]: part for part in [*found, section]}
    parts = [HEAD.format(cores=os.cpu_count()), *(sections[name] for name in names if name in sections)]
    path.write_text("\n".join(part.strip() + "\n" for part in parts), encoding="utf-8")
