"""The texts of the studies, cut into a part to train on and a part that is held out."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from d2lrnn import Vocab, load_corpus

import numpy as np

LYRICS_TRAIN, LYRICS_VALID = 57_000, 5_700  # characters of 2018-05; the latter are the end of the former
SHARE = 0.1  # that is held out of the other texts


class Split(NamedTuple):
    """A vocabulary and indices in it."""

    vocab: Vocab
    train: np.ndarray
    heldout: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Whether each character of the vocabulary occurs in the training part: (vocab_size,)."""
        return occurring(self.train, len(self.vocab))


def occurring(indices: np.ndarray, vocab_size: int) -> np.ndarray:
    """Whether each character of a vocabulary occurs: (vocab_size,), bool."""
    return np.bincount(indices, minlength=vocab_size) > 0


def lyrics(part: str = "valid") -> Split:
    """The 2018-05 lyrics without the characters of the held-out part that the training part does not have.

    part: "valid" trains on 51,300 characters and holds the 5,700 after them out; "test" trains on all 57,000
    and holds the rest out. Choose with the former; read the latter once.

    Raises:
        FileNotFoundError: the lyrics are not here.
    """
    return cut(*lyrics_texts(part))


def lyrics_texts(part: str) -> tuple[str, str]:
    """The same two parts with all their characters."""
    text = load_corpus(_find("jaychou_lyrics_2018-05.txt.zip"))
    if part == "valid":
        text = text[:LYRICS_TRAIN]
    end = LYRICS_TRAIN - LYRICS_VALID if part == "valid" else LYRICS_TRAIN
    return text[:end], text[end:]


def songci(part: str = "valid") -> Split:
    """Song lyrics, line ends as spaces; the vocabulary is that of the whole text, as `train` has it.

    part: "test" trains on the first 90 % of the characters and holds the rest out; "valid" leaves that rest
    aside and cuts the first 90 % in the same way.
    """
    text = songci_text()
    vocab, (train, heldout) = Vocab(text), _ninety(text, part)
    return Split(vocab, vocab.to_indices(train), vocab.to_indices(heldout))


def songci_text() -> str:
    """The corpus."""
    return load_corpus("songci")


def timemachine(part: str = "valid") -> Split:
    """The Time Machine in 27 symbols: lower-case letters, and one space for all between them, as d2l cuts it.

    part: as in songci.
    """
    return cut(*_ninety(re.sub("[^a-z]+", " ", timemachine_text().lower()), part))


def timemachine_text() -> str:
    """The corpus."""
    return load_corpus("timemachine")


def cut(train: str, heldout: str) -> Split:
    """Both texts in the vocabulary of the former; of the latter only the characters that it knows."""
    vocab = Vocab(train)
    known = "".join(char for char in heldout if char in vocab.char_to_idx)
    return Split(vocab, vocab.to_indices(train), vocab.to_indices(known))


def _ninety(text: str, part: str) -> tuple[str, str]:
    split = learnt(len(text))
    if part == "test":
        return text[:split], text[split:]
    return _ninety(text[:split], "test")


def learnt(num_chars: int) -> int:
    """How many of the first characters are learnt: as `train --heldout 0.1` cuts."""
    return num_chars - int(num_chars * SHARE)


def _find(name: str) -> Path:
    folders = [Path("data"), Path(os.environ.get("D2LRNN_TEST_DATA", "data"))]
    paths = [folder / name for folder in folders]
    return next((path for path in paths if path.exists()), paths[0])
