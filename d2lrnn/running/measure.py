"""How well a network predicts a text that it reads from beginning to end."""

from __future__ import annotations

import itertools
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from mxnet import nd

from .. import corpora
from ..corpora import STDIN, count_characters, find_characters, listed
from ..fast import Network
from ..loss import perplexity
from ..text import Vocab
from .dataset import cut_rows, load_dataset, trained_manner
from .directory import Trained, read_config

MAX_ROWS = 64  # read side by side
MAX_STEPS = 512  # of rows at once; their logits are at most
MAX_LOGITS = 2**22  # numbers


class Text(NamedTuple):
    """A text as a network reads it: without the characters that it does not know, which are counted."""

    name: str
    indices: np.ndarray
    unknown: Mapping[str, int]

    @property
    def num_chars(self) -> int:
        """Known or not."""
        return len(self.indices) + sum(self.unknown.values())


class Score(NamedTuple):
    """How well a text was predicted. nats: -log p of the characters that were scored, all added up."""

    name: str
    num_chars: int
    num_scored: int
    unknown: Mapping[str, int]
    nats: float

    @property
    def num_unknown(self) -> int:
        """How many characters were left out, since the network does not know them."""
        return sum(self.unknown.values())

    @property
    def perplexity(self) -> float:
        """Of the characters that were scored."""
        return perplexity(self.nats / self.num_scored)

    @property
    def bits_per_char(self) -> float:
        """What a code made from the predictions would need for each of these characters."""
        return self.nats / self.num_scored / math.log(2)


# --- texts ---


def read_texts(
    source: str, found: Trained, encoding: str | None = None, field: str | None = None
) -> list[tuple[str, str]]:
    """(name, text) of each document in source, prepared as the corpus of the network was.

    encoding: None is UTF-8. field: where the records of a .jsonl have their texts.

    Raises:
        ValueError, OSError: there is no such source, or it is no text.
    """
    manner = trained_manner(found.settings, found.vocab)._replace(encoding=encoding, field=field)
    if source == STDIN:
        return [(source, corpora.read_stdin(sys.stdin.buffer, manner, None).text)]
    text, _, documents, _ = corpora.read_texts([source], manner)
    if len(documents) == 1:
        return [(source, text)]
    return [(document.name, text[document.start : document.end]) for document in documents]


def encode_text(name: str, text: str, vocab: Vocab) -> Text:
    """A text as the network with this vocabulary reads it."""
    places = find_characters(text, "".join(vocab.idx_to_char))
    unknown = {char: n for char, n in count_characters(text).items() if char not in vocab.char_to_idx}
    return Text(name, places[places >= 0] if unknown else places, unknown)


def heldout_text(found: Trained) -> Text:
    """What was held out of a run's training.

    Raises:
        ValueError, OSError: there is none, or the corpus has gone or was changed.
    """
    if not found.source.is_dir():
        raise ValueError(f"{found.source} does not say what it was trained on: give a text to measure it on")
    if not found.settings.heldout:
        raise ValueError(f"{found.source} was trained on all of its corpus: give another text")
    corpus = listed(found.settings.corpus)
    try:
        dataset = load_dataset(found.settings, found.source)
    except (ValueError, OSError) as error:
        raise ValueError(f"the corpus of {found.source} cannot be read again: {error}") from None
    facts = read_config(found.source).get("facts")
    if not isinstance(facts, dict) or facts.get("corpus_sha256") != dataset.sha256:
        raise ValueError(f"{corpus} is not the text that {found.source} was trained on: give a text")
    return Text(f"{corpus}, held out", dataset.heldout_indices, {})


# --- measuring ---


def measure(
    network: Network,
    params: Any,
    texts: Iterable[Text],
    num_rows: int = 1,
    progress: Callable[[int], object] = lambda num_chars: None,
) -> list[Score]:
    """The score of each text, of at least two known characters, cut into num_rows rows, or fewer.

    Each row is read from a state of zeros to its end; its first character has no prediction. progress: called
    with the number of characters that have been scored since the last call.

    Raises:
        FloatingPointError: a prediction is not a number.
    """
    rows, owners, scores = list[np.ndarray](), list[int](), list[Score]()
    for owner, text in enumerate(texts):
        cut = cut_rows(text.indices, num_rows)
        scores.append(Score(text.name, text.num_chars, cut.size - len(cut), text.unknown, 0.0))
        rows += list(cut)
        owners += [owner] * len(cut)
    nats = np.bincount(owners, read_rows(network, params, rows, progress))
    if np.isnan(nats).any():
        raise FloatingPointError("the output is not finite: the parameters hold NaN or infinity")
    return [score._replace(nats=float(total)) for score, total in zip(scores, nats)]


def add_up(scores: Sequence[Score], name: str) -> Score:
    """The score of all these texts together, in which every character has the same weight."""
    unknown: Counter[str] = Counter()
    for score in scores:
        unknown.update(score.unknown)
    num_chars, num_scored, nats = (
        sum(each) for each in zip(*((score.num_chars, score.num_scored, score.nats) for score in scores))
    )
    return Score(name, num_chars, num_scored, unknown, nats)


def read_rows(
    network: Network, params: Any, rows: Sequence[np.ndarray], progress: Callable[[int], object]
) -> np.ndarray:
    """-log p of all characters of each row but the first, added up: (len(rows),) float64.

    Rows of about the same length are read side by side, which saves time and changes nothing else.
    """
    nats = np.zeros(len(rows))
    by_length = sorted(range(len(rows)), key=lambda k: len(rows[k]))
    for _, group in itertools.groupby(by_length, key=lambda k: len(rows[k]).bit_length()):
        alike = list(group)
        for i in range(0, len(alike), MAX_ROWS):
            some = alike[i : i + MAX_ROWS]
            nats[some] = _read_side_by_side(network, params, [rows[k] for k in some], progress)
    return nats


def _read_side_by_side(
    network: Network, params: Any, rows: Sequence[np.ndarray], progress: Callable[[int], object]
) -> np.ndarray:
    (hidden_dim, vocab_size), ctx = params[-2].shape, params[-2].context  # params[-2] is W_hy
    state, longest = network.init_state(len(rows), hidden_dim, ctx), max(map(len, rows)) - 1
    num_steps = max(1, min(longest, MAX_STEPS, MAX_LOGITS // (len(rows) * vocab_size)))
    nats = np.zeros(len(rows))
    for start in range(0, longest, num_steps):
        window = np.zeros((len(rows), num_steps + 1), np.int32)
        is_target = np.zeros((len(rows), num_steps), bool)
        for k, row in enumerate(rows):
            part = row[start : start + num_steps + 1]
            window[k, : len(part)] = part
            is_target[k, : max(len(part) - 1, 0)] = True
        (logits,), state = network.rnn(nd.array(window[:, :-1].T, ctx, "int32"), state, params)
        each = _cross_entropies(logits.asnumpy(), window[:, 1:].T.reshape(-1))
        nats += np.sum(each.reshape(num_steps, -1), axis=0, where=is_target.T)
        progress(int(is_target.sum()))
    return nats


def _cross_entropies(logits: np.ndarray, label: np.ndarray) -> np.ndarray:
    """-log p(label) of each row of logits, in float64.

    MXNet's log_softmax is wrong by 4e-6 nats: a text that was learnt by heart costs hardly more.
    """
    highest = logits.max(axis=1, keepdims=True)
    sums = np.sum(np.exp(logits - highest), axis=1, dtype=float)
    return np.log(sums) - (logits[np.arange(len(label)), label] - highest[:, 0])
