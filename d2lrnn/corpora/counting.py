"""The characters of a long text, counted and looked up in pieces that fit into the processor's cache."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

BLOCK = 2**18  # bytes or characters


def count_characters(text: str) -> dict[str, int]:
    """How often each character occurs, in code point order: Counter(text), and fast on a long text."""
    counts: np.ndarray = np.zeros(0, np.int64)
    for points in _code_points(text):
        more = np.bincount(points, minlength=len(counts))
        more[: len(counts)] += counts
        counts = more
    return {chr(point): int(counts[point]) for point in np.flatnonzero(counts)}


def find_characters(text: str, chars: str) -> np.ndarray:
    """chars.find(char) of each character of text, as int32: its place in chars, -1 if it is not there."""
    place_of = np.full(sys.maxunicode + 1, -1, np.int32)
    place_of[[ord(char) for char in chars]] = np.arange(len(chars))
    places = np.empty(len(text), np.int32)
    for i, points in enumerate(_code_points(text)):
        places[i * BLOCK : (i + 1) * BLOCK] = place_of[points]
    return places


def _code_points(text: str) -> Iterator[np.ndarray]:
    for start in range(0, len(text), BLOCK):
        yield np.frombuffer(text[start : start + BLOCK].encode("utf-32-le", "surrogatepass"), "<u4")
