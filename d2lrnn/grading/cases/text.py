"""Lesson 1. What load_corpus and Vocab are asked.

load_corpus is asked for small files that its worker writes. The corpora known by name are not asked for: a
sandbox need not hold their files.
"""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from functools import partial
from typing import Any

import numpy as np

from ..case import Case, Mistake, refused
from ..mistakes import told
from .driving import refusal, with_file

LETTERS = "想要有直升机飞到宇宙去分开abcde"


def _text(rng: np.random.Generator, length: int) -> str:
    return "".join(rng.choice(list(LETTERS), size=length))


# load_corpus


def drive_load(s: Any, name: str, content: bytes, **options: Any) -> Any:
    """The text that load_corpus makes of a file."""
    return with_file(name, content, lambda path: s.load_corpus(path, **options))


def drive_load_zip(s: Any, name: str, text: str) -> Any:
    """The text that load_corpus makes of the only file in a zip."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("song.txt", text)
    return with_file(name, file.getvalue(), lambda path: s.load_corpus(path))


def _lines(rng: np.random.Generator) -> str:
    ends = rng.permutation(["\n", "\r\n", "\r", "\n\n", "\r\n\r\n"])
    return "".join(_text(rng, int(rng.integers(1, 6))) + end for end in ends)


def _one_line(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", " ")


of_corpus = partial(Case, function="load_corpus", lesson=1)
LINE_ENDS = of_corpus(
    name="every line end becomes one space",
    drive=drive_load,
    example={"name": "song.txt", "content": b"ab\ncd\r\nef\n"},
    draw=lambda rng: {"name": "song.txt", "content": _lines(rng).encode()},
    expect=lambda inputs: _one_line(inputs["content"].decode()),
    mistakes=(
        Mistake(
            "there are still line ends in your text: the corpus is to be one line",
            shows=lambda answer, expected, inputs: "\n" in answer or "\r" in answer,
        ),
        Mistake(
            "blanks at the ends are lost: a line end is a space at the end of the text, too",
            shows=lambda answer, expected, inputs: answer.split() == expected.split(),
        ),
    ),
)
MAX_CHARS = of_corpus(
    name="max_chars limits the characters, counted after line ends have become spaces",
    drive=drive_load,
    example={"name": "song.txt", "content": b"ab\r\ncd", "max_chars": 4},
    draw=lambda rng: {
        "name": "song.txt",
        "content": _lines(rng).encode(),
        "max_chars": int(rng.integers(2, 9)),
    },
    expect=lambda inputs: _one_line(inputs["content"].decode())[: inputs["max_chars"]],
    mistakes=(
        Mistake(
            "max_chars was counted before the line ends became spaces: cut last",
            shows=lambda answer, expected, inputs: (
                len(answer) < len(expected) and expected.startswith(answer)
            ),
        ),
    ),
)
ZIP = of_corpus(
    name="the text inside a zip is read like the text beside it",
    drive=drive_load_zip,
    example={"name": "song.zip", "text": "想要\n有"},
    draw=lambda rng: {"name": "song.txt.zip", "text": _lines(rng)},
    expect=lambda inputs: _one_line(inputs["text"]),
)

# Vocab


def drive_numbering(s: Any, text: str, **options: Any) -> Any:
    """The two tables of a vocabulary, and its length."""
    vocab = s.Vocab(text, **options)
    return {
        "idx_to_char": list(vocab.idx_to_char),
        "char_to_idx": {char: int(idx) for char, idx in vocab.char_to_idx.items()},
        "length": len(vocab),
    }


def drive_encode(s: Any, text: str, message: str) -> Any:
    """What stands in the vocabulary's own table at the indices of a message."""
    vocab = s.Vocab(text)
    return [vocab.idx_to_char[int(idx)] for idx in vocab.encode(message)]


def drive_decode(s: Any, text: str, message: str) -> Any:
    """What decode makes of the indices of a message in the vocabulary's own table."""
    vocab = s.Vocab(text)
    return vocab.decode([int(vocab.char_to_idx[char]) for char in message])


def drive_unk(s: Any, text: str, message: str, **options: Any) -> Any:
    """A message in indices."""
    return [int(idx) for idx in s.Vocab(text, **options).encode(message)]


def drive_unknown(s: Any, text: str, message: str) -> Any:
    """The error that a character from elsewhere causes."""
    vocab = s.Vocab(text)
    return refusal(lambda: vocab.encode(message))


