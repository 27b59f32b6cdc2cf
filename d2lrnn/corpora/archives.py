"""Texts in a .zip, and which members of an archive may be opened."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from typing import IO

MAX_BYTES = 2**30  # of a file, or of the texts in an archive
SWELLING = 100  # an archive may unpack to this many times its size, or, whatever its size,
FREE_BYTES = 2**26  # to this many bytes
# what zipfile raises where an archive is damaged, or lies
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, OverflowError, RuntimeError, UnicodeDecodeError)


class Unreadable(ValueError):
    """A file that is not read; the message continues its name."""


def check_length(num_bytes: int, most: int) -> None:
    """Refuse a file that holds more bytes than most."""
    if num_bytes > most:
        raise Unreadable(f"holds {num_bytes:,} bytes: give at most {most:,}")


def check_member(member: zipfile.ZipInfo, most: int) -> None:
    """Refuse a file in an archive that leads out of it, that cannot be read as it is, or that is too long."""
    if points_outside(member.filename):
        raise Unreadable("points outside the archive: not opened")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise Unreadable("is a link in the archive: give the file itself")
    if member.flag_bits & 1:
        raise Unreadable("is encrypted: give a zip without a password")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        method = member.compress_type
        raise Unreadable(f"has compression method {method}: give a zip that is stored or deflated")
    check_length(member.file_size, most)


def points_outside(name: str) -> bool:
    """Whether the name of an archive's member is a path that leads out of the folder it is unpacked to."""
    name = name.replace("\\", "/")
    return name.startswith("/") or name[1:2] == ":" or ".." in name.split("/")


def most_unpacked(num_bytes: int) -> int:
    """How many bytes an archive of num_bytes may unpack to."""
    return min(MAX_BYTES, max(FREE_BYTES, SWELLING * num_bytes))


def open_zip(file: IO[bytes]) -> zipfile.ZipFile:
    """The archive in a file.

    Raises:
        ValueError: it is none.
    """
    try:
        return zipfile.ZipFile(file)
    except DAMAGED as error:
        raise damaged("zip archive", error) from None


def open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    """A file in the archive.

    Raises:
        ValueError: it is not where the directory of the archive says.
    """
    try:
        return archive.open(member)
    except DAMAGED as error:
        raise damaged("zip archive", error) from None


def damaged(kind: str, error: Exception) -> ValueError:
    """What is said of a file that its kind does not allow."""
    return ValueError(f"cannot be read as a {kind} ({str(error) or type(error).__name__})")


def text_members(
    members: Iterable[zipfile.ZipInfo], num_bytes: int, suffixes: Sequence[str], *, other: bool
) -> list[zipfile.ZipInfo]:
    """The texts of an archive of num_bytes, by name: those with one of the suffixes.

    other: where there are none, all files but the hidden ones.

    Raises:
        ValueError: there is none, or one that is not opened.
    """
    files = [member for member in members if member.filename and not member.filename.endswith("/")]
    for member in files:
        if points_outside(member.filename):
            raise ValueError(
                f"has a member {member.filename!r}, which points outside the archive: not opened"
            )
    files = [member for member in files if not _is_hidden(member.filename)]
    texts = [member for member in files if member.filename.lower().endswith(tuple(suffixes))]
    texts = texts or (files if other else [])
    if not texts:
        raise ValueError("holds 0 .txt files: give an archive with at least one text")
    texts.sort(key=lambda member: member.filename.split("/"))
    for text, following in zip(texts, texts[1:]):
        if text.filename == following.filename:
            raise ValueError(
                f"holds two files {text.filename!r}: give an archive where each has its own name"
            )
    for text in texts:
        check_member(text, MAX_BYTES)
    total, most = sum(text.file_size for text in texts), most_unpacked(num_bytes)
    if total > most:
        raise ValueError(f"would unpack from {num_bytes:,} bytes to {total:,}: not opened")
    return texts


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))
