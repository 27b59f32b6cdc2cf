"""What was handed in: files, notebooks, folders and zips become named texts, or a line that says why not.

Nothing is extracted, executed or compiled here. Names and bytes come from people whom nobody knows: sizes are
bounded while reading, links are not followed, and a name is cleaned before it becomes that of a file.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import stat
import tokenize
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from .. import LESSON_OF
from ..cli import one_line
from ..corpora import DAMAGED, Unreadable, check_length, check_member

MAX_BYTES = 10 * 2**20  # of one file
MAX_TOTAL = 2**30  # of all that is read from one argument
MAX_FILES = 20_000  # of one argument
MAX_CANDIDATES = 50  # files of one student that are looked at
ENCODINGS = ("utf-8", "utf-8-sig", "ascii", "iso-8859-1", "cp1252", "gbk", "gb2312", "gb18030", "big5")
SUFFIXES = (".py", ".ipynb")
OUR_NAMES = ("submission.py", "exercises.ipynb")  # what `assignment new` writes
TAG = "submission"
_JUNK = re.compile(r"(^|/)(\.|__MACOSX/|__pycache__/|Thumbs\.db$|desktop\.ini$)")
_MAGIC = re.compile(r"^(\s*)(?:[%!]{1,2}\w.*|\?*[\w.]+\?+\s*)$")  # %matplotlib inline, !pip install, nd.dot?
_FUTURE = re.compile(r"^from __future__ import [\w, ]+$", re.M)


class Cell(NamedTuple):
    """A piece of a submission: a code cell of a notebook, counted from 1, or all of a .py, numbered 0."""

    number: int
    text: str


@dataclass(frozen=True)
class Submission:
    """What one student handed in. Where problem is not empty, there is nothing to grade."""

    name: str  # of the student, as far as names of files tell
    file: str = ""  # the file that is graded
    cells: tuple[Cell, ...] = ()
    problem: str = ""
    note: str = ""

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
        found = re.findall(r"^(?:def|class) (\w+)|^(\w+) = ", self.source, re.M)
        return {name or other for name, other in found} & LESSON_OF.keys()

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


class _Entry(NamedTuple):
    """A file in a folder or in an archive. read() raises Unreadable."""

    path: PurePosixPath
    read: Callable[[], bytes]


def read_submissions(paths: Iterable[str | os.PathLike[str]], *, single: bool = False) -> list[Submission]:
    """The submissions in files (.py, .ipynb), folders and .zip archives, in the order of their names.

    A file is a submission. So is every file and every folder in a folder or an archive, but for one that
    holds a submission.py or an exercises.ipynb itself: that is one student's. single: every path is one
    student's, whatever it holds. Of several files of a student the one with the most written functions is
    taken.

    Raises:
        FileNotFoundError: there is no such path.
    """
    found: list[Submission] = []
    for path in map(Path, paths):
        if not path.exists():
            raise FileNotFoundError(
                f"{path} does not exist: give .py or .ipynb files, folders or .zip archives"
            )
        try:
            entries = list(_entries(path))
        except Unreadable as error:
            found.append(Submission(_clean(_stem(path)), path.name, problem=f"{one_line(path.name)} {error}"))
            continue
        found += [_choose(name, files) for name, files in _by_student(path, entries, single).items()]
    return _with_unique_names(found)


def _stem(path: PurePosixPath | Path) -> str:
    """A file's name without its last suffix: "..." of "....py", on every Python."""
    return re.sub(r"(?<=.)\.\w+$", "", path.name)


def _clean(name: str) -> str:
    """name as one that a file can have on any system."""
    return re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", name)).strip("._-")[:80] or "unnamed"


def _with_unique_names(submissions: list[Submission]) -> list[Submission]:
    """In an order, and under names, that do not depend on the order in which they were found."""
    taken: set[str] = set()
    result = []
    for submission in sorted(submissions, key=lambda s: (s.name, s.file, s.digest)):
        name, count = submission.name, 1
        while name.casefold() in taken:
            count += 1
            name = f"{submission.name}-{count}"
        taken.add(name.casefold())
        if name != submission.name:
            note = f"another submission is called {submission.name}, too"
            submission = replace(submission, name=name, note="; ".join(filter(None, [submission.note, note])))
        result.append(submission)
    return sorted(result, key=lambda s: s.name)


