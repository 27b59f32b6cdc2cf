"""Song lyrics: an LSTM with half an hour on two cores, and its mixture with Kneser-Ney to order 5.

Models train on the first 90 % of the text and are measured on the rest. The network leaves out the last
50,000 characters of the 90 %: they choose the weight of the mixture. There were two attempts, and both are
shown.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from d2lrnn import KneserNey

import numpy as np

from .networks import WHOLE, Measured, continued, epochs, measure, measure_counts, new_run
from .songci import LENGTH, ORDER, TEMPERATURE, prefix
from .splits import Split, songci
from .store import Store

NETWORK: dict[str, Any] = {
    "cell": "lstm", "hidden_dim": 384, "average": 0.98, "lr": 0.003, "schedule": "cosine", "warmup": 200,
}  # fmt: skip
ATTEMPTS = ({"dropout": 0.3, "epochs": 8}, {"dropout": 0.4, "epochs": 12})
VALID = 50_000  # characters


def study(store: Store, seeds: tuple[int, ...] = (0,)) -> None:
    """Measure what is missing, and print the table. The seed is 0, whatever seeds are asked for."""
    print(f"| songci | all targets | known | with Kneser-Ney {ORDER} | known | weight | core minutes |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for attempt in ATTEMPTS:
        key = {"study": "songci", "part": "best", **NETWORK, **attempt, "order": ORDER, "valid": VALID}
        found = store.measured({**key, "seed": 0}, partial(_train_best, attempt))
        name = f"LSTM, dropout {attempt['dropout']}, {attempt['epochs']} epochs"
        cells = [f"{found[key]:.1f}" for key in ("all", "known", "mixed", "mixed_known")]
        print(f"| {name} | {' | '.join(cells)} | {found['weight']:.2f} | {found['core_minutes']:.0f} |")


def _train_best(attempt: dict[str, Any]) -> dict[str, Any]:
    split = songci("test")
    learnt, valid = split.train[:-VALID], split.train[-VALID:]
    text, chars = split.vocab.decode(learnt), "".join(split.vocab.idx_to_char)
    run = new_run(text, **{**NETWORK, **attempt, **WHOLE, "chars": chars, "seed": 0})
    seconds = sum(epochs(run))
    weight = measure(run, run.measured, valid).best_weight(_counts(split, learnt, valid), split.known)
    network = measure(run, run.measured, split.heldout)
    mixed = network.mix(_counts(split, split.train, split.heldout), weight)
    return {
        "all": network.perplexity(), "known": network.perplexity(split.known), "core_minutes": seconds / 60,
        "weight": weight, "mixed": mixed.perplexity(), "mixed_known": mixed.perplexity(split.known),
        "continued": continued(run, prefix(), LENGTH, TEMPERATURE),
    }  # fmt: skip


def _counts(split: Split, train: np.ndarray, heldout: np.ndarray) -> Measured:
    return measure_counts(KneserNey(train, len(split.vocab), ORDER, modified=True), heldout)
