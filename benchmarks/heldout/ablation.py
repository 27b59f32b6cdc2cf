"""What each step of lesson 19 contributes: the 2018-05 lyrics, with one step left out at a time.

All of it on validation text: models train on 51,300 characters and are measured on the 5,700 after them,
without the few of these that do not occur in training. «mixed»: with Kneser-Ney to order 5, the weight as
mixture_weights finds it there. The recipe is that of `train --recipe small-text`, with 40 epochs, larger
initial weights and less weight decay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any

from d2lrnn import interpolate, mean_perplexity, mixture_weights
from d2lrnn.running.recipes import RECIPES

import numpy as np

from .networks import WHOLE, continue_counts, continue_text, epochs, new_run
from .splits import Split, lyrics
from .store import Store

# Only characters of the training text are measured: no probability is reserved for others.
RECIPE: dict[str, Any] = {
    **RECIPES["small-text"], "epochs": 40, "scale": 0.1, "weight_decay": 0.03, "unseen": "ignored",
    "init_bias": "frequencies",
}  # fmt: skip
WITHOUT: dict[str, dict[str, Any]] = {  # what is left out: what the settings are then
    "nothing": {},
    "tied embeddings, and dropout of inputs": {"tied": False, "dropout_in": 0.0},
    "output bias from frequencies": {"init_bias": "zero"},
    "embedding dropout": {"dropout_embedding": 0.0},
    "dropout of inputs": {"dropout_in": 0.0},
    "weight drop": {"weight_drop": 0.0},
    "dropout of outputs": {"dropout": 0.0},
    "one mask for all steps": {"locked_dropout": False},
    "weight decay": {"weight_decay": 0.0},
    "warm-up and cosine": {"schedule": "constant", "warmup": 0},
    "variable lengths": {"sampler": "consecutive"},
}
WITHOUT["all of these, best epoch"] = {
    name: value for each in WITHOUT.values() for name, value in each.items()
}
ORDER = 5  # of the counts


def study(store: Store, seeds: tuple[int, ...] = (0, 1, 2)) -> None:
    """Measure what is missing, and print the table."""
    print("| left out | validation, one seed each | mean | with Kneser-Ney |\n|---|--:|--:|--:|")
    for name, changes in WITHOUT.items():
        key = {"study": "ablation", "without": name, **RECIPE, **changes}
        found = [
            store.measured({**key, "seed": seed}, partial(_leave_out, store, name, seed)) for seed in seeds
        ]
        alone, mixed = ([each[what] for each in found] for what in ("alone", "mixed"))
        shown = ", ".join(f"{value:.1f}" for value in alone)
        print(f"| {name} | {shown} | {np.mean(alone):.1f} | {np.mean(mixed):.1f} |", flush=True)
    averaged = whole(store, seeds)
    print(f"| nothing, networks averaged | | {averaged['alone']:.1f} | {averaged['mixed']:.1f} |")


def whole(store: Store, seeds: Sequence[int]) -> dict[str, Any]:
    """The recipe with nothing left out: one network, or the average of several, alone and mixed."""
    key = {"study": "lyrics", **RECIPE, "seeds": list(seeds), "order": ORDER, "on": "valid"}
    return store.measured(key, partial(_average, seeds))


@cache
def network(part: str, seed: int) -> np.ndarray:
    """P of what is held out, by a network of the recipe. Kept, since it is also asked for the average."""
    return train(lyrics(part), seed, RECIPE)


def train(split: Split, seed: int, recipe: Mapping[str, Any], *, is_best: bool = False) -> np.ndarray:
    """P of the held-out characters of split, by a network trained on the others.

    recipe: settings of `train`. is_best: take that of the epoch in which they were likeliest, for networks
    that get worse again; else the last one counts.
    """
    run = new_run(split.vocab.decode(split.train), **{**recipe, **WHOLE, "seed": seed})
    best: np.ndarray = np.zeros(0)
    for _ in epochs(run):
        if is_best or run.progress.epoch == run.settings.epochs:
            p = continue_text(run, split)
            best = p if not best.size or mean_perplexity(p) < mean_perplexity(best) else best
    return best


def _leave_out(store: Store, name: str, seed: int) -> dict[str, Any]:
    if not WITHOUT[name]:
        return whole(store, [seed])
    split = lyrics("valid")
    p = train(split, seed, {**RECIPE, **WITHOUT[name]}, is_best=name.endswith("best epoch"))
    return {"alone": mean_perplexity(p), **mixed(p, continue_counts(split, ORDER))}


def _average(seeds: Sequence[int]) -> dict[str, Any]:
    p = interpolate([network("valid", seed) for seed in seeds])
    return {"alone": mean_perplexity(p), **mixed(p, continue_counts(lyrics("valid"), ORDER))}


def mixed(p: np.ndarray, counts: np.ndarray) -> dict[str, float]:
    """The perplexity of the likeliest mixture of a network's p and of counts, and the network's weight."""
    weights = mixture_weights([p, counts])
    return {"mixed": mean_perplexity(interpolate([p, counts], weights)), "weight": float(weights[0])}
