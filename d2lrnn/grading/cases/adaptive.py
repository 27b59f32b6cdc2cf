"""Lesson 20: growing counts, a network that keeps training, a memory, a pointer, a gate; all causal."""

from __future__ import annotations

from functools import partial
from typing import Any

import d2lrnn

import mxnet as mx
import numpy as np
from mxnet import nd

from ..case import Case, floats, refused
from .driving import refusal

# --- drivers --------------------------------------------------------------------------------------


class Constant:
    """A model that always says the same, and whose match grows."""

    def __init__(self, p: list[float], longest: int = 0) -> None:
        self.p, self.vocab_size, self.longest, self.chars = np.array(p), len(p), longest, list[int]()

    def predict(self) -> np.ndarray:
        """The same."""
        return self.p

    def read(self, char: int) -> None:
        """Remember it."""
        self.chars.append(char)
        self.longest += 1


class Bigram:
    """A model that counts which character follows which, and knows each after it has read it."""

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size, self.last = vocab_size, 0
        self.counts = np.ones((vocab_size, vocab_size))

    def predict(self) -> np.ndarray:
        """What followed the last character."""
        return self.counts[self.last] / self.counts[self.last].sum()

    def read(self, char: int) -> None:
        """Count it."""
        self.counts[self.last, char] += 1
        self.last = char


def drive_model(model: Any, text: list[int]) -> list[np.ndarray]:
    """The predictions before each character of text, and after the last."""
    found = []
    for char in text:
        found.append(np.array(model.predict(), dtype=np.float64))
        model.read(char)
    return [*found, np.array(model.predict(), dtype=np.float64)]


def drive_counts(s: Any, text: list[int], vocab_size: int, discounts: list[float]) -> list[np.ndarray]:
    """All predictions of counts."""
    return drive_model(s.OnlineKneserNey(vocab_size, tuple(discounts)), text)


def drive_match(s: Any, text: list[int], vocab_size: int) -> list[np.ndarray]:
    """All predictions of a pointer."""
    return drive_model(s.LongestMatch(vocab_size), text)


def new_network(s: Any, cell: str, layers: int, params: list[np.ndarray]) -> tuple[Any, list[nd.NDArray]]:
    """A network of lesson 15 and its parameters."""
    return s.get_network(cell, layers, parts=1), [nd.array(W, mx.cpu()) for W in params]


def drive_network(
    s: Any, cell: str, layers: int, params: list[np.ndarray], text: list[int], lr: float, num_steps: int
) -> dict[str, Any]:
    """All predictions of a network that keeps training, and the given parameters afterwards."""
    network, arrays = new_network(s, cell, layers, params)
    found = drive_model(s.DynamicNetwork(network, arrays, lr=lr, num_steps=num_steps), text)
    return {"predictions": found, "given": arrays}


