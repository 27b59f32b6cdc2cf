"""What was handed in: files, notebooks, folders and zips become named texts, or a line that says why not.

Nothing is extracted, executed or compiled here. Names and bytes come from strangers: sizes are
bounded while reading, links are not followed, and a name is cleaned before it becomes that of a file.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tokenize
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from .. import LESSON_OF
from ..cli import one_line
from ..corpora import Unreadable, check_length
from .archives import MAX_OF_STUDENT, MAX_TOTAL, Budget, Entry, entries_of, in_zip
from .platforms import JUNK, MAX_FILES_OF_STUDENT, NOBODY, Pile, Student, piles_of, plain_piles, stem

MAX_CODE_BYTES = 2**20  # of the code in a file: a notebook may hold pictures beside it
MAX_CELLS = 2_000  # of a notebook, with code
MAX_ARCHIVES = 10  # of one student
MAX_CANDIDATES = 50  # files of one student that are looked at
MAX_NAME_BYTES = 120  # of the file that is called as a student: most systems allow 255, with what is added
ENCODINGS = ("utf-8", "utf-8-sig", "ascii", "iso-8859-1", "cp1252", "gbk", "gb2312", "gb18030", "big5")
SUFFIXES = (".py", ".ipynb")
OTHER_KINDS = {
    b"%PDF": "a PDF", b"PK\x03\x04": "a zip archive or an office document", b"{\\rtf": "an RTF document",
    b"\xd0\xcf\x11\xe0": "an office document", b"\x89PNG": "a picture", b"\xff\xd8\xff": "a picture",
    b"Rar!": "a RAR archive", b"7z\xbc\xaf": "a 7z archive", b"\x1f\x8b": "a gzip archive",
    b"<!DOCTYPE": "a web page", b"<html": "a web page", b"\x7fELF": "a program",
}  # fmt: skip
OUR_NAMES = ("submission.py", "exercises.ipynb")  # what `assignment new` writes
TAG = "submission"
_FUTURE = re.compile(r"^from __future__ import [\w, ]+$", re.M)


class Cell(NamedTuple):
    """A piece of a submission: a code cell of a notebook, counted from 1, or all of a .py, numbered 0."""

    number: int
    text: str


@dataclass(frozen=True)
class Submission:
    """What one student handed in. Where problem is not empty, there is nothing to grade."""

    name: str  # of the student, fit for a file; student.name is as it was
    file: str = ""  # the file that is graded
    cells: tuple[Cell, ...] = ()
    problem: str = ""
    note: str = ""
    attempt: int = 1  # of this student
    student: Student = NOBODY
    submitted: str = ""  # when, in ISO 8601, where the export says it
    late: bool = False  # as the platform says

    @property
    def source(self) -> str:
        """The cells as one text; the imports from __future__ stand before everything, as Python wants it."""
        return "".join(text for _, text in self._parts())

    @property
    def digest(self) -> str:
        """The same for the same text and the same problem, whatever the names."""
        return hashlib.sha256(f"{self.source}\0{self.problem}".encode()).hexdigest()

    @property
    def defined(self) -> set[str]:
        """The names of the course that its text defines, as far as that is seen without running it."""
        found = re.findall(r"^(?:def|class) (\w+)|^([\w, ]+?)(?:: .+?)? = ", self.source, re.M)
        return {name for pair in found for name in re.findall(r"\w+", " ".join(pair))} & LESSON_OF.keys()

    def place(self, line: int) -> str:
        """Where a line of `source` stands: "line 3", or "code cell 2, line 3"."""
        *before, (number, _) = self._parts()
        for part, text in before:
            if line <= text.count("\n"):
                number = part
                break
            line -= text.count("\n")
        return f"code cell {number}, line {line}" if number else f"line {line}"

    def _parts(self) -> list[tuple[int, str]]:
        if len(self.cells) == 1 and self.cells[0].number == 0:
            return [(0, self.cells[0].text.rstrip("\n") + "\n")]
        future = sorted({found for cell in self.cells for found in _FUTURE.findall(cell.text)})
        parts = [(0, line + "\n") for line in future]
        return parts + [(number, _FUTURE.sub("", text).rstrip("\n") + "\n") for number, text in self.cells]


def read_submissions(
    paths: Iterable[str | os.PathLike[str]],
    *,
    single: bool = False,
    every: bool = False,
    encoding: str | None = None,
    say: Callable[[str], object] = lambda line: None,
) -> list[Submission]:
    """The submissions in files (.py, .ipynb), folders and .zip archives, in the order of their names.

    A file is a submission. So is every file and every folder in a folder or an archive, but for one that
    holds a submission.py or an exercises.ipynb itself: that is one student's. Exports of learning platforms
    are sorted out as platforms says. Of several files of a student the one with the most written functions
    is taken, and of several attempts the last.

    single: every path is one student's, whatever it holds. every: all attempts are taken. encoding, say: of
    names in archives, as archives.entries_of takes them.

    Raises:
        FileNotFoundError: there is no such path.
    """
    budget = Budget(MAX_TOTAL, "the class")
    found: dict[tuple[str, ...], list[Submission]] = {}
    for i, path in enumerate(map(Path, paths)):
        if not path.exists():
            raise FileNotFoundError(
                f"{path} does not exist: give .py or .ipynb files, folders or .zip archives"
            )
        try:
            entries = list(entries_of(path, encoding, say))
        except Unreadable as error:
            student, problem = Student(stem(path.name)), f"{one_line(path.name)} {error}"
            found[str(i), ""] = [Submission("", path.name, problem=problem, student=student)]
            continue
        for pile in _piles(path, entries, single, budget):
            name, id_, _ = pile.student
            found.setdefault(("id", id_, name) if id_ else (str(i), name), []).append(_choose(pile, budget))
    return _named([_attempts(submissions, every) for submissions in found.values()])


def _attempts(submissions: list[Submission], every: bool) -> list[Submission]:
    """The attempts of one student in the order in which they were handed in, with numbers; or the last."""
    ordered = sorted(submissions, key=lambda submission: (submission.submitted, submission.attempt))
    counted = [replace(s, attempt=max(s.attempt, number)) for number, s in enumerate(ordered, 1)]
    return counted if every else counted[-1:]


def _clean(name: str) -> str:
    """name as one that a file can have on any system."""
    text = "".join(c if _is_plain(c) else "\0" for c in unicodedata.normalize("NFC", name))
    return _cut(re.sub("\0+", "_", text).strip("._-"), MAX_NAME_BYTES).strip("._-") or "unnamed"


def _is_plain(character: str) -> bool:
    return bool(re.match(r"[\w.-]", character)) or unicodedata.category(character) == "So"


def _cut(text: str, num_bytes: int) -> str:
    return text.encode(errors="replace")[:num_bytes].decode(errors="ignore")


def _named(students: Iterable[list[Submission]]) -> list[Submission]:
    """In an order, and under names, that do not depend on the order in which they were found."""
    taken: set[str] = set()
    result = []
    for submissions in sorted(students, key=_order):
        first = submissions[0].student
        wanted = name = _clean(first.name)
        count = 1
        if name.casefold() in taken and first.id:
            name = f"{wanted}-{_clean(first.id)}"
        while name.casefold() in taken:
            count += 1
            name = f"{wanted}-{count}"
        taken.add(name.casefold())
        note = f"another submission is called {wanted}, too" if name != wanted else ""
        result += [replace(s, name=name, note=_joined(s.note, note)) for s in submissions]
    return sorted(result, key=lambda s: (s.name, s.attempt))


def _order(submissions: Sequence[Submission]) -> tuple[str, ...]:
    first = submissions[0]
    return _clean(first.student.name), first.student.id, first.file, first.digest


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def _piles(path: Path, entries: list[Entry], single: bool, budget: Budget) -> list[Pile]:
    """The files of a path, sorted out by student. What operating systems leave lying about is nobody's."""
    own = stem(path.name) if path.is_file() else path.resolve().name
    entries = [entry for entry in entries if not JUNK.search(str(entry.path))]
    if not single and (found := piles_of(entries, own, budget)):
        return found
    if path.suffix.lower() == ".zip" and len({entry.path.parts[0] for entry in entries}) == 1:
        entries = [entry._replace(path=_below_top(entry.path)) for entry in entries]
    if single or not entries or any(str(entry.path) in OUR_NAMES for entry in entries):
        if path.name in OUR_NAMES:  # alice/submission.py: the name is that of the folder
            own = path.resolve().parent.name
        pile = Pile(Student(own))
        for entry in entries:
            pile.add(entry.path, entry)
        return [pile]
    return plain_piles(entries)


