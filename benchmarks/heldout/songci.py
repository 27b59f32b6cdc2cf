"""1.77 million characters of Song lyrics: RNN, GRU and LSTM with equal settings, beside Kneser-Ney counts.

Models train on the first 90 % of the text and are measured on the rest; «known»: only over characters that
occur in training. No epoch is chosen: the last of the five counts.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from d2lrnn import KneserNey

from .networks import (
    EARLIER,
    continued,
    continued_by_counts,
    epochs,
    measure,
    measure_counts,
    new_run,
)
from .splits import songci, songci_text
from .store import Store

CELLS = ("rnn", "gru", "lstm")
ORDER = 5
TABLE: dict[str, Any] = {"hidden_dim": 256, "lr": 0.002, "epochs": 5}
LENGTH, TEMPERATURE = 48, 0.8  # of what is written


def study(store: Store, seeds: tuple[int, ...] = (0, 1, 2)) -> None:
    """Measure what is missing, and print the table."""
    rows: list[tuple[str, dict[str, Any]]] = []
    for order in range(1, ORDER + 1):
        for modified in (False, True):
            key = {"study": "songci", "part": "counts", "order": order, "modified": modified}
            name = f"Kneser-Ney {order}{', three discounts' * modified}"
            rows.append((name, store.measured(key, partial(_count, order, modified))))
    for cell in CELLS:
        for seed in seeds:
            key = {"study": "songci", "part": "table", "cell": cell, "seed": seed, **TABLE}
            rows.append((f"{cell}, seed {seed}", store.measured(key, partial(_train, cell, seed))))
    print("| songci | all targets | known |\n|---|--:|--:|")
    for name, found in rows:
        print(f"| {name} | {found['all']:.1f} | {found['known']:.1f} |")


def _count(order: int, modified: bool) -> dict[str, Any]:
    split = songci("test")
    model = KneserNey(split.train, len(split.vocab), order, modified=modified)
    found = measure_counts(model, split.heldout)
    text = continued_by_counts(model, split.vocab.encode(prefix()), LENGTH, TEMPERATURE)
    return {
        "all": found.perplexity(),
        "known": found.perplexity(split.known),
        "continued": split.vocab.decode(text),
    }


def _train(cell: str, seed: int) -> dict[str, Any]:
    run = new_run(songci_text(), **{**EARLIER, **TABLE, "cell": cell, "seed": seed})
    split = songci("test")
    by_epoch = []
    for _ in epochs(run):
        found = measure(run, run.measured, split.heldout)
        by_epoch.append({"all": found.perplexity(), "known": found.perplexity(split.known)})
    text = continued(run, prefix(), LENGTH, TEMPERATURE)
    return {**by_epoch[-1], "by_epoch": by_epoch, "continued": text}


def prefix() -> str:
    """The first two lines of the first whole song that is held out."""
    split = songci("test")
    song = split.vocab.decode(split.heldout).split("  ")[1]
    return "".join(f"{line} " for line in song.split(" ")[:2])
