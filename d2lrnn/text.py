"""Lesson 1. A file becomes one string of characters; a vocabulary turns characters into indices and back."""

from __future__ import annotations

import numbers
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from .checks import check_size, to_indices, to_integers
from .corpora.counting import count_characters, find_characters
from .corpora.documents import Manner, read_texts

UNKNOWN = "<unk>"
MAX_CHARS = 10**7  # in one text that is written: it is held in memory until it is whole


def load_corpus(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = "lyrics",
    *,
    max_chars: int | None = None,
    lines: str = "space",
    encoding: str | None = None,
) -> str:
    r"""The text of a corpus as one line: every line end becomes one space.

    source: "lyrics" (ours), "songci" or "timemachine" (both included), "jaychou" (fetched once if it is
    not under data/), the path of a text, plain or packed, or of a folder of texts; or a list of these, with a
    blank line between texts.
    max_chars: how many characters to read from the start. lines: "keep" makes \n of every line end instead.
    encoding: of the files, UTF-8 if it is None.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is empty, not UTF-8 text, or an archive that is refused.
    """
    if max_chars is not None:
        check_size(max_chars=max_chars)
    if lines not in ("space", "keep"):
        raise ValueError(f"lines is {lines!r}: give 'space' or 'keep'")
    sources = [source] if isinstance(source, (str, os.PathLike)) else source
    most = max_chars and 2 * max_chars  # each may be a line end of two characters
    texts = read_texts(sources, Manner(lines=None, encoding=encoding), max_chars=most)
    for note in texts.notes:
        warnings.warn(note, stacklevel=2)
    return (one_line(texts.text) if lines == "space" else keep_lines(texts.text))[:max_chars]


def one_line(text: str) -> str:
    """text with a space for every line end, of whichever system it is."""
    for line_end in ("\r\n", "\r", "\n"):  # two characters first: they are one line end
        text = text.replace(line_end, " ")
    return text


def keep_lines(text: str) -> str:
    r"""text with \n for every line end, and without byte order marks, which stay where files were joined."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "")


class Vocab:
    """The distinct characters of a text, numbered in code point order: the same in every process.

    min_freq: leave out characters that occur less often. unk: give index 0 to "<unk>", which stands for all
    others.
    """

    def __init__(self, text: str, *, min_freq: int = 1, unk: bool = False) -> None:
        _check_text(text)
        check_size(min_freq=min_freq)
        kept = sorted(char for char, count in count_characters(text).items() if count >= min_freq)
        self.unk = unk
        self.idx_to_char = [UNKNOWN, *kept] if unk else kept
        self.char_to_idx = {char: idx for idx, char in enumerate(self.idx_to_char)}

    def __len__(self) -> int:
        return len(self.idx_to_char)

    def encode(self, text: str) -> list[int]:
        """The index of every character of text.

        Raises:
            ValueError: naming the characters that the vocabulary does not know (without unk=True).
        """
        _check_text(text)
        if self.unk:
            return [self.char_to_idx.get(char, 0) for char in text]
        try:
            return [self.char_to_idx[char] for char in text]
        except KeyError:
            raise _unknown(text, self.char_to_idx) from None

    def to_indices(self, text: str) -> np.ndarray:
        """What encode returns, as an int32 array: on a long text much faster, and in less memory.

        Raises:
            ValueError: as encode does.
        """
        _check_text(text)
        indices = find_characters(text, "".join(self.idx_to_char[self.unk :]))
        if self.unk:
            indices += 1  # "<unk>" comes before all others, and -1 becomes 0
        elif indices.min(initial=0) < 0:
            raise _unknown(text, self.char_to_idx)
        return indices

    def decode(self, indices: Iterable[int]) -> str:
        """The characters of indices (a list or an array of whole numbers), joined.

        Raises:
            IndexError: one of them is not in 0 … len(vocab) - 1.
        """
        integers = to_integers(indices if hasattr(indices, "shape") else list(indices))
        if integers.size == 0:
            return ""
        known = to_indices(integers, len(self)).reshape(-1).tolist()
        return "".join([self.idx_to_char[idx] for idx in known])


def _check_text(text: str) -> None:
    if not isinstance(text, str):
        raise TypeError(f"text is a {type(text).__name__}: give a str")


def _unknown(text: str, known: Mapping[str, int]) -> ValueError:
    unknown = sorted(set(text) - known.keys())
    shown = ", ".join(f"{char!r} (U+{ord(char):04X})" for char in unknown[:5])
    more = f" and {len(unknown) - 5} others" if len(unknown) > 5 else ""
    return ValueError(f"{shown}{more}: not among the {len(known)} characters of this vocabulary")


def encode_prefix(prefix: str, num_chars: int, vocab: Vocab) -> list[int]:
    """The indices of a prefix that can be continued by num_chars characters.

    Raises:
        ValueError: the prefix is empty or unknown, num_chars no integer of at least 0, or the text too long.
    """
    if not prefix:
        raise ValueError("the prefix is empty: give at least one character to start from")
    if isinstance(num_chars, bool) or not isinstance(num_chars, numbers.Integral) or int(num_chars) < 0:
        raise ValueError(f"num_chars is {num_chars!r}: give an integer from 0 up")
    if len(prefix) + int(num_chars) > MAX_CHARS:
        raise ValueError(
            f"a prefix of {len(prefix):,} and {num_chars:,} characters more: give at most {MAX_CHARS:,}"
        )
    return vocab.encode(prefix)
