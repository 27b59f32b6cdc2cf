"""A .jsonl file: one JSON object per line, with a text in one of its fields."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from .sources import listed

SUFFIXES = (".jsonl", ".ndjson")


def read_records(pieces: Iterable[str], field: str | None) -> Iterator[tuple[int, str]]:
    """The number of each line that is not blank, from 1, and the text in the field of its object.

    Raises:
        ValueError: naming the line and what is wrong with it; or there is no field given. The message
            continues the name of the file.
    """
    for number, line in enumerate(_lines(pieces), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f", line {number}: not JSON ({error})") from None
        if not isinstance(record, dict):
            raise ValueError(
                f", line {number}: a {_kind(record)}, but an object with the text in a field is expected"
            )
        if field is None:
            raise ValueError(
                f"holds records: name the field of their texts, --field NAME, of {_names(record)}"
            )
        yield number, _text(record, field, number)


def _text(record: dict[str, Any], field: str, number: int) -> str:
    if field not in record:
        raise ValueError(f", line {number}: no field {field!r}, but {_names(record)}")
    text = record[field]
    if not isinstance(text, str):
        raise ValueError(f", line {number}: {field!r} is a {_kind(text)}, but a text is expected")
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError(f", line {number}: {field!r} holds a NUL or half of a character")
    return text


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    begun: list[str] = []
    for piece in pieces:
        *ended, rest = piece.split("\n")
        for line in ended:
            yield "".join([*begun, line])
            begun = []
        begun.append(rest)
    yield "".join(begun)


def _names(record: dict[str, Any]) -> str:
    return listed([repr(name) for name in record]) or "none"


def _kind(value: Any) -> str:
    return {"dict": "object", "list": "list", "str": "string", "NoneType": "null", "bool": "bool"}.get(
        type(value).__name__, "number"
    )