# --- from paths to the files of a student ---------------------------------------------------------


def _entries(path: Path) -> Iterator[_Entry]:
    if path.is_dir():
        return _in_folder(path)
    if path.suffix.lower() == ".zip":
        return _in_zip(path, [MAX_TOTAL])
    return iter([_Entry(PurePosixPath(path.name), lambda: _read_file(path, follow=True))])


def _in_folder(folder: Path) -> Iterator[_Entry]:
    count = 0
    for here, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files) + [name for name in folders if os.path.islink(Path(here, name))]:
            count += 1
            if count > MAX_FILES:
                raise Unreadable(f"holds more than {MAX_FILES:,} files")
            path = Path(here) / name
            relative = PurePosixPath(path.relative_to(folder).as_posix())
            yield _Entry(relative, lambda path=path: _read_file(path, follow=False))  # type: ignore[misc]


def _read_file(path: Path, *, follow: bool) -> bytes:
    try:
        if path.is_symlink() and not follow:
            raise Unreadable("is a link: hand in the file itself")
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise Unreadable("is not a regular file")
        check_length(found.st_size, MAX_BYTES)
        with path.open("rb") as file:
            return file.read(MAX_BYTES)
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from None


def _in_zip(file: Path | IO[bytes], left: list[int]) -> Iterator[_Entry]:
    """left: how many bytes may still be read, in a list, for it is shared with the archives inside."""
    try:
        archive = zipfile.ZipFile(file)
    except (*DAMAGED, ValueError):
        raise Unreadable("is not a zip archive, or is damaged") from None
    members = [info for info in archive.infolist() if not info.is_dir()]
    if len(members) > MAX_FILES:
        raise Unreadable(f"holds more than {MAX_FILES:,} files")
    seen: set[str] = set()
    for info in members:
        twice = info.filename in seen
        seen.add(info.filename)
        path = PurePosixPath(info.filename.replace("\\", "/").lstrip("/"))
        yield _Entry(
            PurePosixPath(*[part for part in path.parts if part != ".."] or ["unnamed"]),
            lambda info=info, twice=twice: _read_member(archive, info, left, twice=twice),  # type: ignore[misc]
        )


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, left: list[int], *, twice: bool) -> bytes:
    if twice:
        raise Unreadable("is in the archive twice")
    check_member(info, MAX_BYTES)
    if left[0] <= 0:
        raise Unreadable(f"comes after {MAX_TOTAL // 2**20} MB: the archive holds more than is read")
    try:
        with archive.open(info) as member:
            data = member.read()  # zipfile reads no more than the size that the archive claims
    except (*DAMAGED, ValueError):
        raise Unreadable("is damaged in the archive") from None
    left[0] -= len(data)
    return data


def _by_student(path: Path, entries: Sequence[_Entry], single: bool) -> dict[str, list[_Entry]]:
    """Student -> files. What operating systems and editors leave lying about is nobody's."""
    own = _stem(path) if path.is_file() else path.resolve().name
    entries = [entry for entry in entries if not _JUNK.search(str(entry.path))]
    if path.suffix.lower() == ".zip" and len({entry.path.parts[0] for entry in entries}) == 1:
        entries = [entry._replace(path=_below_top(entry.path)) for entry in entries]
    if single or not entries or any(str(entry.path) in OUR_NAMES for entry in entries):
        if path.name in OUR_NAMES:  # alice/submission.py: the name is that of the folder
            own = path.resolve().parent.name
        return {_clean(own): list(entries)}
    students: dict[str, list[_Entry]] = {}
    for entry in entries:
        own = entry.path.parts[0] if len(entry.path.parts) > 1 else _stem(entry.path)
        students.setdefault(_clean(own), []).append(entry)
    return students


def _below_top(path: PurePosixPath) -> PurePosixPath:
    return PurePosixPath(*path.parts[1:]) if len(path.parts) > 1 else path


# --- from files to the text of a student ----------------------------------------------------------