def drive_later_lr(s: Any, params: list[np.ndarray], text: list[int], lr: float) -> list[np.ndarray]:
    """The predictions of the second half of text, for which lr is set; before it is 0."""
    network, arrays = new_network(s, "rnn", 1, params)
    model = s.DynamicNetwork(network, arrays, lr=0.0, num_steps=2)
    drive_model(model, text[: len(text) // 2])
    model.lr = lr
    return drive_model(model, text[len(text) // 2 :])


def drive_cache(
    s: Any, cell: str, layers: int, params: list[np.ndarray], text: list[int], window: int, theta: float
) -> list[np.ndarray]:
    """All predictions of a cache beside a network that does not move."""
    network, arrays = new_network(s, cell, layers, params)
    model, found = s.DynamicNetwork(network, arrays, lr=0.0), []
    cache = s.NeuralCache(model, window=window, theta=theta)
    for char in text:
        found.append(np.array(cache.predict(), dtype=np.float64))
        cache.read(char)
        model.read(char)
    return found


def drive_gate(
    s: Any, constant: list[list[float]], longest: list[int], vocab_size: int, text: list[int], lr: float
) -> dict[str, Any]:
    """All predictions of a mixture of constant models and a bigram, and what the models have read."""
    fixed = [Constant(p, n) for p, n in zip(constant, longest)]
    found = drive_model(s.AdaptiveModel([*fixed, Bigram(vocab_size)], lr=lr, ctx=mx.cpu()), text)
    return {"predictions": found, "read": [model.chars for model in fixed]}


def drive_reading(s: Any, text: list[int], vocab_size: int) -> np.ndarray:
    """-log P of each character of text."""
    return np.array(s.predict_and_read(Bigram(vocab_size), text), dtype=np.float64)


def drive_bad_text(s: Any, text: list[int], vocab_size: int) -> list[str]:
    """The error that a character outside the vocabulary causes."""
    predict_and_read = s.predict_and_read
    return refusal(lambda: predict_and_read(Bigram(vocab_size), text))


# --- inputs ---------------------------------------------------------------------------------------


def _text(rng: np.random.Generator, vocab_size: int, size: int) -> list[int]:
    """Random characters in which a passage comes again, twice."""
    text = rng.integers(vocab_size, size=size).tolist()
    return [*text, *text[3 : size // 2], *rng.integers(vocab_size, size=4).tolist(), *text[5 : size // 2]]


def _draw_counts(rng: np.random.Generator) -> dict[str, Any]:
    vocab_size, order = int(rng.integers(4, 7)), int(rng.integers(3, 5))
    return {
        "text": _text(rng, vocab_size - 1, int(rng.integers(14, 24))),
        "vocab_size": vocab_size,
        "discounts": rng.uniform(0.3, 0.9, order).round(2).tolist(),
    }


def _draw_match(rng: np.random.Generator) -> dict[str, Any]:
    vocab_size = int(rng.integers(3, 6))
    return {"text": _text(rng, vocab_size - 1, int(rng.integers(14, 24))), "vocab_size": vocab_size}


def _draw_params(rng: np.random.Generator, cell: str, layers: int, vocab_size: int) -> dict[str, Any]:
    hidden_dim = int(rng.integers(3, 5))
    shapes = d2lrnn.get_network(cell, layers).shapes(vocab_size, hidden_dim)
    return {
        "params": [rng.normal(0, 0.8, shape).astype(np.float32) for _, shape in shapes],
        "text": rng.integers(vocab_size, size=int(rng.integers(14, 20))).tolist(),
    }


def _draw_network(rng: np.random.Generator) -> dict[str, Any]:
    cell, layers = str(rng.choice(["rnn", "gru", "lstm"])), int(rng.integers(1, 3))
    return {
        **_draw_params(rng, cell, layers, 5),
        "cell": cell,
        "layers": layers,
        "lr": float(rng.uniform(0.03, 0.1)),
        "num_steps": int(rng.integers(2, 5)),
    }


def _draw_later_lr(rng: np.random.Generator) -> dict[str, Any]:
    return {**_draw_params(rng, "rnn", 1, 5), "lr": float(rng.uniform(0.03, 0.1))}


def _draw_cache(rng: np.random.Generator) -> dict[str, Any]:
    return {
        **_draw_params(rng, "lstm", 2, 5),
        "cell": "lstm",
        "layers": 2,
        "window": int(rng.integers(4, 8)),
        "theta": float(rng.uniform(2, 6)),
    }


def _draw_gate(rng: np.random.Generator) -> dict[str, Any]:
    vocab_size = int(rng.integers(3, 6))
    return {
        "constant": rng.dirichlet(np.ones(vocab_size), 2).tolist(),
        "longest": rng.integers(0, 12, size=2).tolist(),
        "vocab_size": vocab_size,
        "text": rng.integers(vocab_size, size=12).tolist(),
        "lr": float(rng.uniform(0.05, 0.3)),
    }


def _draw_reading(rng: np.random.Generator) -> dict[str, Any]:
    vocab_size = int(rng.integers(3, 6))
    return {"text": rng.integers(vocab_size, size=9).tolist(), "vocab_size": vocab_size}


# --- the cases ------------------------------------------------------------------------------------

PARAMS = [
    [[0.5, -0.2], [-0.4, 0.3], [0.1, 0.9]],
    [[0.3, 0.2], [-0.6, 0.4]],
    [0.1, -0.1],
    [[1.0, -0.5, 0.2], [0.3, 0.8, -0.7]],
    [0.2, 0.0, -0.3],
]
TEXT = [0, 1, 2, 0, 1, 2, 1]
RNN: dict[str, Any] = {"cell": "rnn", "layers": 1, "params": [floats(W) for W in PARAMS], "text": TEXT}
TOP = [floats(W) for W in ([[0.7, -0.9], [0.2, 0.5]], [[-0.3, 0.6], [0.8, 0.1]], [0.0, 0.2], *PARAMS[3:])]
of_counts = partial(Case, function="OnlineKneserNey", lesson=20, drive=drive_counts)
of_network = partial(Case, function="DynamicNetwork", lesson=20)
of_cache = partial(Case, function="NeuralCache", lesson=20, drive=drive_cache)
of_reading = partial(Case, function="predict_and_read", lesson=20)
COUNTS = [
    of_counts(
        name="a bigram counts what is new below and every occurrence above, and shares the discount out",
        example={"text": [0, 1, 0, 2, 0, 1], "vocab_size": 4, "discounts": [0.75, 0.8]},
        draw=lambda rng: {**_draw_counts(rng), "discounts": rng.uniform(0.3, 0.9, 2).round(2).tolist()},
    ),
    of_counts(
        name="higher orders fall back step by step, and stop counting where a string is not new",
        example={"text": [0, 1, 0, 2, 0, 1, 0, 2], "vocab_size": 4, "discounts": [0.75, 0.8, 0.9]},
        draw=_draw_counts,
    ),
]
NETWORK = of_network(
    name="it predicts, then moves a copy of its parameters every num_steps characters, and carries its state",
    drive=drive_network,
    example={**RNN, "lr": 0.05, "num_steps": 2},
    draw=_draw_network,
)
LATER = of_network(
    name="with lr = 0 it collects squares that later steps use",
    drive=drive_later_lr,
    example={"params": RNN["params"], "text": TEXT * 2, "lr": 0.05},
    draw=_draw_later_lr,
)
CACHE = of_cache(
    name="it weighs what followed the states in its window by their cosine",
    example={**RNN, "layers": 2, "params": RNN["params"][:3] + TOP, "window": 4, "theta": 3.0},
    draw=_draw_cache,
)
MATCH = Case(
    name="it predicts what followed the last of the longest matches",
    function="LongestMatch",
    lesson=20,
    drive=drive_match,
    example={"text": [0, 1, 2, 0, 1, 0, 1, 2, 2, 0, 1], "vocab_size": 4},
    draw=_draw_match,
)
GATE = Case(
    name="the mixture is that of a softmax which climbs the gradient of log P",
    function="AdaptiveModel",
    lesson=20,
    drive=drive_gate,
    example={
        "constant": [[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]],
        "longest": [0, 2],
        "vocab_size": 3,
        "text": [0, 2, 2, 1, 0],
        "lr": 0.1,
    },
    draw=_draw_gate,
)
READING = of_reading(
    name="each character is predicted and then read, and costs -log P nats",
    drive=drive_reading,
    example={"text": [0, 1, 0, 1, 2], "vocab_size": 3},
    draw=_draw_reading,
)
BAD_TEXT = of_reading(
    name="a character outside the vocabulary is an IndexError",
    drive=drive_bad_text,
    example={"text": [0, 3], "vocab_size": 3},
    draw=lambda rng: {"text": [0, int(rng.integers(3, 9))], "vocab_size": 3},
    check=refused("IndexError"),
)

CASES = [*COUNTS, NETWORK, LATER, CACHE, MATCH, GATE, READING, BAD_TEXT]
