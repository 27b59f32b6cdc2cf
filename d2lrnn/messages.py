"""What commands say, in the language of their user: English, as the code has it, or Chinese.

The code writes English and nothing else. Where a command speaks, the finished line is looked up in
messages_zh.txt, which has a template of each line and, below it, its Chinese:

    {flag} {value}: give one of {choices}
    = {flag} {value}：请从 {choices} 中选一个

A field stands for what the code has filled in, and comes out as it is. One that is a message itself is
written {reason:zh} in the Chinese, and looked up in its turn. In the English {epoch:d} is a number and
{name:w} a word without blanks: where little else is said, other lines would match. A line that is not there
stays English.
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
MOST_CHARS = 1000  # a longer line was not written by us alone, and is not looked up
MOST_WAYS = 30  # to read a line by one entry
MOST_DEEP = 6  # messages within messages
KINDS = {"d": r"\d[\d.,]*", "w": r"\S+ *"}  # what a field of a kind may hold; one without a kind, anything


# --- which language ---


def speaks_chinese() -> bool:
    """Whether the environment asks for Chinese, as gettext reads it, and our output can show it.

    The locale is the first of LC_ALL, LC_MESSAGES and LANG that is set. Unless that is C or POSIX, the
    languages in LANGUAGE come before it.
    """
    locale = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    languages = [] if locale in ("C", "POSIX") else os.environ.get("LANGUAGE", "").split(":")
    known = [name for name in [*languages, locale] if re.match("(zh|en)(?![a-z])", name)]
    return bool(known) and known[0].startswith("zh") and _shows("训练")


def _shows(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


# --- what a line is in Chinese ---


class Entry:
    """An entry of the table, of English and Chinese templates. No dataclass: these take time to load.

    pieces: the English before, between and after its fields. kinds: of the fields, keys of KINDS. messages:
    the fields that are messages themselves. has_words: whether there is more between the fields than marks,
    which only join other messages. size: its characters without blanks. longest: its longest piece, which
    most lines do not have.
    """

    def __init__(self, english: str, chinese: str) -> None:
        self.chinese = chinese
        self.pieces, self.fields, self.kinds = split_template(english)
        self.messages = {name for _, name, spec, _ in Formatter().parse(chinese) if name and spec == "zh"}
        self.has_words = not self.fields or any(map(str.isalpha, "".join(self.pieces)))
        self.size = len("".join("".join(self.pieces).split()))
        self.longest = max(self.pieces, key=len)


class Reading(NamedTuple):
    """A line in Chinese, and how many of its characters, blanks aside, the table knew."""

    known: int
    chinese: str


@cache
def table() -> list[Entry]:
    """The entries of messages_zh.txt."""
    lines = TABLE.read_text("utf-8").splitlines()
    pairs = [(english, line[2:]) for english, line in itertools.pairwise(lines) if line.startswith("= ")]
    return [Entry(english, chinese) for english, chinese in pairs]


def split_template(template: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """What stands around the fields of a template for str.format; their names and kinds."""
    pieces, fields, kinds = [""], [], []
    for text, field, kind, _ in Formatter().parse(template):
        pieces[-1] += text
        if field is not None:
            fields.append(field)
            kinds.append(kind or "")
            pieces.append("")
    return tuple(pieces), tuple(fields), tuple(kinds)


def translated(line: str) -> str:
    """A line as the user gets it: in Chinese if that is wanted and the table has it."""
    reading = _read(line) if speaks_chinese() else None
    return reading.chinese if reading else line


@lru_cache(maxsize=100_000)
def _read(line: str, depth: int = 0) -> Reading | None:
    """A line by the entries that know most of it; None if there are none. depth: of messages around it."""
    if len(line) > MOST_CHARS or depth == MOST_DEEP:
        return None
    readings = [
        _read_by(entry, dict(zip(entry.fields, parts)), depth + 1)
        for entry in table()
        if entry.longest in line
        for parts in itertools.islice(_ways(entry.pieces, line), MOST_WAYS)
        if all(re.fullmatch(KINDS[kind], part) for kind, part in zip(entry.kinds, parts) if kind)
    ]
    return max(filter(None, readings), key=lambda reading: reading.known, default=None)


def _read_by(entry: Entry, parts: dict[str, str], depth: int) -> Reading | None:
    """By an entry and these parts; marks alone join only what is known, or a word, which may be a name."""
    readings = {name: _read(parts[name], depth) for name in entry.messages}
    known = {name: reading for name, reading in readings.items() if reading}
    if not entry.has_words and (not known or any(" " in parts[name] for name in readings.keys() - known)):
        return None
    chinese = {
        name: _Field(part, known[name].chinese if name in known else part) for name, part in parts.items()
    }
    num_known = entry.size + sum(reading.known for reading in known.values())
    return Reading(num_known, entry.chinese.format(**chinese))


class _Field(NamedTuple):
    """What a field holds; in the format zh, its Chinese."""

    part: str
    chinese: str

    def __format__(self, spec: str) -> str:
        return self.chinese if spec == "zh" else self.part


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
    """How many columns of a terminal text takes: wide characters two, marks above others none."""
    return sum(
        0
        if unicodedata.category(char) in ("Mn", "Me", "Cf")
        else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def fill(text: str, columns: int, indent: str = "", hanging: str = "") -> str:
    """text in lines of at most `columns` columns; Chinese, which has no blanks, is broken between characters.

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
