"""Measure how well a trained network predicts texts.

    python -m d2lrnn.evaluate                          its whole held-out text
    python -m d2lrnn.evaluate runs/poems a.txt b.txt   each text, and all
    python -m d2lrnn.evaluate network.safetensors -    the standard input

Each text is read from its beginning to its end, and the state is carried all the way. The first character has
no prediction and is not scored. Characters that the network does not know are left out, as if they were not
there, and counted: compare perplexities only where the same characters are scored. The perplexity is the
exponential of the mean cross-entropy in nats; bits per character are that mean divided by ln 2.

With --adaptive a copy of the network learns from each text while reading it, always after predicting, and is
mixed with counts, a cache of its states and a pointer to earlier passages (lesson 20). This is slow, about a
hundred characters a second, and pays off on texts that repeat themselves.
"""

from __future__ import annotations

if __name__ == "__main__":  # before what takes long to load
    from .cli import begin

    begin("python -m d2lrnn.evaluate")

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cli import Parser, complain, exit_code, printable, progress_bar, show
from .compat import CannotLoad
from .messages import translated
from .running.settings import Settings, add_best_or_last, add_run, add_setting

if TYPE_CHECKING:
    from .running.directory import Trained
    from .running.measure import Score, Text

PROG = "python -m d2lrnn.evaluate"
COLUMNS = ("perplexity", "bits/character", "characters", "scored", "unknown")
MOST_UNKNOWN = 8  # are named


def main(argv: Sequence[str] | None = None) -> int:
    """Print the scores. 0: done, 2: a mistake of the user, perhaps a text that could not be measured."""
    arguments = _parser().parse_intermixed_args(argv)
    try:
        return _evaluate(arguments)
    except KeyboardInterrupt as interrupt:
        complain(PROG, "stopped")
        return exit_code(interrupt)
    except (ValueError, OSError, CannotLoad, FloatingPointError) as error:
        complain(PROG, error)
        return 1 if isinstance(error, FloatingPointError) else 2


def _evaluate(arguments: argparse.Namespace) -> int:
    from .checks import check_size
    from .running.adapting import measure_adaptively
    from .running.measure import measure
    from .running.run import keep_memory

    check_size(**{"--rows": arguments.rows})
    Settings(encoding=arguments.encoding)  # refuses one that Python does not know
    if arguments.adaptive and arguments.rows > 1:
        raise ValueError("--adaptive reads each text in one row: omit --rows")
    found = _load(arguments)
    texts, failures = _read(arguments.files, found, arguments.encoding, arguments.field)
    if texts:
        keep_memory()
        with progress_bar(sum(len(text.indices) - 1 for text in texts)) as bar:
            if arguments.adaptive:
                scores = measure_adaptively(found.network, found.params, texts, bar.update)
                found = found._replace(what=f"{found.what}, adaptive" if found.what else "adaptive")
            else:
                scores = measure(found.network, found.params, texts, arguments.rows, bar.update)
        show(_json(found, scores) if arguments.json else _table(found, scores))
    return 2 if failures else 0


def _load(arguments: argparse.Namespace) -> Trained:
    from .formats.safetensors_file import load_network
    from .running.dataset import find_context

    run = arguments.run
    try:
        return load_network(run, find_context(arguments.ctx), best=arguments.best)
    except ValueError as error:
        if not arguments.files and run is not None and Path(run).is_file():
            raise ValueError(f"{error}; the run comes first, then the texts") from None
        raise


def _read(
    sources: Sequence[str], found: Trained, encoding: str | None, field: str | None
) -> tuple[list[Text], int]:
    """The texts that can be measured, and how many cannot; each of those is reported."""
    from .running.measure import encode_text, heldout_text, read_texts

    if not sources:
        return [heldout_text(found)], 0
    texts: list[Text] = []
    complaints: list[object] = []
    for source in sources:
        try:
            named = read_texts(source, found, encoding, field)
            texts += [encode_text(name, text, found.vocab) for name, text in named]
        except (ValueError, OSError) as error:
            complaints.append(error)
    complaints += [_too_short(text) for text in texts if len(text.indices) < 2]
    for complaint in complaints:
        complain(PROG, complaint)
    return [text for text in texts if len(text.indices) >= 2], len(complaints)


