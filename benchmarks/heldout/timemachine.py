"""The Time Machine, in bits per character: an LSTM, Kneser-Ney to order 8, and their mixture.

27 symbols; training on the first 90 %. The settings and the weight of the mixture were chosen with the last
tenth of the training text held out.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from d2lrnn import interpolate, mean_perplexity, mixture_weights

from .networks import WHOLE, continue_counts, continue_text, epochs, new_run
from .splits import timemachine
from .store import Store

ORDER = 8
LSTM: dict[str, Any] = {
    "cell": "lstm", "hidden_dim": 320, "tied": True, "dropout": 0.4, "locked_dropout": True,
    "dropout_in": 0.1, "weight_drop": 0.4, "average": 0.0, "scale": 0.1, "lr": 0.006,
    "schedule": "cosine", "warmup": 200, "sampler": "variable", "batch_size": 16,
    "num_steps": 50, "epochs": 30,
}  # fmt: skip


def study(store: Store, seeds: tuple[int, ...] = (0, 1, 2)) -> None:
    """Measure what is missing, and print the table."""
    print(f"| The Time Machine | seed | LSTM | Kneser-Ney {ORDER} | mixed | weight | core minutes |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for seed in seeds:
        key = {"study": "timemachine", "seed": seed, **LSTM, "order": ORDER}
        weight = store.measured({**key, "on": "valid"}, partial(_measure, "valid", seed, None))["weight"]
        found = store.measured({**key, "on": "test"}, partial(_measure, "test", seed, weight))
        bits = " | ".join(f"{found[name]:.3f}" for name in ("network", "counts", "mixed"))
        print(f"| bits | {seed} | {bits} | {weight:.2f} | {found['core_minutes']:.1f} |")


def _measure(part: str, seed: int, weight: float | None) -> dict[str, Any]:
    """Bits per character. part: "valid", where the weight is chosen, or "test"."""
    split = timemachine(part)
    run = new_run(split.vocab.decode(split.train), **{**LSTM, **WHOLE, "seed": seed})
    seconds = sum(epochs(run))
    network, counts = continue_text(run, split), continue_counts(split, ORDER)
    if weight is None:
        weight = float(mixture_weights([network, counts])[0])
    mixed = interpolate([network, counts], [weight, 1 - weight])
    models = {"network": network, "counts": counts, "mixed": mixed}
    bits = {name: math.log2(mean_perplexity(p)) for name, p in models.items()}
    return {**bits, "weight": weight, "core_minutes": seconds / 60}
