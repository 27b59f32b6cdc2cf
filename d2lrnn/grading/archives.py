"""The files in folders and archives of untrusted authors: nothing is extracted, and no link is followed.

What is read counts against the budget of its student first, then against that of the class. Names in an
archive without a UTF-8 flag are read as UTF-8, else as GBK (Chinese Windows), else as cp437 (zip's own).
"""

from __future__ import annotations

import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from ..corpora import DAMAGED, Unreadable, check_length, check_member

MAX_BYTES = 10 * 2**20  # of one file
MAX_OF_STUDENT = 64 * 2**20  # of all that is read of one student
MAX_TOTAL = 4 * 2**30  # of all that is read of a class
MAX_FILES = 1_000_000  # of a class
MAX_DEPTH = 50  # folders inside one another
NAMES = ("utf-8", "gbk", "cp437")  # encodings of names, in the order in which they are tried
IS_UTF8, UNICODE_PATH = 0x800, 0x7075  # a flag of a member, and an extra field with its name
END, LOCATOR = 22, 20  # bytes of the end record, and of a zip64 locator before it
BROKEN = (*DAMAGED, ValueError, IndexError, struct.error)  # what zipfile raises for what strangers write


class Budget:
    """How many bytes may still be read: left of whose, as part of another budget."""

    def __init__(self, most: int, whose: str, part_of: Budget | None = None) -> None:
        self.left, self.most, self.whose, self.part_of = most, most, whose, part_of

    def spend(self, num_bytes: int) -> None:
        """Count what is about to be read.

        Raises:
            Unreadable: it is too much.
        """
        if num_bytes > self.left:
            raise Unreadable(f"is not read: {self.whose} holds more than {self.most:,} bytes")
        if self.part_of:
            self.part_of.spend(num_bytes)
        self.left -= num_bytes


class Entry(NamedTuple):
    """A file in a folder or in an archive. read(budget) raises Unreadable."""

    path: PurePosixPath
    read: Callable[[Budget], bytes]


def entries_of(
    path: Path, encoding: str | None = None, say: Callable[[str], object] = lambda line: None
) -> Iterator[Entry]:
    """The files in a folder or a .zip, or the file itself.

    encoding: of names in a .zip without a UTF-8 flag (default: the first of NAMES that fits all). say: is
    called with one line if they are not UTF-8.

    Raises:
        Unreadable: it is not an archive, or holds too many files.
    """
    if path.is_dir():
        return _in_folder(path)
    if path.suffix.lower() == ".zip":
        return in_zip(path, encoding, say)
    return iter([Entry(PurePosixPath(path.name), lambda budget: _read_file(path, budget, follow=True))])


def _in_folder(folder: Path) -> Iterator[Entry]:
    count, errors = 0, list[OSError]()
    for here, folders, files in os.walk(folder, onerror=errors.append):
        folders.sort()
        found = sorted(files) + [name for name in folders if os.path.islink(Path(here, name))]
        if len(Path(here).relative_to(folder).parts) >= MAX_DEPTH:
            del folders[:]
        for name in found:
            count += 1
            if count > MAX_FILES:
                raise Unreadable(f"holds more than {MAX_FILES:,} files")
            path = Path(here) / name
            yield Entry(_relative(path, folder), lambda budget, path=path: _read_file(path, budget))  # type: ignore[misc]
    for error in errors:
        yield Entry(_relative(Path(error.filename), folder), lambda budget, error=error: _fail(error))  # type: ignore[misc]


def _relative(path: Path, folder: Path) -> PurePosixPath:
    """Where a file is in a folder. Names that are not UTF-8 come from an archive unpacked as it was."""
    raw = os.fsencode(path.relative_to(folder).as_posix())
    return PurePosixPath(unicodedata.normalize("NFC", raw.decode(encoding_of([raw]))))


def _fail(error: OSError) -> bytes:
    raise Unreadable(f"cannot be read: {error.strerror}") from None


def _read_file(path: Path, budget: Budget, *, follow: bool = False) -> bytes:
    try:
        if path.is_symlink() and not follow:
            raise Unreadable("is a link: hand in the file itself")
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise Unreadable("is not a regular file")
        check_length(found.st_size, MAX_BYTES)
        budget.spend(found.st_size)
        with path.open("rb") as file:
            return file.read(MAX_BYTES)
    except OSError as error:
        return _fail(error)