def _below_top(path: PurePosixPath) -> PurePosixPath:
    return PurePosixPath(*path.parts[1:]) if len(path.parts) > 1 else path


# --- from files to the text of a student ----------------------------------------------------------


def _choose(pile: Pile, budget: Budget) -> Submission:
    """What is graded of a student's files. Whatever they hold, it is this student's problem alone."""
    submission = Submission(
        "",
        student=pile.student,
        submitted=pile.submitted,
        late=pile.late,
        attempt=pile.attempt,
        note=pile.note,
    )
    own = Budget(MAX_OF_STUDENT, "the submission", budget)
    try:
        if pile.num_files > MAX_FILES_OF_STUDENT:
            raise Unreadable(_too_many(pile.num_files))
        files, others = _candidates(pile, own)
        return _best(submission, files, others, own)
    except Unreadable as error:
        return replace(submission, problem=str(error))
    except Exception as error:  # what nobody has thought of must not take the grades of the others
        return replace(submission, problem=f"cannot be read: {one_line(type(error).__name__)}")


def _too_many(count: int) -> str:
    return f"holds {count:,} files: hand in what is graded, at most {MAX_FILES_OF_STUDENT:,} files"


def _candidates(pile: Pile, budget: Budget) -> tuple[list[Entry], list[Entry]]:
    """The files that may be graded, the likeliest first, and the others."""
    entries, num_archives = list[Entry](), 0
    for entry in pile.files:
        if entry.path.suffix.lower() == ".zip":
            num_archives += 1
            if num_archives > MAX_ARCHIVES:
                raise Unreadable(f"holds more than {MAX_ARCHIVES} archives: hand in the files themselves")
            entries += _unpacked(entry, budget)
        else:
            entries.append(entry)
    if len(entries) > MAX_FILES_OF_STUDENT:
        raise Unreadable(_too_many(len(entries)))
    files = sorted(
        (entry for entry in entries if entry.path.suffix.lower() in SUFFIXES),
        key=lambda entry: (
            len(entry.path.parts),
            [entry.path.name != ours for ours in OUR_NAMES],
            entry.path,
        ),
    )
    return files, entries


