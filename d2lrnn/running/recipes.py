"""Settings that go together, by name: --recipe stands for them, and other flags override it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RECIPES: dict[str, dict[str, Any]] = {
    # an LSTM for some 10,000 to 200,000 characters; Merity, Keskar & Socher 2018 have the parts of it
    "small-text": {
        "cell": "lstm", "layers": 1, "hidden_dim": 200,
        "tied": True, "dropout": 0.7, "locked_dropout": True, "dropout_in": 0.6, "dropout_embedding": 0.2,
        "weight_drop": 0.6, "weight_decay": 0.1, "unseen": "good-turing", "average": 0.0,
        "optimizer": "adam", "sampler": "variable", "batch_size": 20, "epochs": 60, "early_stop": 0,
        "lr": 0.006, "clip": 0.5, "schedule": "cosine", "warmup": 50,
    },
}  # fmt: skip
FOLLOWS = {  # what else of a recipe is left out where its value of the first is not taken
    "tied": ("dropout_in",),
    "optimizer": ("lr", "clip", "weight_decay"),
    "init": ("cell", "layers", "hidden_dim", "tied", "dropout_in"),  # the run has its own
}


def with_recipe(name: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a recipe, where those that are asked for do not say something else, and these."""
    recipe = RECIPES[name]
    others = [one for one in FOLLOWS if one in asked and asked[one] != recipe.get(one)]
    left_out = {follower for one in others for follower in FOLLOWS[one]}
    return {**{one: value for one, value in recipe.items() if one not in left_out}, **asked}
