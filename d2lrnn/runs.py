"""List the runs that were trained, and compare them.

    python -m d2lrnn.runs                                 those in runs/
    python -m d2lrnn.runs models/ runs/poems              in a folder, and one
    python -m d2lrnn.runs compare runs/poems runs/plays   settings and curves

The newest run comes first. Each line shows the corpus, the network, the epochs done and asked for, the best
perplexity on held-out text with its bits per character, the perplexity of the last epoch, when the run was
saved, and its state: done, stopped (continue with train --resume), training just now, or begun and not saved
yet. Settings other than the defaults follow if the terminal is wide enough; --json has all.
"""

from __future__ import annotations

if __name__ == "__main__":  # before what takes long to load
    from .cli import begin

    begin("python -m d2lrnn.runs")

import argparse
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .cli import Parser, complain, exit_code, printable, show, tell
from .messages import translated, width
from .running.listing import DAMAGED, Listed, find_runs, look_at

PROG = "python -m d2lrnn.runs"
COLUMNS = ("run", "corpus", "network", "epochs", "held out", "bits", "last", "saved", "state", "settings")
RIGHT = ("epochs", "held out", "bits", "last")  # numbers
LONG = ("run", "corpus")  # are shortened where a line is too long
WIDTH = 100  # where there is no terminal
NARROW, WIDE = 8, 40  # of a column that is shortened; of a value that is compared


