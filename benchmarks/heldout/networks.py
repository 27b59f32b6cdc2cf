"""Networks and counts of a study: trained, and measured on the same targets."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from d2lrnn import KneserNey, cut_rows, get_rows, mean_perplexity, network_probabilities
from d2lrnn.decoding import Choice, generate_batch
from d2lrnn.heldout import should_stop
from d2lrnn.running.directory import Progress
from d2lrnn.running.regularised import untied
from d2lrnn.running.run import Run, keep_memory
from d2lrnn.running.settings import Settings

import numpy as np

from .splits import Split

BATCH_SIZE, NUM_STEPS = 32, 35  # with which a held-out text is read: those of `train`
CONTEXT = 300  # characters read before the first target, where the held-out text continues the other
PATIENCE = 2
EARLIER: dict[str, Any] = {  # the defaults of commit c6eac42 where they are others today
    "dropout": 0.0, "init_bias": "zero", "average": 0.0, "warmup": 0, "early_stop": 0,
}  # fmt: skip
WHOLE: dict[str, Any] = {"heldout": 0.0, "early_stop": 0}  # train on all of a text, to the last epoch


class Measured(NamedTuple):
    """The targets of a held-out text in rows, and the probabilities that a model gives them."""

    targets: np.ndarray
    probabilities: np.ndarray

    def perplexity(self, known: np.ndarray | None = None) -> float:
        """Over all targets, as `train` counts, or over those that are known: (vocab_size,), bool."""
        return mean_perplexity(self.probabilities, True if known is None else known[self.targets])

    def mix(self, other: Measured, weight: float) -> Measured:
        """weight times these probabilities, and the rest times the other's."""
        return self._replace(probabilities=weight * self.probabilities + (1 - weight) * other.probabilities)

    def best_weight(self, other: Measured, known: np.ndarray | None = None) -> float:
        """The weight of the mixture, in steps of 0.02, that has the lowest perplexity."""
        weights = [round(0.02 * k, 2) for k in range(51)]
        return min(weights, key=lambda weight: self.mix(other, weight).perplexity(known))


def measure(run: Run, params: Any, indices: np.ndarray) -> Measured:
    """What a network of run gives a text."""
    rows, network = cut_rows(indices, BATCH_SIZE, len(run.vocab)), run.network
    how = network.rnn, untied(params), network.init_state
    return Measured(rows[:, 1:], network_probabilities(*how, rows, NUM_STEPS, get_inputs=get_rows))


def measure_counts(model: KneserNey, indices: np.ndarray) -> Measured:
    """What counts give it."""
    rows = cut_rows(indices, BATCH_SIZE, model.vocab_size)
    return Measured(rows[:, 1:], model.probabilities(rows))


def continue_text(run: Run, split: Split) -> np.ndarray:
    """P of the held-out characters, each given all before it, by the network of run as it is now."""
    network, params = run.network.network, untied(run.measured)
    how = network.rnn, params, network.init_state, _in_context(split), NUM_STEPS
    return network_probabilities(*how, get_inputs=get_rows)[0, CONTEXT - 1 :]


def continue_counts(split: Split, order: int) -> np.ndarray:
    """The same by Kneser-Ney."""
    model = KneserNey(split.train, len(split.vocab), order, modified=True)
    return model.probabilities(_in_context(split))[0, CONTEXT - 1 :]


def _in_context(split: Split) -> np.ndarray:
    """The held-out text after the end of the other, as one row."""
    return np.concatenate([split.train[-CONTEXT:], split.heldout])[None]


# --- training ---


def new_run(text: str, **settings: Any) -> Run:
    """A run on a text that load_corpus gave, with these settings, and nothing learnt yet."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "text.txt"
        path.write_text(text, encoding="utf-8")
        return Run(Settings(corpus=(str(path),), **{"lines": "space", "normalize": "none", **settings}))


def epochs(run: Run) -> Iterator[float]:
    """Train epoch after epoch; each yields the CPU time, in seconds. Nothing is written or measured."""
    keep_memory()
    while run.progress.epoch < run.settings.epochs:
        start = time.process_time()
        for _ in run.train_epoch():
            pass
        run.progress, run.state = Progress(run.progress.epoch + 1), None
        yield time.process_time() - start


def train_until_best(run: Run) -> tuple[Any, list[float]]:
    """The weights of the best epoch by the run's own held-out text, and the perplexities of all epochs.

    Training stops after two epochs without improvement, or after the epochs of the settings.
    """
    perplexities: list[float] = []
    best: Any = None
    for _ in epochs(run):
        perplexities.append(run.measure(run.measured, run.heldout_rows))
        if perplexities[-1] == min(perplexities):
            best = type(run.measured)(*(param.copy() for param in run.measured))
        if should_stop(perplexities, PATIENCE):
            break
    return best, perplexities


# --- writing ---


def continued(run: Run, prefix: str, num_chars: int, temperature: float) -> str:
    """The prefix, and what the network of run writes after it, drawn with a fixed seed."""
    choice = Choice(temperature, seed=0)
    return generate_batch([prefix], num_chars, run.network.writer(run.measured), run.vocab, choice)[0]


def continued_by_counts(
    model: KneserNey, prefix: Sequence[int], num_chars: int, temperature: float
) -> list[int]:
    """The same by counts, in indices."""
    rng, text = np.random.default_rng(0), list(prefix)
    for _ in range(num_chars):
        p = model.distribution(text) ** (1 / temperature)
        text.append(int(rng.choice(len(p), p=p / p.sum())))
    return text
