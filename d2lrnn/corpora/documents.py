"""Many files become one text: document after document, a blank line between, as it is used for training."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, NamedTuple

from .archives import MAX_BYTES
from .counting import BLOCK
from .encodings import Reader, check_encoding
from .files import PACKED, Stream, opened, streams
from .preparing import Preparer, keeps_marks
from .records import SUFFIXES, read_records
from .sources import STDIN, File, called, find_files, listed

BLANK_LINE = 2  # line ends in a row


class Manner(NamedTuple):
    """How files become text.

    lines: "keep" or "space", or None: every character stays as it is, to be prepared later. encoding: None
    is UTF-8. field: where the records of a .jsonl have their texts.
    """

    lines: str | None = "space"
    normalize: str = "none"
    encoding: str | None = None
    field: str | None = None

    def prepare(self, pieces: Iterable[tuple[str, bool]]) -> Iterator[str]:
        """The pieces of a document, each with whether it is the last one, as they are used."""
        if self.lines is None:
            yield from (piece for piece, _ in pieces)
            return
        preparer = Preparer(self.normalize, marks=keeps_marks(self.lines, self.normalize))
        for piece, last in pieces:
            yield preparer.feed(piece, last=last)


class Document(NamedTuple):
    """A part of a text: what it is called, from where to where it goes, and its sha256."""

    name: str
    start: int
    end: int
    sha256: str


class Texts(NamedTuple):
    """What was read: the text, its sha256, its documents, and what there is to say about them and others."""

    text: str
    sha256: str
    documents: list[Document]
    notes: list[str]


def read_texts(
    sources: Sequence[str | os.PathLike[str]],
    manner: Manner,
    *,
    max_chars: int | None = None,
    stdin: Path | None = None,
    progress: Callable[[float], object] = lambda share: None,
) -> Texts:
    """The documents of all sources as one text, prepared as manner says. Writes nothing to disk.

    max_chars: of the text, from its start; what comes after them is not read. stdin: where the text of "-" is
    kept. progress: called with the share of all files, from 0 to 1, that was read since the last call.

    Raises:
        ValueError: naming the file and what is wrong with it.
        FileNotFoundError: a source does not exist.
        OSError: a file cannot be opened or read.
    """
    if manner.encoding is not None:
        check_encoding(manner.encoding)
    files, notes = find_files(sources, stdin=stdin, encoding=manner.encoding)
    sizes = [os.stat(file.path).st_size for file in files]
    if max_chars is None and len(files) > 1 and sum(sizes) > MAX_BYTES:
        raise ValueError(f"{len(files):,} files hold {sum(sizes):,} bytes: give at most {MAX_BYTES:,}")
    gathering = _Gathering(manner, max_chars)
    for file, size in zip(files, sizes):
        if gathering.is_full:
            break
        weight = size / max(sum(sizes), 1) if len(files) > 1 else 1
        manner_of_it = manner._replace(encoding=None) if file.is_utf8 else manner
        _read_file(file, manner_of_it, gathering, lambda share, weight=weight: progress(share * weight))  # type: ignore[misc]
    if manner.field and not gathering.num_records:
        raise ValueError(f"field {manner.field!r} is given, but no .jsonl to read it from")
    return gathering.end([str(file.path) for file in files], notes)


def read_corpus(
    path: Path, *, keep: int | None = None, progress: Callable[[float], object] = lambda share: None
) -> str:
    """The text of a UTF-8 file, packed or not, or of those in a .zip, with its line ends as they are.

    keep: how many characters to read from its start. progress: as in read_texts.

    Raises:
        ValueError: naming the file and what is wrong with it.
        OSError: it cannot be opened or read.
    """
    manner = Manner(lines=None)
    gathering = _Gathering(manner, keep)
    _read_file(File(path, path.name), manner, gathering, progress)
    return gathering.end([str(path)], []).text


def read_stdin(file: IO[bytes], manner: Manner, max_chars: int | None) -> Texts:
    """The text that comes from file, to its end or to max_chars; with a field, one document a record.

    Raises:
        ValueError: it is no text, or too long.
        OSError: it cannot be read.
    """
    too_long = f"holds more than {MAX_BYTES:,} bytes: give less, or --max-chars"
    gathering, name = _Gathering(manner, max_chars), called(STDIN)
    try:
        _read_stream(Stream(file, MAX_BYTES, too_long), name, manner, gathering, records=bool(manner.field))
        return gathering.end([name], [])
    except ValueError as error:
        separator = "" if str(error)[:1] in ",'" else " "
        raise ValueError(f"{name if separator else ''}{separator}{error}") from None


def _read_file(
    file: File, manner: Manner, gathering: _Gathering, progress: Callable[[float], object]
) -> None:
    suffixes = (".txt", *SUFFIXES) if manner.field else (".txt",)
    with opened(file.path) as bytes_of_it:
        found = streams(bytes_of_it, file.path, progress, suffixes=suffixes, whole=gathering.is_endless)
        with closing(found):
            for stream in found:
                name = f"{file.name}/{stream.name}" if stream.name else file.name
                of = PACKED.sub("", stream.name or file.path.name).lower()
                try:
                    _read_stream(stream, name, manner, gathering, records=of.endswith(SUFFIXES))
                except ValueError as error:
                    raise ValueError(f", {stream.name!r} in it {error}" if stream.name else error) from None
                if gathering.is_full:
                    return


def _read_stream(stream: Stream, name: str, manner: Manner, gathering: _Gathering, *, records: bool) -> None:
    pieces = _pieces(Reader(stream, manner.encoding), gathering)
    if not records:
        gathering.add(name, manner.prepare(pieces))
        return
    for number, text in read_records((piece for piece, _ in pieces), manner.field):
        gathering.num_records += 1
        gathering.add(f"{name}:{number}", manner.prepare([(text, True)]))
        if gathering.is_full:
            return


def _pieces(reader: Reader, gathering: _Gathering) -> Iterator[tuple[str, bool]]:
    """The pieces of a text, each with whether it is the last; not more than there is room for."""
    while not reader.ended:
        yield reader.read(gathering.room), reader.ended


class _Gathering:
    """A text that grows document by document.

    is_endless: there is no limit to it. num_records: how many documents came from a .jsonl.
    """

    def __init__(self, manner: Manner, max_chars: int | None) -> None:
        self.is_endless, self.num_records = max_chars is None, 0
        self._spaces, self._max_chars = manner.lines == "space", max_chars
        self._parts: list[str] = []
        self._documents: list[Document] = []
        self._blank: list[str] = []
        self._num_chars, self._tail = 0, ""
        self._sums = [hashlib.sha256()]  # of the whole, and of a document that is not the first

    @property
    def room(self) -> int:
        """How many characters to ask for."""
        return BLOCK if self._max_chars is None else min(BLOCK, max(self._max_chars - self._num_chars, 0))

    @property
    def is_full(self) -> bool:
        """Whether there is all that was asked for."""
        return not self.room

    def add(self, name: str, pieces: Iterator[str]) -> None:
        """Append a document, or note that it is blank. When there is no more room no piece is asked for."""
        blank: list[str] = []  # its pieces until now
        for piece in pieces:
            blank.append(piece)
            is_blank = not piece or piece.isspace()
            if not is_blank or (not self.is_endless and sum(map(len, blank)) >= self.room):
                break
        else:
            self._blank.append(name)
            return
        if self._documents:
            self._append("\n" * (BLANK_LINE - _num_line_ends(self._tail)))
            self._sums.append(hashlib.sha256())
        start = self._num_chars
        self._append("".join(blank))
        while not self.is_full and (following := next(pieces, None)) is not None:
            self._append(following)
        sum_of_it = self._sums.pop() if self._documents else self._sums[0]
        if self._num_chars > start:
            self._documents.append(Document(name, start, self._num_chars, sum_of_it.hexdigest()))

    def _append(self, piece: str) -> None:
        if self._max_chars is not None:
            piece = piece[: self._max_chars - self._num_chars]
        self._tail = (self._tail + piece)[-2 * BLANK_LINE :]
        piece = piece.replace("\n", " ") if self._spaces else piece
        data = piece.encode()
        for one in self._sums:
            one.update(data)
        self._parts.append(piece)
        self._num_chars += len(piece)

    def end(self, names: Sequence[str], notes: Sequence[str]) -> Texts:
        """The text. names: of the files that were read, for a message.

        Raises:
            ValueError: it is blank.
        """
        text = "".join(self._parts)
        self._parts.clear()
        if not text or text.isspace():
            raise ValueError(
                "holds no text" if names == ["stdin"] else f"{', '.join(map(repr, names[:3]))} holds no text"
            )
        notes = [*notes, *self._notes()]
        return Texts(text, self._sums[0].hexdigest(), self._documents, notes)

    def _notes(self) -> Iterator[str]:
        if self._blank:
            yield f"without text, and left out: {listed(self._blank)}"
        first: dict[str, str] = {}
        same = []
        for name, _, _, sha256 in self._documents:
            if sha256 in first:
                same.append(f"{name} (as {first[sha256]})")
            first.setdefault(sha256, name)
        if same:
            yield (
                f"the same text twice, and used twice: {listed(same)}; if one copy is held out, the other is "
                "trained on"
            )


def _num_line_ends(tail: str) -> int:
    tail = tail.replace("\r\n", "\n").replace("\r", "\n")
    return min(len(tail) - len(tail.rstrip("\n")), BLANK_LINE)
