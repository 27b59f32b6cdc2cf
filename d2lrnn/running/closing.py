"""The closing lines of a run: how well it has learnt, compared with counting, and what it has memorised."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cli import printable, warn
from ..heldout import CountModel, evaluate_counts
from ..messages import translated
from .dataset import PIECE, cut_rows
from .writing import listed

if TYPE_CHECKING:
    from .run import Run

COUNTED = 2_000_000  # characters that are counted within seconds
READ_AGAIN = 20_000  # characters of the training text, to measure the best network on
SEARCHED = 5 * 10**9  # characters that are looked through in seconds
SHOWN = 40  # characters of a passage


def close(run: Run) -> Iterator[str]:
    """Write the closing samples, of the best network, to samples.txt; say what it has learnt, in lines."""
    if run.has_stalled:
        yield translated(
            f"stopped after epoch {run.progress.epoch}: no better held-out perplexity since epoch "
            f"{run.progress.epoch - (run.settings.early_stop or 0)}"
        )
    try:
        params = run.best_params()
    except (OSError, ValueError) as error:  # what it did is measured and told all the same
        warn(f"the best network cannot be read again: {error}")
        params = None
    yield translated(_say_how_well(run))
    if params is not None:
        if run.best["epoch"] < run.progress.epoch:  # else it has just written
            texts = run.samples(params, f", written by the best, of epoch {run.best['epoch']}")
            yield from (listed(text) for text in texts)
        yield translated(_say_what_by_heart(run, params))


def _say_how_well(run: Run) -> str:
    if not run.best:
        last = run.metrics[-1]["train_perplexity"]
        return (
            f"perplexity {last:,.4g} ({math.log2(last):.2f} bits per character) on text it was trained on; "
            "nothing was held out that would show what it has learnt beyond that text"
        )
    epoch, best = run.best["epoch"], run.best["heldout_perplexity"]
    return (
        f"best held-out {best:,.4g} at epoch {epoch} ({math.log2(best):.2f} bits per character); "
        f"guessing has {len(run.vocab):,}{_say_counts(run)}"
    )


def _say_counts(run: Run) -> str:
    """The perplexities of lesson 14's counts on the same targets; of a long text, nothing."""
    dataset, rows = run.dataset, run.heldout_rows
    if len(dataset.train_indices) > COUNTED:
        return ""
    run.note("counting")
    models = [CountModel(dataset.train_indices, len(run.vocab), order) for order in (1, 2)]
    one, two = (evaluate_counts(model, rows.reshape(-1), len(rows)) for model in models)
    return f", counting characters {one:,.4g}, counting pairs {two:,.4g}"


def _say_what_by_heart(run: Run, params: Sequence[Any]) -> str:
    """The gap between text that it has read and text that it has not, and the longest passage it repeats."""
    dataset, best = run.dataset, run.best["heldout_perplexity"]
    batch_size = run.settings.batch_size
    again = cut_rows(dataset.train_indices[-max(READ_AGAIN, 2 * batch_size) :], batch_size)
    known = run.measure(params, again)
    run.note("searching")
    most = SEARCHED // (len(dataset.train_indices) * len(dataset.prefixes))  # each costs a look through it
    written = [text[len(prefix) :] for prefix, text in zip(dataset.prefixes, run.written)]
    copied = longest_copy(
        [text[:most] for text in written], decode(dataset.train_indices, run.vocab.idx_to_char)
    )
    searched = f" (searched: the first {most:,} of each text)" if most < run.settings.pred_len else ""
    return (
        f"memorised: perplexity {known:,.4g} on text it was trained on, {best:,.4g} on new text; "
        f"the longest passage above that is copied word for word has {len(copied)} characters{searched}: "
        f"{_shorten(copied)}"
    )


def _shorten(passage: str) -> str:
    quoted = printable(passage, keep="")
    return quoted if len(quoted) <= SHOWN else f"{quoted[: SHOWN - 2]} …"


def decode(indices: np.ndarray, chars: Sequence[str]) -> str:
    """The text of many indices, a piece at a time: Vocab.decode makes an object of each."""
    letters = np.array(chars, "<U1")
    pieces = (letters[indices[start : start + PIECE]] for start in range(0, len(indices), PIECE))
    return "".join(piece.tobytes().decode("utf-32-le", "surrogatepass") for piece in pieces)


def longest_copy(texts: Sequence[str], source: str) -> str:
    """The longest passage of the texts, the first of several, that stands in source word for word."""
    longest = ""
    for text in texts:
        for begin in range(len(text)):
            while begin + len(longest) < len(text) and text[begin : begin + len(longest) + 1] in source:
                longest = text[begin : begin + len(longest) + 1]
    return longest
