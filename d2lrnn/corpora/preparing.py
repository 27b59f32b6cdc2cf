"""How a text is prepared for training: its line ends, its normal form, and byte order marks within."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

LINES = ("keep", "space")
FORMS = ("none", "NFC", "NFKC")
MARK = "\ufeff"
# No normal form joins these with what stands before them: ASCII, ideographs, syllables of Korean.
SAFE = re.compile("[\0-\x7f\u3400-\u9fff\uac00-\ud7a3]")


def prepare(text: str, *, lines: str = "space", normalize: str = "none") -> str:
    r"""text as a corpus is prepared: every line end (\n, \r\n or \r) becomes \n or a space.

    lines: "keep" or "space". normalize: "none", "NFC" or "NFKC". Byte order marks within the text, of files
    that were joined, go away, except where both are as the tutorial has them.
    """
    text = Preparer(normalize, marks=keeps_marks(lines, normalize)).feed(text, last=True)
    return text if lines == "keep" else text.replace("\n", " ")


def keeps_marks(lines: str, normalize: str) -> bool:
    """Whether U+FEFF within a text stays: the tutorial's way changes nothing but line ends."""
    return (lines, normalize) == ("space", "none")


class Preparer:
    r"""Prepares a text that comes in pieces; line ends become \n.

    marks: keep U+FEFF.
    """

    def __init__(self, normalize: str, *, marks: bool) -> None:
        self._form: Any = None if normalize == "none" else normalize
        self._marks, self._held = marks, ""

    def feed(self, piece: str, *, last: bool = False) -> str:
        """The text that this piece makes final; the end that the next one may still change is held back."""
        text = self._held + piece
        cut = len(text) if last else self._boundary(text, len(self._held))
        text, self._held = text[:cut], text[cut:]
        if not self._marks:
            text = text.replace(MARK, "")
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        return text if self._form is None else unicodedata.normalize(self._form, text)

    def _boundary(self, text: str, num_held: int) -> int:
        if self._form is None:
            return len(text) - text.endswith("\r")
        for i in range(len(text) - 1, max(num_held, 1) - 1, -1):  # what is held has one at most, at its start
            if SAFE.match(text, i) and text[i - 1 : i + 1] != "\r\n":
                return i
        return 0
