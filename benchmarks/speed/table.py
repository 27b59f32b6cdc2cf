"""The table: a row a measurement, a column a contender."""

from __future__ import annotations

import itertools
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parent.parent / "speed.md"
TITLES = {
    "ours": "ours",
    "pytorch": "PyTorch",
    "jax": "JAX",
    "gluon": "Gluon fused",
    "numpy": "NumPy by hand",
    "tutorial": "the tutorial's loop",
}
COLUMNS = {
    "row": "row",
    "unit": "unit",
    **TITLES,
    "ratio": "ours: times as fast as",
    "bar": "bar",
    "limit": "limit",
    "share": "ours of it",
    "peer_share": "best peer of it",
}
WAYS = {
    "row": "row",
    "who": "library",
    "way": "written as",
    "times": "unit of the row, the fastest of three turns",
}
HEAD = """# How fast it is

Written by `make bench`, which takes turns in one run; [README.md](README.md) says what is compared and how.
"""
MORE = """
## Every way that was tried

The first of each library took part above: of the three that were fastest alone, it was the fastest in turns.
[2]: two threads; [2p]: two that sleep while they wait.
"""


def cells(line: str) -> list[str]:
    """The cells of a line of Markdown."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def to_table(rows: Sequence[Mapping[str, str]], columns: Mapping[str, str] = COLUMNS) -> str:
    """The rows in Markdown that can be read as it is."""
    grid = [list(columns.values()), *([row.get(name, "") for name in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*grid)]
    grid.insert(1, ["-" * width for width in widths])
    lines = (" | ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in grid)
    return "".join(f"| {line} |\n" for line in lines)


def keep(rows: Sequence[Mapping[str, Any]], order: Sequence[str], how: str, path: Path = TABLE) -> None:
    """Write both tables; rows of an earlier run that were not measured again stay."""
    named = {row["row"]: row for row in [*_stored(path, COLUMNS), *rows]}
    table = to_table([named[name] for name in order if name in named])
    new = {row["row"]: row.get("ways", []) for row in rows}
    old = [way for way in _stored(path, WAYS) if way["row"] not in new]
    ways = [way for way in [*old, *itertools.chain(*new.values())] if way["row"] in order]
    ways.sort(key=lambda way: order.index(way["row"]))
    path.write_text(f"{HEAD}\n{table}\n{how}\n{MORE}\n{to_table(ways, WAYS)}", encoding="utf-8")


def _stored(path: Path, columns: Mapping[str, str]) -> list[dict[str, str]]:
    """The rows of the table of these columns in the file."""
    found = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    lines = [cells(line) for line in found if line.startswith("| ")]
    return [dict(zip(columns, line)) for line in lines if len(line) == len(columns)]


def machine(versions: Mapping[str, str]) -> str:
    """What the figures depend on, in a line or two."""
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as lines:
            names = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
            model = next(names, model)
    libraries = ", ".join(f"{name} {version}" for name, version in versions.items())
    busy = f"; load {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else ""
    return f"{model}, {os.cpu_count()} cores, {platform.system()}{busy}. {libraries}."
