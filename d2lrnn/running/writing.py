r"""What a network writes: its prefixes, where a text ends, and the line that tells one text from the next.

Several texts have a heading each, a line of its own; behind it the text as it is, and one line end more:

    --- 1, seed 7: QUEEN:\n                 of predict, and of samples.txt: --- epoch 5: QUEEN:\n
    QUEEN:
    What say you?
    --- 2, seed 8: QUEEN:\n

A heading begins with a mark three times, and ends with the prefix as an argument gives it. The mark is the
first of MARKS that the network does not know: so no line that it writes begins like a heading.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from ..cli import escape
from ..corpora import prepare
from ..decoding import Choice, Writer, write_batch
from ..text import Vocab
from .dataset import trained_manner
from .settings import Settings

MARKS = "-=#*~+_─═━"  # and after these the characters from U+2500 on


def prepare_prefix(prefix: str, settings: Settings, vocab: Vocab) -> str:
    """A prefix, or a stop, as the corpus was prepared."""
    manner = trained_manner(settings, vocab)
    return prepare(prefix, lines=manner.lines or "keep", normalize=manner.normalize)


def heading(what: str, prefix: str, vocab: Vocab) -> str:
    """The line before one of several texts, without its line end."""
    marks = itertools.chain(MARKS, map(chr, range(0x2500, 0xD800)))
    mark = next(mark for mark in marks if mark not in vocab.char_to_idx)
    return f"{mark * 3} {what}: {escape(prefix)}"


def format_samples(
    epoch: int, prefixes: Sequence[str], texts: Sequence[str], vocab: Vocab, what: str = ""
) -> str:
    """What samples.txt gets of an epoch. what: follows its number in the headings."""
    headings = [heading(f"epoch {epoch}{what}", prefix, vocab) for prefix in prefixes]
    return "".join(f"{line}\n{text}\n" for line, text in zip(headings, texts))


def listed(text: str) -> str:
    """text as train shows it between two epochs: its lines are indented, and the first has a dash."""
    return "  - " + text.replace("\n", "\n    ")


def stream(
    prefixes: Sequence[str],
    num_chars: int,
    writer: Writer,
    vocab: Vocab,
    choice: Choice,
    num_samples: int = 1,
    stops: Sequence[str] = (),
) -> Iterator[tuple[int, str]]:
    """What generate_batch writes, as it comes: which text it is, and its next characters, perhaps none.

    All are written together, and come one after the other: of each the prefix first. A text ends before the
    first of stops, which may begin in the prefix but ends in what is new; of the prefix nothing is left out.

    Raises:
        as generate_batch, before the first of them.
    """
    steps, known = write_batch(prefixes, num_chars, writer, vocab, choice, num_samples), vocab.idx_to_char
    chars, i = next(steps, np.zeros((0, 0))), 0
    for prefix in prefixes:
        for _ in range(num_samples):
            yield i, prefix
            text, begin, end = Unfinished(prefix, stops), len(prefix), len(prefix) + num_chars
            while begin < end and not text.is_over:
                if len(chars) <= begin:
                    chars = next(steps)
                new = [known[k] for k in chars[begin:end, i].tolist()]
                begin += len(new)
                yield i, text.add("".join(new))
            yield i, text.rest()
            i += 1


class Unfinished:
    """A text that is being written, as far as a stop may still begin in it. is_over: it has met a stop."""

    def __init__(self, prefix: str, stops: Sequence[str]) -> None:
        self.is_over, self._stops = False, stops
        self._reach = max(map(len, stops), default=1) - 1  # at most this many characters may begin a stop
        self._text = prefix[len(prefix) - self._reach :] if self._reach < len(prefix) else prefix
        self._shown = len(self._text)

    def add(self, new: str) -> str:
        """What is now sure to be no part of a stop."""
        if not self._stops:
            return new
        before, self._text = len(self._text), self._text + new
        found = [self._text.find(stop, max(0, before - len(stop) + 1)) for stop in self._stops]
        met = [(at + len(stop), at) for stop, at in zip(self._stops, found) if at >= 0]
        if met:
            self.is_over, (_, sure) = True, min(met)
            self._text = self._text[: max(sure, self._shown)]
        else:
            sure = len(self._text) - self._open()
        sure = max(sure, self._shown)
        piece = self._text[self._shown : sure]
        past = max(0, min(len(self._text) - self._reach, sure))
        self._text, self._shown = self._text[past:], sure - past
        return piece

    def rest(self) -> str:
        """What was held back, and no stop came of it."""
        return self._text[self._shown :]

    def _open(self) -> int:
        """How many of its last characters a stop may begin with."""
        begun = [k for stop in self._stops for k in range(1, len(stop)) if self._text.endswith(stop[:k])]
        return max(begun, default=0)