def _best(submission: Submission, files: list[Entry], others: list[Entry], budget: Budget) -> Submission:
    """Of the files of a student, the one with the most written functions."""
    if not files:
        named = ", ".join(one_line(str(entry.path), 60) for entry in others[:3])
        raise Unreadable(f"no .py and no .ipynb (but {named})" if named else "no .py and no .ipynb in it")
    readable: list[Submission] = []
    problems: list[str] = []
    for entry in files[:MAX_CANDIDATES]:
        file = one_line(str(entry.path))
        try:
            cells = _cells(entry.path, entry.read(budget))
            readable.append(replace(submission, file=file, cells=cells))
        except Unreadable as error:
            problems.append(f"{file} {error}")
    if not readable:
        return replace(submission, file=one_line(str(files[0].path)), problem=problems[0])
    best = max(readable, key=_num_written)  # the first of several
    taken = f"{best.file} was taken, of {len(files)} files" if len(files) > 1 else ""
    return replace(best, note=_joined(submission.note, taken, *problems[:3]))


def _unpacked(entry: Entry, budget: Budget) -> list[Entry]:
    """The files of a student who handed in an archive."""
    try:
        inner = list(in_zip(io.BytesIO(entry.read(budget))))
    except Unreadable as error:
        raise Unreadable(f"{one_line(entry.path.name)} {error}") from None
    return [file for file in inner if not JUNK.search(str(file.path))]


