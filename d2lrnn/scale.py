"""Lesson 18. On a large text networks overtake even the best counts, measured on the same targets.

Where Kneser-Ney counts fall back to a shorter history, they ask not how often a character occurs, but after
how many different ones: one that is frequent only in a single phrase is not expected anywhere else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from mxnet import nd

from .checks import check_size, to_indices
from .corpora.names import shipped
from .loss import perplexity
from .onehot import get_inputs
from .rnn import Params


class Level(NamedTuple):
    """Strings of one length n, in order: (number of the first n - 1 characters) * vocab_size + the last.

    A string's number is its place here. kept: of each, its count less D. totals, saved: c(h) and saved(h) of
    each string h of n - 1 characters.
    """

    pairs: np.ndarray
    kept: np.ndarray
    totals: np.ndarray
    saved: np.ndarray

    def find(self, wanted: np.ndarray) -> np.ndarray:
        """The numbers of strings; -1: there is no such string."""
        places = np.minimum(np.searchsorted(self.pairs, wanted), len(self.pairs) - 1)
        return np.where(self.pairs[places] == wanted, places, -1)


class KneserNey:
    """P(char | the last order - 1 characters), interpolated (Kneser & Ney 1995; Chen & Goodman 1999).

    With h a history of n - 1 characters, and h' the same without its first,
    P_n(char | h) = (max(c(h char) - D, 0) + saved(h) * P_{n-1}(char | h')) / c(h), where c(h) is the sum of
    c(h char) over all characters, and saved(h) what these give up together. For the longest n, c(h char) is
    how often the string occurs; for the others, how many different characters stand before it, of which the
    beginning of the text is one. P_0 is uniform, and after an unseen h, P_n is P_{n-1}.

    modified: three discounts D for each n, for counts of 1, of 2, and of 3 and more. discounts: for n = 1,
    2, …, each a number or three; None: estimated.

    Raises:
        IndexError, ValueError: an index, the order or a discount is out of range, or there are no indices.
    """

    def __init__(
        self,
        indices: Sequence[int] | np.ndarray,
        vocab_size: int,
        order: int,
        *,
        modified: bool = False,
        discounts: Sequence[float | Sequence[float]] | None = None,
    ) -> None:
        check_size(vocab_size=vocab_size, order=order)
        given = None if discounts is None else _to_discounts(discounts, order)
        corpus = to_indices(indices, vocab_size, ndim=1).astype(np.int64)
        self.vocab_size, self.order = vocab_size, order
        self.discounts, self.levels, num_histories = [], [], 1
        for n, (pairs, counts) in enumerate(_count_strings(corpus, vocab_size, order)):
            D = estimate_discounts(counts, modified=modified) if given is None else given[n]
            given_up, histories = D[np.minimum(counts, 3) - 1], pairs // vocab_size
            totals, saved = (np.bincount(histories, each, num_histories) for each in (counts, given_up))
            self.discounts.append(D)
            self.levels.append(Level(pairs, counts - given_up, totals, saved))
            num_histories = len(pairs)

    def probabilities(self, indices: Sequence[int] | np.ndarray, start: int = 1) -> np.ndarray:
        """P of each of indices[start:], given what is before it there; of rows (…, length), row by row."""
        corpus = to_indices(indices, self.vocab_size).astype(np.int64)
        corpus, start = corpus[..., max(0, start - self.order + 1) :], min(start, self.order - 1)
        p = np.full(corpus.shape, 1 / self.vocab_size)
        history = np.zeros(corpus.shape, np.int64)  # number of the n - 1 characters before; -1: unseen
        for level in self.levels:
            string = level.find(np.where(history < 0, -1, history * self.vocab_size + corpus))
            above = np.where(string < 0, 0, level.kept[string]) + level.saved[history] * p
            seen = (history >= 0) & (level.totals[history] > 0)
            p[seen] = above[seen] / level.totals[history[seen]]
            history = np.concatenate([np.full_like(string[..., :1], -1), string[..., :-1]], axis=-1)
        return p[..., start:]

    def probability(self, char: int, context: Sequence[int] = ()) -> float:
        """P(char | context). Of a longer context only the end counts; of a shorter one, all there is."""
        return float(self.probabilities([*context, char], len(context))[0])

    def distribution(self, context: Sequence[int] = ()) -> np.ndarray:
        """P of every character after context: (vocab_size,)."""
        context = list(context)[max(0, len(context) - self.order + 1) :]
        rows = np.array([[*context, char] for char in range(self.vocab_size)])
        return self.probabilities(rows, len(context))[:, 0]


def estimate_discounts(counts: np.ndarray, *, modified: bool = False) -> np.ndarray:
    """D for counts of 1, of 2, and of 3 and more: (3,), all the same unless modified.

    With n_k strings of count k, D = n_1 / (n_1 + 2 n_2) (Ney, Essen & Kneser 1994); modified, it is
    k - (k + 1) D n_{k+1} / n_k for count k (Chen & Goodman 1999). Where too few strings tell, D is 0.75.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6).astype(float)
    D = n[1] / (n[1] + 2 * n[2]) if n[1] and n[2] else 0.75
    three = [k - (k + 1) * D * n[k + 1] / n[k] if modified and n[k] else D for k in (1, 2, 3)]
    return np.array([better if 0 < better < k else D for k, better in enumerate(three, 1)])


def cut_rows(indices: Sequence[int] | np.ndarray, batch_size: int, vocab_size: int) -> np.ndarray:
    """indices in at most batch_size rows, as lesson 9's `evaluate` cuts them."""
    check_size(batch_size=batch_size)
    corpus = to_indices(indices, vocab_size, ndim=1)
    batch_size = min(batch_size, len(corpus) // 2)
    if batch_size < 1:
        raise ValueError(f"{len(corpus)} characters to measure: give at least 2")
    return corpus[: len(corpus) // batch_size * batch_size].reshape(batch_size, -1)


def network_probabilities(
    rnn: Callable,
    params: Params,
    init_state: Callable,
    rows: np.ndarray,
    num_steps: int,
    *,
    get_inputs: Callable = get_inputs,
) -> np.ndarray:
    """P of every target in rows, each read from a state of zeros: (batch_size, row length - 1)."""
    check_size(num_steps=num_steps)
    (hidden_dim, vocab_size), ctx = params[-2].shape, params[-2].context  # params[-2] is W_hy
    state, found = init_state(len(rows), hidden_dim, ctx), []
    for i in range(0, rows.shape[1] - 1, num_steps):
        chars = nd.array(rows[:, i : i + num_steps + 1], ctx, "int32")
        outputs, state = rnn(get_inputs(chars[:, :-1], vocab_size), state, params)
        log_p = nd.log_softmax(nd.concat(*outputs, dim=0))
        of_targets = nd.pick(log_p, chars[:, 1:].T.reshape(-1)).reshape((-1, len(rows)))
        found.append(np.exp(of_targets.asnumpy().astype(float)).T)
    return np.concatenate(found, axis=1)


def mean_perplexity(probabilities: np.ndarray, where: np.ndarray | bool = True) -> float:
    """The perplexity of the targets that have these probabilities. where: which of them count."""
    return perplexity(-np.mean(np.log(probabilities), where=where))


def load_results(**settings: Any) -> list[dict[str, Any]]:
    """The results of `make heldout` with these settings, each with all its settings."""
    entries = json.loads(shipped("data/heldout.json").read_text(encoding="utf-8"))
    found = [{**entry["key"], **entry["result"], "seconds": entry["seconds"]} for entry in entries]
    return [each for each in found if all(each.get(name) == value for name, value in settings.items())]


def _count_strings(corpus: np.ndarray, vocab_size: int, order: int) -> list[list[np.ndarray]]:
    """[pairs, counts] of the different strings of n = 1, 2, … characters."""
    found: list[list[np.ndarray]] = []
    numbers = np.zeros(len(corpus) + 1, np.int64)  # of the n - 1 characters that begin at i
    for n in range(1, min(order, len(corpus)) + 1):
        strings = numbers[:-1] * vocab_size + corpus[n - 1 :]
        pairs, first, places, counts = np.unique(strings, True, True, True)
        if found:  # a string without its first counts once for each first, and once if it begins the text
            shorter = np.append(numbers[first + 1], numbers[0])
            found[-1][1] = np.bincount(shorter, minlength=len(found[-1][0]))
        found.append([pairs, counts])
        numbers = places.reshape(-1)
    return found


def _to_discounts(discounts: Sequence[float | Sequence[float]], order: int) -> np.ndarray:
    D = np.array([np.broadcast_to(each, 3) for each in discounts])
    if len(D) != order or not np.all((D > 0) & (D <= [1, 2, 3])):
        limits = "in (0, 1], or three numbers, in (0, 1], (0, 2] and (0, 3]"
        raise ValueError(f"discounts are {discounts}: give {order}, each {limits}")
    return D