def main(argv: Sequence[str] | None = None) -> int:
    """List runs, or compare some. 0: done, 2: a mistake of the user."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if arguments[:1] == ["compare"]:
            return _compare(_compare_parser().parse_args(arguments[1:]))
        return _list(_parser().parse_args(arguments))
    except KeyboardInterrupt as interrupt:
        complain(PROG, "stopped")
        return exit_code(interrupt)
    except (ValueError, OSError) as error:
        complain(PROG, error)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROG, description=__doc__)
    parser.add_argument("folders", nargs="*", metavar="DIR", help="folders of runs, or runs (default: runs/)")
    parser.add_argument("--json", action="store_true", help="print JSON, with all settings")
    return parser


def _compare_parser() -> argparse.ArgumentParser:
    parser = Parser(prog=f"{PROG} compare", description="Compare runs: their settings, figures and curves.")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run directories, two or more")
    parser.add_argument("--out", metavar="FILE", default="compare.svg", help="file for the curves")
    parser.add_argument("--json", action="store_true", help="print JSON, with all settings")
    return parser


# --- the list ---


def _list(arguments: argparse.Namespace) -> int:
    runs = find_runs([Path(folder) for folder in arguments.folders] or [Path("runs")])
    if arguments.json:
        show(json.dumps([_entry(run) for run in runs], indent=2))
        return 0
    rows = [dict(zip(COLUMNS, COLUMNS)), *map(_cells, runs)]
    for line in _lines(rows, shutil.get_terminal_size((WIDTH, 24)).columns):
        show(printable(line, keep=""))
    return 0


def _cells(run: Listed) -> dict[str, str]:
    if run.state == DAMAGED:
        return {"run": str(run.path), "fault": "damaged: " * ("damaged" not in run.fault) + run.fault}
    chosen = [f"{name} {_shown(value)}" for name, value in run.chosen().items()]
    cells = [str(run.path), run.corpus, run.network, f"{run.epochs}/{run.config['epochs']}"]
    cells += [_number(run.best and run.best[1]), _number(run.bits, 2)]
    cells += [_number(run.last("heldout_perplexity")), _date(run.saved), run.state, ", ".join(chosen)]
    return dict(zip(COLUMNS, cells))


def _number(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:,.{digits}f}" if value < 1e6 else f"{value:.1e}"


def _date(seconds: float) -> str:
    """Day and time here; of another year, the day."""
    when, now = time.localtime(seconds), time.localtime()
    return time.strftime("%m-%d %H:%M" if when.tm_year == now.tm_year else "%Y-%m-%d", when)


def _lines(rows: Sequence[dict[str, str]], columns: int) -> list[str]:
    """The rows below each other, none wider than columns if the long cells can be shortened so far."""
    rows = [{name: printable(cell, keep="") for name, cell in row.items()} for row in rows]
    widths = {name: max(width(row.get(name, "")) for row in rows) for name in COLUMNS[:-1]}
    too_much = sum(widths.values()) + 2 * (len(widths) - 1) - columns
    while too_much > 0 and max(widths[name] for name in LONG) > NARROW:
        widths[max(LONG, key=lambda name: widths[name])] -= 1
        too_much -= 1
    lines = []
    for row in rows:
        cells = [_fit(row["run"], widths["run"])]
        if "fault" not in row:
            cells += [_fit(row[name], widths[name], right=name in RIGHT) for name in COLUMNS[1:-1]]
        line = "  ".join(cells)
        rest = row.get("fault", row.get("settings", ""))
        room = columns - width(line) - 2
        lines.append((f"{line}  {_cut_end(rest, room)}" if room >= NARROW else line).rstrip())
    return lines


def _fit(text: str, columns: int, *, right: bool = False) -> str:
    """text in exactly this many columns: padded, or without its middle."""
    if width(text) > columns:
        middle = len(text) // 2
        head, tail = text[:middle][:columns], text[middle:][-columns:]
        while width(head) + 1 + width(tail) > columns:
            head, tail = (head[:-1], tail) if len(head) >= len(tail) else (head, tail[1:])
        text = f"{head}…{tail}"
    fill = " " * (columns - width(text))
    return fill + text if right else text + fill


def _cut_end(text: str, columns: int) -> str:
    """text in at most this many columns."""
    if width(text) <= columns:
        return text
    while width(text) > columns - 1:
        text = text[:-1]
    return text + "…"


def _entry(run: Listed) -> dict[str, Any]:
    """A run for programs."""
    best = run.best or (None, None)
    return {
        "run": str(run.path),
        "state": run.state,
        "saved": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(run.saved)),
        "epochs_done": run.epochs,
        "best_epoch": best[0],
        "best_heldout_perplexity": best[1],
        "best_bits_per_character": run.bits,
        "last_heldout_perplexity": run.last("heldout_perplexity"),
        "last_train_perplexity": run.last("train_perplexity"),
        "fault": run.fault or None,
        "config": dict(run.config),
    }


# --- several beside each other ---


def _compare(arguments: argparse.Namespace) -> int:
    runs = [look_at(path) for path in dict.fromkeys(map(Path, arguments.runs))]  # once each
    for run in runs:
        if run.fault:
            raise ValueError(run.fault)
    if len(runs) < 2:
        raise ValueError(f"only {runs[0].path} is to be compared: give two runs or more")
    out = Path(arguments.out)
    drawn = any(run.metrics for run in runs)
    if drawn:
        from .running.plot import draw_comparison  # matplotlib takes half a second to load

        _write(out, draw_comparison([(printable(str(run.path), keep=""), run.metrics) for run in runs]))
    differ = _differences(runs)
    if arguments.json:
        entries = [_entry(run) for run in runs]
        show(json.dumps({"runs": entries, "differ": differ, "curves": str(out) if drawn else None}, indent=2))
        return 0
    for line in _table(runs, differ):
        show(printable(line, keep=""))
    tell(f"{out} shows their curves" if drawn else "no epoch is over: there are no curves")
    return 0


def _differences(runs: Sequence[Listed]) -> dict[str, list[Any]]:
    """The settings that are not the same in all runs, with the value in each."""
    names = dict.fromkeys(name for run in runs for name in run.config if name != "facts")
    values = {name: [run.setting(name) for run in runs] for name in names}
    return {name: each for name, each in values.items() if any(value != each[0] for value in each)}


def _table(runs: Sequence[Listed], differ: dict[str, list[Any]]) -> list[str]:
    rows = [("", [str(run.path) for run in runs])]
    rows += [(name, [_shown(value) for value in values]) for name, values in differ.items()]
    rows += [
        ("epochs done", [f"{run.epochs}/{run.config['epochs']}" for run in runs]),
        ("best held out", [_number(run.best and run.best[1]) for run in runs]),
        ("  at epoch", [str(run.best[0]) if run.best else "–" for run in runs]),
        ("  bits per character", [_number(run.bits, 3) for run in runs]),
        ("last held out", [_number(run.last("heldout_perplexity")) for run in runs]),
        ("last in training", [_number(run.last("train_perplexity")) for run in runs]),
        ("saved", [_date(run.saved) for run in runs]),
        ("state", [run.state for run in runs]),
    ]
    shown = [[printable(cell, keep="") for cell in (name, *cells)] for name, cells in rows]
    widths = [max(map(width, column)) for column in zip(*shown)]
    lines = ["  ".join(map(_fit, cells, widths)).rstrip() for cells in shown]
    count = f"{len(differ)} settings differ" if len(differ) > 1 else "1 setting differs"
    lines.insert(1, translated(count if differ else "all settings are the same"))
    if len({_heldout_text(run) for run in runs}) > 1:
        lines.append(translated("their held-out texts are not the same: compare only the curves' shapes"))
    return lines


def _shown(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else "–" if value is None else str(value)
    return _fit(printable(text, keep=""), WIDE).rstrip()


def _heldout_text(run: Listed) -> tuple[Any, ...]:
    facts = run.config.get("facts")
    facts = facts if isinstance(facts, dict) else {}
    measured = facts.get("heldout_measured", facts.get("heldout_chars"))  # older runs measured all
    return str(facts.get("corpus_sha256")), str(facts.get("heldout_chars")), str(measured)


def _write(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all; without MXNet, which lesson 16 would load."""
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is not a file: give the name of one, new or old")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader that stops early, as head does, is no fault
    sys.exit(main())
