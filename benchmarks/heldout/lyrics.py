"""The 2018-05 lyrics, nothing learnt while reading: counts, regularised networks, and their mixture.

Models train on 57,000 characters and are measured on the rest, without characters that do not occur in
training. The recipe is lesson 19's; it and the weight of the mixture were chosen with the last 5,700 of the
57,000 held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from d2lrnn import interpolate, mean_perplexity

from .ablation import ORDER, RECIPE, network, whole
from .networks import continue_counts
from .splits import lyrics
from .store import Store


def study(store: Store, seeds: tuple[int, ...] = (0, 1, 2)) -> None:
    """Measure what is missing, and print the table."""
    print("| lyrics | alone | weight | with Kneser-Ney |\n|---|--:|--:|--:|")
    for order in range(1, ORDER + 1):
        key = {"study": "lyrics", "order": order, "modified": True}
        found = store.measured(key, partial(_count, order))
        print(f"| Kneser-Ney {order} | {found['perplexity']:.1f} | | |", flush=True)
    for some in [*([seed] for seed in seeds), list(seeds)]:
        weight = whole(store, some)["weight"]
        key = {"study": "lyrics", **RECIPE, "seeds": some, "order": ORDER, "on": "test"}
        found = store.measured(key, partial(_measure, some, weight))
        name = f"seed {some[0]}" if len(some) == 1 else f"{len(some)} networks, averaged"
        print(f"| {name} | {found['alone']:.1f} | {weight:.2f} | {found['mixed']:.1f} |", flush=True)


def _count(order: int) -> dict[str, Any]:
    return {"perplexity": mean_perplexity(continue_counts(lyrics("test"), order))}


def _measure(seeds: Sequence[int], weight: float) -> dict[str, Any]:
    p = interpolate([network("test", seed) for seed in seeds])
    both = interpolate([p, continue_counts(lyrics("test"), ORDER)], [weight, 1 - weight])
    return {"alone": mean_perplexity(p), "mixed": mean_perplexity(both)}