def _num_written(submission: Submission) -> int:
    """How many of the course's functions are there, apart from those left as `assignment new` wrote them."""
    return len(
        submission.defined - set(re.findall(r'NotImplementedError\("(\w+): lesson', submission.source))
    )


def _cells(path: PurePosixPath, data: bytes) -> tuple[Cell, ...]:
    if not data.strip():
        raise Unreadable("is empty")
    _check_kind(data)
    is_notebook = path.suffix.lower() == ".ipynb" or _is_notebook(data)
    cells = _notebook_cells(data) if is_notebook else (Cell(0, _python_text(data)),)
    check_length(sum(len(cell.text.encode(errors="replace")) for cell in cells), MAX_CODE_BYTES)
    return cells


def _is_notebook(data: bytes) -> bool:
    """Whether this is a notebook, whatever it is called."""
    return bool(re.match(rb'\s*\{\s*"(cells|metadata|nbformat)', data))


def _check_kind(data: bytes) -> None:
    """Refuse what is not text, and say what it is."""
    for begin, kind in OTHER_KINDS.items():
        if data.startswith(begin):
            raise Unreadable(f"is {kind}, whatever its name says: hand in the .py or .ipynb itself")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Unreadable("is text in UTF-16: save it as UTF-8")


def _python_text(data: bytes) -> str:
    lines = io.BytesIO(data.replace(b"\0", b" "))  # a NUL is no matter of the encoding, but to Python 3.14
    try:
        encoding, _ = tokenize.detect_encoding(lines.readline)
        if encoding not in ENCODINGS:
            raise Unreadable(f"says that it is written in {one_line(encoding, 30)}: save it as UTF-8")
        text = data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        if "unknown encoding" in str(error):
            raise Unreadable("names an encoding that Python does not know: save it as UTF-8") from None
        if re.search(rb"[\x00-\x08\x0e-\x1a]", data):
            raise Unreadable("is not text") from None
        raise Unreadable("is not UTF-8 text: save it as UTF-8") from None
    if "\0" in text:
        raise Unreadable("is not text: it holds NUL characters")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _notebook_cells(data: bytes) -> tuple[Cell, ...]:
    """The code cells that are tagged, or all if none is."""
    try:
        notebook = json.loads(data)
    except (ValueError, RecursionError):
        raise Unreadable("is not a notebook: it is not JSON") from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise Unreadable("is not a notebook of format 4: it has no cells")
    codes = [cell for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == "code"]
    numbered = list(enumerate(codes, 1))
    chosen = [(number, cell) for number, cell in numbered if TAG in _tags(cell)] or numbered
    texts = [Cell(number, _text(cell.get("source"))) for number, cell in chosen]
    texts = [cell for cell in texts if cell.text.strip()]
    if not texts:
        raise Unreadable("is a notebook without code cells")
    if len(texts) > MAX_CELLS:
        raise Unreadable(f"has {len(texts):,} code cells: hand in at most {MAX_CELLS:,}")
    return tuple(texts)


def _tags(cell: dict[str, Any]) -> list[Any]:
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return tags if isinstance(tags, list) else []


def _text(source: Any) -> str:
    lines = source if isinstance(source, list) else [source]
    text = "".join(line for line in lines if isinstance(line, str)).replace("\0", "")
    return text.encode(errors="replace").decode().replace("\r\n", "\n").replace("\r", "\n")