def in_zip(
    file: Path | IO[bytes], encoding: str | None = None, say: Callable[[str], object] = lambda line: None
) -> Iterator[Entry]:
    """The files in an archive, as entries_of gives them."""
    try:
        archive = zipfile.ZipFile(_Unforged(file.open("rb") if isinstance(file, Path) else file))
    except BROKEN:
        raise Unreadable("is not a zip archive, or is damaged") from None
    members = [info for info in archive.infolist() if not info.filename.endswith("/")]
    if len(members) > MAX_FILES:
        raise Unreadable(f"holds more than {MAX_FILES:,} files")
    seen: set[str] = set()
    for info, name in zip(members, names_of(members, encoding, say)):
        twice = name in seen
        seen.add(name)
        path = PurePosixPath(name.replace("\\", "/").lstrip("/"))
        yield Entry(
            PurePosixPath(*[part for part in path.parts if part != ".."] or ["unnamed"]),
            lambda budget, info=info, twice=twice: _read_member(archive, info, budget, twice=twice),  # type: ignore[misc]
        )


class _Unforged:
    """An archive whose last name does not pass for the locator of a second directory.

    zipfile takes the 20 bytes before the end record for a zip64 locator if they begin like one, whether the
    record asks for it or not. They may be of a name: its author would choose what is in the archive.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.hidden = -1
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - END - LOCATOR))
        tail = file.read(END + LOCATOR)
        if len(tail) == END + LOCATOR and tail[:4] == b"PK\6\7" and tail[LOCATOR : LOCATOR + 4] == b"PK\5\6":
            *_, count, length, start, _ = struct.unpack("<4s4H2LH", tail[LOCATOR:])
            if count < 2**16 - 1 and max(length, start) < 2**32 - 1:  # the record says all itself
                self.hidden = size - END - LOCATOR
        file.seek(0)

    def read(self, size: int = -1) -> bytes:
        begin = self.file.tell()
        data = self.file.read(size)
        at = self.hidden - begin
        if self.hidden >= 0 and -4 < at < len(data):
            return b"".join([data[: max(at, 0)], bytes(len(data[max(at, 0) : at + 4])), data[at + 4 :]])
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __del__(self) -> None:
        self.file.close()  # its archive is closed by nobody: members are read one by one, or never


def names_of(
    members: Iterable[zipfile.ZipInfo],
    encoding: str | None = None,
    say: Callable[[str], object] = lambda line: None,
) -> list[str]:
    """The names of members, all without a UTF-8 flag decoded in the same way."""
    members = list(members)
    names = {info: _unicode_path(info) for info in members}
    untold = {
        info: info.orig_filename.encode("cp437", "replace").partition(b"\0")[0]
        for info, name in names.items()
        if name is None and not info.flag_bits & IS_UTF8 and not info.orig_filename.isascii()
    }
    chosen = encoding or encoding_of(untold.values())
    if untold and chosen != "utf-8":
        say(f"names in the archive were read as {chosen}: if they look wrong, give --zip-names ENCODING")
    names.update({info: raw.decode(chosen, "replace") for info, raw in untold.items()})
    return [unicodedata.normalize("NFC", names[info] or info.filename) for info in members]


def encoding_of(names: Iterable[bytes]) -> str:
    """The first of NAMES in which all names can be read."""
    names = list(names)
    return next(encoding for encoding in NAMES if _fits(names, encoding))


def _fits(names: Iterable[bytes], encoding: str) -> bool:
    try:
        for name in names:
            name.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _unicode_path(info: zipfile.ZipInfo) -> str | None:
    """The name in the extra field that WinRAR and others write, if it is that of this member."""
    extra = info.extra
    while len(extra) >= 9:
        kind, size = struct.unpack_from("<HH", extra)
        version, checksum = struct.unpack_from("<BI", extra, 4)
        is_utf8 = info.flag_bits & IS_UTF8
        raw = info.orig_filename.encode("utf-8" if is_utf8 else "cp437", "replace")
        if kind == UNICODE_PATH and version == 1 and checksum == zlib.crc32(raw):
            return extra[9 : 4 + size].decode("utf-8", "replace").partition("\0")[0]
        extra = extra[4 + size :]
    return None


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: Budget, *, twice: bool) -> bytes:
    if twice:
        raise Unreadable("is in the archive twice")
    check_member(info, MAX_BYTES)
    budget.spend(info.file_size)
    try:
        with archive.open(info) as member:
            return member.read()  # zipfile reads no more than the size that the archive claims
    except BROKEN:
        raise Unreadable("is damaged in the archive") from None
