"""Lesson 14. Held-out text shows what a network has learnt, and counting shows what it has to beat.

A table of counts is the oldest language model, takes a second to make, and is the baseline. Early stopping
and dropout are two ways of keeping a network from overfitting its training text.
"""

from __future__ import annotations

import math
import numbers
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from mxnet import autograd, nd

from .checks import check_floats, check_size, to_indices
from .loss import perplexity
from .rnn import RNNParams


class CountModel:
    """P(char | the last order - 1 characters) from counts: order 0 uniform, 1 unigram, 2 bigram, and so on.

    Order 1 adds one to every count. Above it every count gives up `discount`, and what a history h saves
    in this way is shared out by the shorter history h' (absolute discounting, Ney, Essen & Kneser 1994):
    P_n(char | h) = (max(count(h char) - discount, 0) + discount * kinds(h) * P_{n-1}(char | h')) / count(h),
    where kinds(h) is the number of different characters seen after h. After an unseen h, P_n is P_{n-1}.

    Raises:
        IndexError: an index is not a whole number in 0 … vocab_size - 1.
        ValueError: order is not an integer of at least 0, discount not in (0, 1), or there are no indices.
    """

    def __init__(
        self, indices: Sequence[int] | np.ndarray, vocab_size: int, order: int, *, discount: float = 0.75
    ) -> None:
        check_size(vocab_size=vocab_size)
        if order or isinstance(order, bool):  # 0 is uniform
            check_size(order=order)
        if not 0 < discount < 1:
            raise ValueError(f"discount is {discount!r}: give a number between 0 and 1")
        self.vocab_size = vocab_size
        self.order = order
        self.discount = discount
        corpus = _to_list(indices, vocab_size)
        self.followers: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        self.totals: Counter[tuple[int, ...]] = Counter()
        for n in range(self.order):
            for i in range(n, len(corpus)):
                history = tuple(corpus[i - n : i])
                self.followers[history][corpus[i]] += 1
                self.totals[history] += 1

    def probability(self, char: int, context: Sequence[int] = ()) -> float:
        """P(char | context). Of a longer context only the end counts; of a shorter one, all there is."""
        context = tuple(context)
        p = 1 / self.vocab_size
        if self.order > 0:
            p = (self.followers[()][char] + 1) / (self.totals[()] + self.vocab_size)
        for n in range(1, min(self.order, len(context) + 1)):
            history = context[len(context) - n :]
            if history not in self.followers:  # and so no longer one has been seen either
                break
            counts = self.followers[history]
            saved = self.discount * len(counts)
            p = (max(counts[char] - self.discount, 0) + saved * p) / self.totals[history]
        return p


def evaluate_counts(model: CountModel, indices: Sequence[int] | np.ndarray, batch_size: int = 1) -> float:
    """The perplexity of a count model on the same targets on which lesson 9's `evaluate` measures a network.

    Like it, cut indices into batch_size rows; the first character of a row is not a target, and no row looks
    back into another.
    """
    check_size(batch_size=batch_size)
    corpus = _to_list(indices, model.vocab_size)
    batch_size = min(batch_size, len(corpus) // 2)
    if batch_size < 1:
        raise ValueError(f"{len(corpus)} characters to measure: give at least 2")
    row_len = len(corpus) // batch_size
    nats = 0.0
    for start in range(0, batch_size * row_len, row_len):
        for i in range(start + 1, start + row_len):
            context = corpus[max(start, i - model.order) : i]
            nats -= math.log(model.probability(corpus[i], context))
    return perplexity(nats / (batch_size * (row_len - 1)))


def best_epoch(perplexities: Sequence[float]) -> int:
    """The epoch, counted from 1, of the lowest held-out perplexity; the first of several, and never NaN's.

    Raises:
        ValueError: there is no perplexity that is a number.
    """
    epochs = [epoch for epoch, value in enumerate(perplexities, 1) if not math.isnan(value)]
    if not epochs:
        raise ValueError("no epoch has a perplexity: give at least one that is a number")
    return min(epochs, key=lambda epoch: perplexities[epoch - 1])


def should_stop(perplexities: Sequence[float], patience: int) -> bool:
    """True when the last patience epochs have not been better than the best before them."""
    check_size(patience=patience)
    if all(math.isnan(value) for value in perplexities):
        return len(perplexities) >= patience
    return len(perplexities) - best_epoch(perplexities) >= patience


def dropout(X: nd.NDArray, p: float) -> nd.NDArray:
    """In training (under autograd.record) set numbers to 0 with probability p, and divide the rest by 1 - p.

    So the mean stays, and outside training X is returned as it is: "inverted" dropout (Srivastava et al.
    2014). Draws from MXNet's generator.

    Raises:
        ValueError: p is not in [0, 1). MXNet's own Dropout makes NaN of p = 1.
    """
    check_floats(X=X)
    if isinstance(p, bool) or not isinstance(p, numbers.Real) or not 0 <= float(p) < 1:
        raise ValueError(f"p is {p!r}: give a probability from 0 up, below 1")
    if p == 0 or not autograd.is_training():
        return X
    keep = nd.random.uniform(shape=X.shape, ctx=X.context) >= p
    return X * keep.astype(X.dtype) / (1 - p)


def rnn_dropout(
    inputs: Sequence[nd.NDArray], state: tuple[nd.NDArray], params: RNNParams, p: float
) -> tuple[list[nd.NDArray], tuple[nd.NDArray]]:
    """The rnn of lesson 4 with dropout on what enters the hidden layer from below and what leaves it upward.

    The path from H to the next H is spared: what is dropped there is lost to all later steps (Zaremba et al.
    2014).
    """
    (H,) = state
    W_xh, W_hh, b_h, W_hy, b_y = params
    outputs = []
    for X in inputs:
        H = nd.tanh(dropout(nd.dot(X, W_xh), p) + nd.dot(H, W_hh) + b_h)
        outputs.append(nd.dot(dropout(H, p), W_hy) + b_y)
    return outputs, (H,)


def _to_list(indices: Any, vocab_size: int) -> list[int]:
    return to_indices(indices, vocab_size, ndim=1).tolist()