def drive_bad_index(s: Any, text: str, indices: list[int]) -> Any:
    """The error that an index from elsewhere causes."""
    vocab = s.Vocab(text)
    return refusal(lambda: vocab.decode(indices))


def _rare(rng: np.random.Generator) -> dict:
    text = _text(rng, 60)
    return {"text": text, "min_freq": int(rng.integers(2, 5))}


def _with_message(rng: np.random.Generator) -> dict:
    text = _text(rng, int(rng.integers(15, 40)))
    return {"text": text, "message": "".join(rng.choice(list(text), size=8))}


def _bad_indices(rng: np.random.Generator) -> dict:
    text = _text(rng, 20)
    return {"text": text, "indices": [0, int(rng.choice([-1, -2, len(set(text)), len(set(text)) + 7]))]}


def _in_no_order(answer: Any, expected: Any, inputs: dict) -> bool:
    """The right characters, neither as they first appear nor by how often they do."""
    found, counts = answer["idx_to_char"], Counter(inputs["text"])
    by_count = [counts[char] for char in found]
    is_known = found == list(counts) or by_count in (sorted(by_count), sorted(by_count, reverse=True))
    return sorted(found) == expected["idx_to_char"] and not is_known


of_vocab = partial(Case, function="Vocab", lesson=1)
NUMBERING = of_vocab(
    name="the distinct characters are numbered in code point order",
    drive=drive_numbering,
    example={"text": "hello 想要"},
    draw=lambda rng: {"text": _text(rng, int(rng.integers(20, 60)))},
    mistakes=(
        Mistake(
            told("01_text_numbers_characters_as_a_set_lists_them"),
            shows=_in_no_order,
        ),
    ),
)
ENCODE = of_vocab(
    name="encode gives the index of every character",
    drive=drive_encode,
    example={"text": "hello", "message": "hole"},
    draw=_with_message,
    expect=lambda inputs: list(inputs["message"]),
    mistakes=(
        Mistake(
            "one index for every character, in the order of the text: yours are fewer or more",
            shows=lambda answer, expected, inputs: len(answer) != len(expected),
        ),
    ),
)
DECODE = of_vocab(
    name="decode gives the characters of indices, joined",
    drive=drive_decode,
    example={"text": "hello", "message": "hole"},
    draw=_with_message,
    expect=lambda inputs: inputs["message"],
    mistakes=(
        Mistake(
            "one str is expected: join the characters",
            shows=lambda answer, expected, inputs: isinstance(answer, list) and "".join(answer) == expected,
        ),
    ),
)
MIN_FREQ = of_vocab(
    name="characters rarer than min_freq are left out",
    drive=drive_numbering,
    example={"text": "aaabbc", "min_freq": 2},
    draw=_rare,
)
UNK = of_vocab(
    name="with unk=True index 0 is <unk> and stands for every unknown character",
    drive=drive_unk,
    example={"text": "hello", "min_freq": 2, "unk": True, "message": "hello!"},
    draw=lambda rng: {"text": _text(rng, 60), "min_freq": 3, "unk": True, "message": _text(rng, 8) + "!?"},
    mistakes=(
        Mistake(
            "an unknown character is left out: it becomes index 0, so that there is an index for every "
            "character",
            shows=lambda answer, expected, inputs: len(answer) < len(expected),
        ),
    ),
)
UNKNOWN = of_vocab(
    name="without unk an unknown character is a ValueError",
    drive=drive_unknown,
    example={"text": "hello", "message": "hello，"},
    draw=lambda rng: {"text": _text(rng, 40), "message": str(rng.choice(list("？！，xyz")))},
    check=refused("ValueError"),
    mistakes=(
        Mistake(
            "a KeyError names a key, not what went wrong: raise a ValueError that names the character",
            shows=lambda answer, expected, inputs: "KeyError" in answer,
        ),
    ),
)
BAD_INDEX = of_vocab(
    name="an index outside the vocabulary is an IndexError",
    drive=drive_bad_index,
    example={"text": "hello", "indices": [0, -1]},
    draw=_bad_indices,
    check=refused("IndexError"),
)

CASES = [LINE_ENDS, MAX_CHARS, ZIP, NUMBERING, ENCODE, DECODE, MIN_FREQ, UNK, UNKNOWN, BAD_INDEX]
