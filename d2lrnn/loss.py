"""Lesson 5. How wrong predictions are: cross-entropy in nats per character, its exponential perplexity."""

from __future__ import annotations

import math

import numpy as np
from mxnet import nd

from .checks import check_floats, check_indices


def cross_entropy(logits: nd.NDArray, label: nd.NDArray) -> nd.NDArray:
    """The mean over all characters of -log p(label), in nats per character: one number, (1,) as MXNet has it.

    logits: (num_chars, vocab_size). label: (num_chars,), in the same order: time-major if the logits are.

    Raises:
        IndexError: a label is not a whole number in 0 … vocab_size - 1.
        ValueError: the shapes do not fit.
        TypeError: the logits are not floats.
    """
    check_floats(logits=logits)
    if logits.ndim != 2 or np.shape(label) != logits.shape[:1]:
        raise ValueError(
            f"logits {logits.shape}, label {np.shape(label)}: give (num_chars, vocab_size) and (num_chars,)"
        )
    label = check_indices(label, logits.shape[1], logits.context)
    return -nd.pick(nd.log_softmax(logits), label).mean()


def perplexity(nats_per_char: float) -> float:
    """exp(mean cross-entropy): 1 is perfect, the size of the vocabulary is a blind guess, infinity the worst.

    A model of perplexity k is as uncertain of the next character as if k were equally likely.
    """
    try:
        return math.exp(nats_per_char)
    except OverflowError:
        return math.inf
