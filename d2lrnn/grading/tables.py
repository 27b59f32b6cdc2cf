"""Tables in .csv files, from and for spreadsheets: with commas, semicolons or tabs; in UTF-8, UTF-16, GBK."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..cli import one_line

ENCODINGS = ("utf-8-sig", "gb18030")
SEPARATORS = ",;\t"


def cell(text: str) -> str:
    """text as a cell that no spreadsheet takes for a formula, whatever it separates cells by."""
    return re.sub(rf"(^|[{SEPARATORS}|])(\s*)(?=[=+\-@＝＋－＠])", r"\1\2'", text)


def table(header: Sequence[str], rows: Iterable[Sequence[str | float]]) -> str:
    """A .csv file with commas. Texts are made safe, numbers rounded."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([cell(name) for name in header])
    writer.writerows([[cell(one) if isinstance(one, str) else number(one) for one in row] for row in rows])
    return out.getvalue()


def number(value: float) -> str:
    """A score without needless digits."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def read_table(path: Path, wanted: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """The rows of a .csv file under our names of the columns: wanted has, for each, those that it may have.

    A column that is not there is "" in all rows. Rows that are empty are left out.

    Raises:
        ValueError: it is no text, or has none of the columns.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    is_wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encodings = ("utf-16",) if is_wide else ENCODINGS
    text = next(filter(None, (_decoded(data, encoding) for encoding in encodings)), "")
    text = re.sub(r'\A"?sep=."?\s*\n', "", text)  # which is for Excel
    first = text.partition("\n")[0]
    lines = csv.reader(io.StringIO(text), delimiter=max(SEPARATORS, key=first.count))
    try:
        header, *rows = lines
    except (ValueError, csv.Error):  # no line at all, or NULs
        raise ValueError(f"{path}: not a table: save it as .csv, in UTF-8") from None
    known = {spelling: name for name, spellings in wanted.items() for spelling in (name, *spellings)}
    names = [known.get(title.strip().casefold()) for title in header]
    if not any(names):
        found = one_line(first.strip(), 80)
        raise ValueError(f"{path}: its first line, {found}, names none of {', '.join(wanted)}")
    blank = dict.fromkeys(wanted, "")
    result = []
    for row in rows:
        said: dict[str, str] = {}
        for name, value in zip(names, row):
            if name and value.strip():  # of two columns with one meaning, the first that is filled in
                said.setdefault(name, value.strip().removeprefix("'"))
        if said:
            result.append(blank | said)
    return result


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return ""
