"""What commands say, in the language of their user: English, as the code has it, or Chinese.

The code writes English and nothing else. Where a command speaks, the finished line is looked up in
messages_zh.txt, which has a template of each line and, below it, its Chinese:

    {flag} {value}: give one of {choices}
    = {flag} {value}：请从 {choices} 中选一个

A field stands for what the code has filled in, and comes out as it is. One that is a message itself is
written {reason:zh} in the Chinese, and looked up in its turn. A line that is not there stays English.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path
from string import Formatter
from typing import NamedTuple

TABLE = Path(__file__).with_name("messages_zh.txt")
MOST_CHARS = 2_000  # a longer line was not written by us alone, and is not looked up
MOST_WAYS = 50  # to read a line as an entry


# --- which language ---


def speaks_chinese() -> bool:
    """Whether the environment asks for Chinese, as gettext reads it, and our output can show it.

    The locale is the first of LC_ALL, LC_MESSAGES and LANG that is set. Unless that is C or POSIX, the
    languages in LANGUAGE come before it.
    """
    locale = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    languages = [] if locale in ("C", "POSIX") else os.environ.get("LANGUAGE", "").split(":")
    known = [name for name in [*languages, locale] if re.match("(zh|en)(?![a-z])", name)]
    return bool(known) and known[0].startswith("zh") and _shows("困惑度")


def _shows(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


# --- what a line is in Chinese ---


class Entry(NamedTuple):
    """An entry of the table: the English before, between and after its fields, their names, the Chinese."""

    pieces: tuple[str, ...]
    fields: tuple[str, ...]
    chinese: str

    @property
    def messages(self) -> set[str]:
        """The fields that are messages themselves."""
        return {name for _, name, spec, _ in Formatter().parse(self.chinese) if name and spec == "zh"}

    @property
    def has_words(self) -> bool:
        """Whether there is more between the fields than marks."""
        return any(char.isalpha() for char in "".join(self.pieces))


class _Value(str):
    """The text of a field; in the format zh, what it is in Chinese."""

    def __format__(self, spec: str) -> str:
        return (_chinese(self) or str(self)) if spec == "zh" else str(self)


@cache
def table() -> tuple[Entry, ...]:
    """The entries of messages_zh.txt, those with most words first."""
    entries = []
    lines = TABLE.read_text("utf-8").splitlines()
    for english, chinese in itertools.pairwise(lines):
        if chinese.startswith("= "):
            entries.append(Entry(*split_template(english), chinese[2:]))
    return tuple(sorted(entries, key=lambda entry: -sum(map(len, entry.pieces))))


def split_template(template: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What stands before, between and after the fields of a template for str.format, and their names."""
    pieces, fields = [""], []
    for text, field, _, _ in Formatter().parse(template):
        pieces[-1] += text
        if field is not None:
            fields.append(field)
            pieces.append("")
    return tuple(pieces), tuple(fields)


def translated(line: str) -> str:
    """A line as the user gets it: in Chinese if that is wanted and the table has it."""
    return (_chinese(line) or line) if speaks_chinese() else line


def _chinese(line: str) -> str | None:
    """By the entry with most words of the line, if its parts are known, too; if there is none, by any."""
    return _by_entry(line, whole=True) or _by_entry(line, whole=False)


@lru_cache(maxsize=1000)
def _by_entry(line: str, *, whole: bool) -> str | None:
    for entry in table() if len(line) < MOST_CHARS else ():
        for values in itertools.islice(_ways(entry.pieces, line), MOST_WAYS):
            parts = dict(zip(entry.fields, values))
            if all(_is_known(parts[name]) for name in entry.messages) if whole else entry.has_words:
                return entry.chinese.format(**{name: _Value(value) for name, value in parts.items()})
    return None


def _is_known(part: str) -> bool:
    """Whether a part of a line has an entry, or needs none: a single word may be a name."""
    return " " not in part or _by_entry(part, whole=True) is not None


def _ways(pieces: Sequence[str], line: str) -> Iterator[list[str]]:
    """What may stand between these pieces, in order, if they and it make the line."""
    first, *rest = pieces
    if line.startswith(first) and all(piece in line for piece in rest):
        line = line[len(first) :]
        if rest:
            yield from _before(rest, line)
        elif not line:
            yield []


def _before(pieces: Sequence[str], line: str) -> Iterator[list[str]]:
    """What may stand before each of these pieces; the last one ends the line."""
    piece, *rest = pieces
    if not rest:
        if line.endswith(piece):
            yield [line[: len(line) - len(piece)]]
        return
    at = line.find(piece)
    while at >= 0:
        for values in _before(rest, line[at + len(piece) :]):
            yield [line[:at], *values]
        at = line.find(piece, at + 1)


# --- lines as wide as a terminal ---

WIDE = (
    "\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6"
)
# a word, or one wide character; with what must not stand apart from it: a mark that opens or closes
UNIT = re.compile(rf" +|[（《“‘「]*(?:[{WIDE}]|[^ {WIDE}]+)[，。、；：！？）》”’」…]*")


def width(text: str) -> int:
    """The columns that text takes: a Chinese character has two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def fill(text: str, columns: int, indent: str = "", hanging: str = "") -> str:
    """text in lines of so many columns; Chinese, which has no blanks, is broken between characters.

    indent: begins the first line, hanging: all others.
    """
    lines, line = [], indent
    for unit in UNIT.findall(" ".join(text.split())):
        if width(line + unit) > columns and line.strip():
            lines.append(line.rstrip())
            line = hanging
        if unit.strip() or line.strip():
            line += unit
    return "\n".join([*lines, line])
