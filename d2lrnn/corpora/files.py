"""A file becomes streams of bytes, one per text: as it is, unpacked, or member by member of an archive."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import re
import stat
import zipfile
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from .archives import (
    DAMAGED,
    MAX_BYTES,
    check_length,
    damaged,
    most_unpacked,
    open_member,
    open_zip,
    text_members,
)

HEAD = 512  # bytes that tell what a file is
PIECE = 2**15  # bytes of an .xz that are read at once
XZ_MEMORY = 2**28  # of bytes, for what an .xz refers back to
BROKEN = (*DAMAGED, lzma.LZMAError)
CHANGED = "changed while it was read: give a copy of it"
PACKED = re.compile(r"\.(gz|bz2|xz|zip)$", re.I)
# beginnings of files that are text in no encoding, and what to do about them
FOREIGN = (
    (rb"%PDF-", "is a PDF: save it as text, for instance with pdftotext"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old Office document: save it as text"),
    (rb"\x28\xb5\x2f\xfd", "is packed with zstd: unpack it first"),
    (rb"7z\xbc\xaf\x27\x1c|Rar!\x1a\x07", "is an archive of another kind: give a .zip, or the folder in it"),
    (rb"(?s).{257}ustar", "is a tar archive: unpack it and give the folder"),
    (rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a", "is a picture"),
)


class Stream:
    """The bytes of one text, read from its start in pieces.

    most: how many bytes it may have; too_long: the message if there are more. share: called with the
    number of bytes of each piece. kind: what it is packed in. name: of a member of an archive.
    """

    def __init__(
        self,
        file: IO[bytes],
        most: int,
        too_long: str,
        share: Callable[[int], object] = lambda count: None,
        kind: str = "",
        name: str = "",
    ) -> None:
        self.name, self.num_bytes, self.ended = name, 0, False
        self._file, self._most, self._too_long, self._share, self._kind = file, most, too_long, share, kind

    def read(self, size: int) -> bytes:
        """Up to size bytes; none at the end.

        Raises:
            ValueError: they cannot be unpacked, or are too many.
            OSError: of the disk.
        """
        try:
            data = self._file.read(size)
        except BROKEN as error:
            if not self._kind:
                raise
            raise damaged(self._kind, error) from None
        self.num_bytes += len(data)
        self.ended = not data
        if self.num_bytes > self._most:
            raise ValueError(self._too_long)
        if data:
            self._share(len(data))
        return data


class Xz(io.RawIOBase):
    """An .xz or .lzma, unpacked as it is read; lzma.LZMAFile would take any memory its header asks for."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._new = file, lambda: lzma.LZMADecompressor(memlimit=XZ_MEMORY)
        self._decompressor = self._new()

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as the next piece goes; 0 at the end."""
        while True:
            data = b""
            if self._decompressor.eof:  # of one part: another may follow, after zeros
                data = self._decompressor.unused_data.lstrip(b"\0")
                while not data:
                    data = self._file.read(PIECE)
                    if not data:
                        return 0
                    data = data.lstrip(b"\0")
                self._decompressor = self._new()
            elif self._decompressor.needs_input:
                data = self._file.read(PIECE)
                if not data:
                    raise EOFError("it ends before its end-of-stream marker")
            piece = self._decompressor.decompress(data, len(buffer))
            if piece:
                buffer[: len(piece)] = piece
                return len(piece)


class Packing(NamedTuple):
    """A way of packing one text: how it begins, what it is called, and what unpacks it."""

    begins: str
    name: str
    suffix: str
    unpack: Callable[[IO[bytes]], Any]


PACKINGS = (
    Packing("\x1f\x8b\x08", "gzip file", ".gz", lambda file: gzip.GzipFile(fileobj=file)),
    Packing("BZh[1-9](1AY&SY|\x17rE8P\x90)", "bzip2 file", ".bz2", bz2.BZ2File),
    Packing("\xfd7zXZ\\0", "xz file", ".xz", Xz),
)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file, if it is a regular one; what goes wrong while it is open names it.

    Raises:
        ValueError: naming the file and what is wrong with it.
        OSError: it cannot be opened or read.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        try:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueError("is not a regular file")
            yield file
        except ValueError as error:
            raise ValueError(f"{str(path)!r}{'' if str(error)[:1] == ',' else ' '}{error}") from None
        except OSError as error:
            error.filename = error.filename or str(path)
            raise


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a FIFO would wait for its writer


def streams(
    file: IO[bytes],
    path: Path,
    progress: Callable[[float], object],
    *,
    suffixes: Sequence[str] = (".txt",),
    whole: bool = True,
) -> Generator[Stream, None, None]:
    """The texts of an opened file, each to be read before the next is asked for.

    suffixes: of texts in a .zip. whole: it will be read to its end, so one that is too long is refused first.
    progress: called with every piece's share of the file, from 0 to 1.

    Raises:
        ValueError: the message continues the name of the file.
    """
    before = os.fstat(file.fileno())
    num_bytes = before.st_size
    if whole:
        check_length(num_bytes, MAX_BYTES)
    head = file.read(HEAD)
    file.seek(0)
    if head.startswith(b"PK\3\4") or path.suffix.lower() == ".zip":
        with open_zip(file) as archive:
            yield from _members(archive, num_bytes, progress, suffixes, path.suffix.lower() == ".zip")
        return
    packing = packing_of(head, path)
    if packing:
        most, share = most_unpacked(num_bytes), _shares_of_the_file(file, num_bytes, progress)
        swells = f"unpacks from {num_bytes:,} bytes to more than {most:,}: not read further"
        yield Stream(packing.unpack(file), most, swells, share, packing.name)
        return
    stream = Stream(
        file, num_bytes if whole else MAX_BYTES, CHANGED, lambda count: progress(count / max(num_bytes, 1))
    )
    yield stream
    is_changed = os.fstat(file.fileno()).st_mtime_ns != before.st_mtime_ns
    if is_changed or (stream.ended and stream.num_bytes != num_bytes):
        raise ValueError(CHANGED)


def _members(
    archive: zipfile.ZipFile,
    num_bytes: int,
    progress: Callable[[float], object],
    suffixes: Sequence[str],
    other: bool,
) -> Iterator[Stream]:
    members = text_members(archive.infolist(), num_bytes, suffixes, other=other)
    total = max(sum(member.file_size for member in members), 1)
    for member in members:
        with open_member(archive, member) as file:
            name = member.filename if len(members) > 1 else ""
            # piece by piece: read() would inflate all there is, whatever the directory says
            yield Stream(
                file, MAX_BYTES, "is too long", lambda count: progress(count / total), "zip archive", name
            )


def _shares_of_the_file(
    file: IO[bytes], num_bytes: int, progress: Callable[[float], object]
) -> Callable[[int], object]:
    """For progress: how far the packed file was read since the last piece."""
    place = 0

    def share(_: int) -> None:
        nonlocal place
        before, place = place, file.tell()
        progress((place - before) / max(num_bytes, 1))

    return share


def packing_of(head: bytes, path: Path) -> Packing | None:
    """How a file with this beginning is packed, if it is."""
    for packing in PACKINGS:
        if re.match(packing.begins.encode("latin-1"), head) or path.suffix.lower() == packing.suffix:
            return packing
    return None


def refuse_foreign(head: bytes) -> None:
    """Refuse what is text in no encoding.

    Raises:
        ValueError: the message continues the name of the file.
    """
    for begins, what in FOREIGN:
        if re.match(begins, head):
            raise ValueError(what)


def looks_like_text(path: Path, *, any_bytes: bool) -> bool:
    """Whether a file that was found in a folder is worth reading: it has no NUL where it begins.

    any_bytes: the encoding is given, and may be one with NULs.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        head = file.read(HEAD)
        file.seek(0)
        if head.startswith(b"PK\3\4"):
            return path.suffix.lower() == ".zip"
        if any(re.match(begins, head) for begins, _ in FOREIGN):
            return False
        packing = packing_of(head, path)
        if packing:
            try:
                head = packing.unpack(file).read(HEAD)
            except BROKEN:
                return True  # so that the refusal names it
        else:
            head = file.read(2**13)
    wide = head.startswith((b"\xff\xfe", b"\xfe\xff")) or 0.3 < head.count(0) / max(len(head), 1) < 0.6
    return any_bytes or b"\0" not in head or wide
