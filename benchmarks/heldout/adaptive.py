"""What learning while reading brings: the 2018-05 lyrics, with each component of lesson 20 left out in turn.

The network is the mean of three of the ablation, with nothing left out: each reads, learns and remembers by
itself, and their probabilities are averaged. Unlike in the other studies, characters that the
training part does not have stay in the text, since what learns while it reads can learn them; they are not
scored, so that the targets are those of the other studies. All that can be chosen, and the initial weights of
the gate, come from the validation part; the gate then goes on learning on the test part, which is read once,
by all mixtures together.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from d2lrnn import (
    AdaptiveModel,
    DynamicNetwork,
    LongestMatch,
    NeuralCache,
    OnlineKneserNey,
    Vocab,
    get_network,
    mean_perplexity,
)
from d2lrnn.running.regularised import untied

import numpy as np
from mxnet import nd

from .ablation import RECIPE
from .networks import WHOLE, epochs, new_run
from .splits import Split, lyrics_texts
from .store import Store

WARM = 2000  # characters at the end of the training part that all but the gate read before the first target
NETWORKS = 3
MIXTURES = {  # of which models; one without a number is the mean of all networks
    "all": ("counts", "static", "dynamic", "cache", "match"),
    "without counts": ("static", "dynamic", "cache", "match"),
    "without the network": ("counts", "match"),
    "without dynamic evaluation": ("counts", "static", "cache", "match"),
    "without the network as it was": ("counts", "dynamic", "cache", "match"),
    "without the cache": ("counts", "static", "dynamic", "match"),
    "without the match": ("counts", "static", "dynamic", "cache"),
    "without two of the networks": ("counts", "static 0", "dynamic 0", "cache 0", "match"),
    "counts alone": ("counts",),
    "network alone, dynamic": ("dynamic",),
    "network alone, static": ("static",),
}


def study(store: Store, seeds: tuple[int, ...] = (0, 1, 2)) -> None:
    """Measure what is missing, and print the table."""
    found: dict[str, list[dict[str, Any]]] = {"valid": [], "test": []}
    for seed in seeds:
        gates = None
        for part, results in found.items():
            key = {"study": "adaptive", "part": part, **RECIPE, "networks": NETWORKS, "seed": seed}
            results.append(store.measured(key, partial(measure, part, seed, RECIPE, gates)))
            gates = results[-1]["gates"]
    print("| | validation | test |\n|---|--:|--:|")
    for name in MIXTURES:
        cells = [", ".join(f"{each['perplexity'][name]:.2f}" for each in found[part]) for part in found]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def measure(
    part: str, seed: int, recipe: Mapping[str, Any], gates: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The perplexity of each mixture on known characters, and the weights of its gate at the end.

    gates: the weights with which they begin; None: zeros.
    """
    split = lyrics(part)
    networks = [train(split, NETWORKS * seed + k, recipe) for k in range(NETWORKS)]
    models = new_models(split, networks)
    mixtures = {name: Mixture(of, len(split.vocab)) for name, of in MIXTURES.items()}
    for name, weights in (gates or {}).items():
        mixtures[name].gate.W[:] = nd.array(weights)
    nats = read_together(models, mixtures, split.heldout)
    known = split.known[split.heldout]
    return {
        "perplexity": {name: mean_perplexity(np.exp(-each), known) for name, each in nats.items()},
        "targets": int(known.sum()),
        "gates": {name: mixture.gate.W.asnumpy().tolist() for name, mixture in mixtures.items()},
    }


def lyrics(part: str) -> Split:
    """The parts that splits.lyrics cuts, with all characters of both."""
    train, heldout = lyrics_texts(part)
    vocab = Vocab(train + heldout)
    return Split(vocab, vocab.to_indices(train), vocab.to_indices(heldout))


# --- the network ---