def _too_short(text: Text) -> str:
    holds = "1 character" if text.num_chars == 1 else f"{text.num_chars:,} characters"
    return (
        f"{text.name!r} holds {holds}, of which the network knows {len(text.indices)}: "
        "give a text with at least 2, one to read and one to predict"
    )


# --- what is shown ---


def _table(found: Trained, scores: Sequence[Score]) -> str:
    """The scores, a line each, with the names at the end as wc has them."""
    from .running.measure import add_up

    total = [add_up(scores, "total")] * (len(scores) > 1)
    rows = [(*COLUMNS, "text"), *map(_cells, [*scores, *total])]
    widths = [max(map(len, column)) for column in zip(*rows)][:-1]
    lines = [translated(": ".join(filter(None, [str(found.source), found.what])))]
    for *cells, name in rows:
        lines.append("  ".join([*(cell.rjust(width) for cell, width in zip(cells, widths)), name]))
    unknown = add_up(scores, "").unknown
    if unknown:
        lines.append(translated(f"unknown to the network and left out: {_most(unknown)}"))
    return "\n".join(printable(line, keep="") for line in lines)


def _cells(score: Score) -> tuple[str, ...]:
    perplexity, bits = f"{score.perplexity:,.2f}", f"{score.bits_per_char:,.3f}"
    return (
        perplexity,
        bits,
        *(f"{n:,}" for n in (score.num_chars, score.num_scored, score.num_unknown)),
        score.name,
    )


def _most(unknown: Mapping[str, int]) -> str:
    """The characters that occur most often, and how often; of the others their number."""
    ordered = sorted(unknown.items(), key=lambda pair: -pair[1])
    shown = ", ".join(f"{char!r} ({n:,})" for char, n in ordered[:MOST_UNKNOWN])
    return shown + f" and {len(ordered) - MOST_UNKNOWN} others" * (len(ordered) > MOST_UNKNOWN)


def _json(found: Trained, scores: Sequence[Score]) -> str:
    """The same for programs. A perplexity that is infinite is null: JSON has no infinity."""
    from .running.measure import add_up

    read = {"network": str(found.source), "which": found.what, "texts": [*map(_entry, scores)]}
    return json.dumps({**read, "total": _entry(add_up(scores, "total"))}, indent=2)


def _entry(score: Score) -> dict[str, Any]:
    perplexity = score.perplexity
    return {
        "text": score.name,
        "perplexity": perplexity if math.isfinite(perplexity) else None,
        "bits_per_character": score.bits_per_char,
        "characters": score.num_chars,
        "scored": score.num_scored,
        "unknown": score.num_unknown,
    }


# --- what is asked ---


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROG, usage="%(prog)s [OPTION ...] [run] [FILE ...]", description=__doc__)
    add_run(parser)
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="text: anything that train takes as --corpus (default: the held-out text)",
    )
    add_setting(parser, "encoding", default=Settings.encoding)
    add_setting(parser, "field", default=Settings.field)
    add_best_or_last(parser)
    parser.add_argument(
        "--rows",
        type=int,
        default=1,
        metavar="N",
        help="cut each text into N rows, each read from a state of zeros: faster for a long text; with N the "
        "--batch-size of train, this is the figure that train prints where it measures all that is held out",
    )
    parser.add_argument(
        "--adaptive",
        action="store_true",
        help="learn from each text while reading it, always after predicting (default: the network stays as "
        "it was trained)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_setting(parser, "ctx", default=Settings.ctx)
    return parser


if __name__ == "__main__":
    sys.exit(main())