def _choose(name: str, entries: list[_Entry]) -> Submission:
    """Of the files of a student, the one with the most written functions."""
    try:
        entries = [inner for entry in entries for inner in _unpacked(entry)]
    except Unreadable as error:
        return Submission(name, problem=str(error))
    files = sorted(
        (entry for entry in entries if entry.path.suffix.lower() in SUFFIXES),
        key=lambda entry: (
            len(entry.path.parts),
            [entry.path.name != ours for ours in OUR_NAMES],
            entry.path,
        ),
    )
    if not files:
        others = ", ".join(one_line(str(entry.path), 60) for entry in entries[:3])
        problem = f"no .py and no .ipynb (but {others})" if others else "no .py and no .ipynb in it"
        return Submission(name, problem=problem)
    readable: list[Submission] = []
    problems: list[str] = []
    for entry in files[:MAX_CANDIDATES]:
        file = one_line(str(entry.path))
        try:
            readable.append(Submission(name, file, _cells(entry.path, entry.read())))
        except Unreadable as error:
            problems.append(f"{file} {error}")
    if not readable:
        return Submission(name, one_line(str(files[0].path)), problem=problems[0])
    best = max(readable, key=_num_written)  # the first of several
    taken = [f"{best.file} was taken, of {len(files)} files"] if len(files) > 1 else []
    return replace(best, note="; ".join(taken + problems[:3]))


def _unpacked(entry: _Entry) -> list[_Entry]:
    """The files of a student who handed in an archive; else the file itself."""
    if entry.path.suffix.lower() != ".zip":
        return [entry]
    try:
        inner = list(_in_zip(io.BytesIO(entry.read()), [MAX_TOTAL // 10]))
    except Unreadable as error:
        raise Unreadable(f"{one_line(entry.path.name)} {error}") from None
    return [file for file in inner if not _JUNK.search(str(file.path))]


def _num_written(submission: Submission) -> int:
    """How many of the course's functions are there, less those that are as `assignment new` wrote them."""
    return len(
        submission.defined - set(re.findall(r'NotImplementedError\("(\w+): lesson', submission.source))
    )


def _cells(path: PurePosixPath, data: bytes) -> tuple[Cell, ...]:
    if not data.strip():
        raise Unreadable("is empty")
    if path.suffix.lower() == ".ipynb":
        return _notebook_cells(data)
    return (Cell(0, _python_text(data)),)


def _python_text(data: bytes) -> str:
    lines = io.BytesIO(data.replace(b"\0", b" "))  # a NUL is no matter of the encoding, but to Python 3.14
    try:
        encoding, _ = tokenize.detect_encoding(lines.readline)
        if encoding not in ENCODINGS:
            raise Unreadable(f"says that it is written in {one_line(encoding, 30)}: save it as UTF-8")
        text = data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        raise Unreadable("is not UTF-8 text: save it as UTF-8") from None
    if "\0" in text:
        raise Unreadable("is not text: it holds NUL characters")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _notebook_cells(data: bytes) -> tuple[Cell, ...]:
    """The code cells that are tagged, or all if none is, without their magics."""
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
    texts = [Cell(number, _without_magics(_text(cell.get("source")))) for number, cell in chosen]
    texts = [cell for cell in texts if cell.text.strip()]
    if not texts:
        raise Unreadable("is a notebook without code cells")
    return tuple(texts)


def _tags(cell: dict[str, Any]) -> list[Any]:
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return tags if isinstance(tags, list) else []


def _text(source: Any) -> str:
    lines = source if isinstance(source, list) else [source]
    text = "".join(line for line in lines if isinstance(line, str)).replace("\0", "")
    return text.encode(errors="replace").decode().replace("\r\n", "\n").replace("\r", "\n")


def _without_magics(text: str) -> str:
    """What only IPython understands becomes `pass`, on the same line; a cell in another language, nothing."""
    if text.lstrip().startswith("%%") and not re.match(r"\s*%%(time|timeit|capture)\b", text):
        return ""
    return "\n".join(_MAGIC.sub(r"\1pass", line) for line in text.split("\n"))
