"""Lesson 1. A file becomes one string of characters; a vocabulary turns characters into indices and back."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable

from .checks import check_size, to_integers
from .corpora import find_corpus, read_corpus

UNKNOWN = "<unk>"


def load_corpus(source: str | os.PathLike[str] = "lyrics", *, max_chars: int | None = None) -> str:
    """The text of a corpus as one line: every line end becomes one space.

    source: "lyrics" (ours), "jaychou" or "timemachine" (fetched once if they are not under data/), or the
    path of a UTF-8 .txt, or of a .zip that holds one. max_chars: keep only so many characters from the start.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is empty, not UTF-8 text, or no archive that we would open.
    """
    if max_chars is not None:
        check_size(max_chars=max_chars)
    text = read_corpus(find_corpus(source))
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", " ")[:max_chars]


class Vocab:
    """The distinct characters of a text, numbered in code point order: the same in every process.

    min_freq: leave out characters that occur less often. unk: give index 0 to "<unk>", which stands for all
    others.
    """

    def __init__(self, text: str, *, min_freq: int = 1, unk: bool = False) -> None:
        if not isinstance(text, str):
            raise TypeError(f"text is a {type(text).__name__}: give a str")
        check_size(min_freq=min_freq)
        kept = sorted(char for char, count in Counter(text).items() if count >= min_freq)
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
        if not isinstance(text, str):
            raise TypeError(f"text is a {type(text).__name__}: give a str")
        if self.unk:
            return [self.char_to_idx.get(char, 0) for char in text]
        try:
            return [self.char_to_idx[char] for char in text]
        except KeyError:
            unknown = sorted({char for char in text if char not in self.char_to_idx})
            shown = ", ".join(f"{char!r} (U+{ord(char):04X})" for char in unknown[:5])
            more = f" and {len(unknown) - 5} others" if len(unknown) > 5 else ""
            raise ValueError(
                f"{shown}{more}: not among the {len(self)} characters of this vocabulary"
            ) from None

    def decode(self, indices: Iterable[int]) -> str:
        """The characters of indices (a list or an array of whole numbers), joined.

        Raises:
            IndexError: one of them is not in 0 … len(vocab) - 1.
        """
        integers = to_integers(indices if hasattr(indices, "shape") else list(indices)).reshape(-1).tolist()
        for idx in integers:
            if not 0 <= idx < len(self):
                raise IndexError(
                    f"index {idx} is outside a vocabulary of {len(self)}: give 0 to {len(self) - 1}"
                )
        return "".join([self.idx_to_char[int(idx)] for idx in integers])