def train(split: Split, seed: int, recipe: Mapping[str, Any]) -> Any:
    """The parameters of a network that has learnt the training part, for the vocabulary of both parts."""
    run = new_run(split.vocab.decode(split.train), **{**recipe, **WHOLE, "seed": seed})
    for _ in epochs(run):
        pass
    places = split.vocab.encode("".join(run.vocab.idx_to_char))
    return extended(untied(run.measured), places, len(split.vocab))


def extended(params: Any, places: Sequence[int], vocab_size: int) -> Any:
    """params for a larger vocabulary, in which the characters of the smaller one have these places.

    A new character is read as nothing, and predicted as the rarest of the others is without any state.
    """
    arrays = params._asdict()
    for name, W in arrays.items():
        values, rare = W.asnumpy(), 0.0 if name != "b_y" else float(W.min().asscalar())
        if name[:3] == "W_x" and name.count("_") == 1:
            new = np.zeros((vocab_size, values.shape[1]))
            new[places] = values
        elif name in ("W_hy", "b_y"):
            new = np.full((*values.shape[:-1], vocab_size), rare)
            new[..., places] = values
        else:
            continue
        arrays[name] = nd.array(new, W.context)
    return namedtuple("Params", arrays)(*arrays.values())


# --- the models ---


def new_models(split: Split, networks: Sequence[Any]) -> dict[str, Any]:
    """All models, which have read the end of the training part; the counts all of it.

    networks: parameters. The models of the k-th have its number in their names.
    """
    vocab_size, network = len(split.vocab), get_network(RECIPE["cell"], RECIPE["layers"])
    counts = OnlineKneserNey(vocab_size)
    for char in split.train[:-WARM].tolist():
        counts.read(char)
    models: dict[str, Any] = {"counts": counts, "match": LongestMatch(vocab_size)}
    for k, params in enumerate(networks):
        static = DynamicNetwork(network, params, lr=0.0)
        models |= {f"static {k}": static, f"dynamic {k}": DynamicNetwork(network, params, lr=0.0)}
        models |= {f"cache {k}": NeuralCache(static)}
    for char in split.train[-WARM:].tolist():
        for model in models.values():
            model.predict()
        for model in models.values():
            model.read(char)
    for k in range(len(networks)):
        models[f"dynamic {k}"].lr = 0.016
    return models


class Mixture:
    """Some of the models behind a gate, or one alone. They are read by all mixtures together, so not here."""

    def __init__(self, names: Sequence[str], vocab_size: int) -> None:
        self.models = {name: Predicted(vocab_size) for name in names}
        self.gate = AdaptiveModel([*self.models.values()])

    def nats(self, given: Mapping[str, np.ndarray], longest: int, char: int) -> float:
        """-log P(char), from what each model predicts and the length of the match; then the gate learns."""
        for name, model in self.models.items():
            model.p, model.longest = given[name], longest if name == "match" else 0
        p = self.gate.predict()[char]
        self.gate.read(char)
        return float(-np.log(p))


class Predicted:
    """A model whose prediction is known, and which reads elsewhere."""

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size, self.p, self.longest = vocab_size, np.zeros(0), 0

    def predict(self) -> np.ndarray:
        """What the model has said."""
        return self.p

    def read(self, char: int) -> None:
        """Nothing: the model itself reads."""


def read_together(
    models: Mapping[str, Any], mixtures: Mapping[str, Mixture], indices: np.ndarray
) -> dict[str, np.ndarray]:
    """-log P of each character by each mixture; every model predicts and reads it once."""
    nats: dict[str, list[float]] = {name: [] for name in mixtures}
    for char in indices.tolist():
        given = {name: model.predict() for name, model in models.items()}
        for name in ("static", "dynamic", "cache"):
            given[name] = np.mean([given[f"{name} {k}"] for k in range(NETWORKS)], axis=0)
        for name, mixture in mixtures.items():
            nats[name].append(mixture.nats(given, models["match"].longest, char))
        for model in models.values():
            model.read(char)
    return {name: np.array(each) for name, each in nats.items()}
