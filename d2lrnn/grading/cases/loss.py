"""Lesson 5. What cross_entropy and perplexity are asked."""

from __future__ import annotations

import contextlib
import math
from functools import partial
from typing import Any

import numpy as np
from mxnet import MXNetError, autograd, nd

from ..case import Case, Mistake, floats, refused, within
from ..mistakes import told
from .driving import number, refusal


def drive_loss(s: Any, logits: Any, label: Any) -> Any:
    """The loss, one number."""
    return number(s.cross_entropy(nd.array(logits), nd.array(label, dtype="int32")))


def drive_gradient(s: Any, logits: Any, label: Any) -> Any:
    """The gradient of the loss for the logits."""
    logits = nd.array(logits)
    logits.attach_grad()
    with autograd.record():
        loss = s.cross_entropy(logits, nd.array(label, dtype="int32"))
    with contextlib.suppress(AttributeError, MXNetError):  # a number, or an array that was not recorded
        loss.backward()
    return logits.grad


def drive_bad_label(s: Any, logits: Any, label: Any) -> Any:
    """The error that a label from elsewhere causes."""
    cross_entropy = s.cross_entropy
    return refusal(lambda: number(cross_entropy(nd.array(logits), nd.array(label, dtype="int32"))))


def drive_perplexity(s: Any, nats_per_char: float) -> Any:
    """The perplexity."""
    return s.perplexity(nats_per_char)


def _drawn(rng: np.random.Generator, scale: float = 2.0) -> dict:
    num_chars, vocab_size = int(rng.integers(3, 9)), int(rng.integers(3, 9))
    logits = rng.normal(scale=scale, size=(num_chars, vocab_size)).astype(np.float32)
    return {"logits": logits, "label": rng.integers(vocab_size, size=num_chars)}


def _bad(rng: np.random.Generator) -> dict:
    inputs = _drawn(rng)
    inputs["label"][0] = rng.choice([-1, inputs["logits"].shape[1]])
    return inputs


def _log_softmax(inputs: dict) -> np.ndarray:
    logits = np.asarray(inputs["logits"], dtype=np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _nats(inputs: dict) -> np.ndarray:
    return -_log_softmax(inputs)[np.arange(len(inputs["label"])), np.asarray(inputs["label"])]


UNSURE = {"logits": np.log(floats([[1, 3], [4, 1]])), "label": [0, 1]}  # 1/4, 3/4 and 4/5, 1/5
of_loss = partial(Case, function="cross_entropy", lesson=5)
of_perplexity = partial(Case, function="perplexity", lesson=5, drive=drive_perplexity)

CASES = [
    of_loss(
        name="the loss is the mean of -log p(label), in nats",
        drive=drive_loss,
        example=UNSURE,
        draw=_drawn,
        expect=lambda inputs: float(_nats(inputs).mean()),
        mistakes=(
            Mistake(
                "one number is expected, the mean over all characters",
                shows=lambda answer, expected, inputs: isinstance(answer, np.ndarray),
            ),
        ),
    ),
    of_loss(
        name="its gradient is right",
        drive=drive_gradient,
        example=UNSURE,
        draw=_drawn,
        mistakes=(
            Mistake(
                "no gradient comes back: autograd sees operations on NDArrays only, up to the loss",
                shows=lambda answer, expected, inputs: not answer.any(),
            ),
        ),
    ),
    of_loss(
        name="logits far from zero give a finite loss",
        drive=drive_loss,
        example={"logits": floats([[1000, 0, -1000]]), "label": [2]},
        draw=lambda rng: _drawn(rng, 5000.0),
        expect=lambda inputs: float(_nats(inputs).mean()),
        check=within(atol=1e-4),
        mistakes=(
            Mistake(
                told("05_loss_log_of_softmax"),
                shows=lambda answer, expected, inputs: not math.isfinite(answer),
            ),
        ),
    ),
    of_loss(
        name="a label outside the vocabulary is an IndexError",
        drive=drive_bad_label,
        example={"logits": floats([[0, 1], [2, 0]]), "label": [0, 2]},
        draw=_bad,
        check=refused("IndexError"),
    ),
    of_perplexity(
        name="perplexity is the exponential of the mean loss",
        example={"nats_per_char": 2.0},
        draw=lambda rng: {"nats_per_char": float(rng.uniform(0, 8))},
    ),
    of_perplexity(
        name="the worst perplexity is infinity, not an error",
        example={"nats_per_char": 1000.0},
        draw=lambda rng: {"nats_per_char": float(rng.uniform(720, 5000))},
    ),
]
