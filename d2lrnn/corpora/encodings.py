"""Bytes become characters: UTF-8 unless an encoding is given; nothing is ever decoded by guessing."""

from __future__ import annotations

import codecs

from .files import Stream, refuse_foreign
from .guessing import guess
from .preparing import MARK

MARKS = {  # the longer first: UTF-32 begins as UTF-16 does
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
FEWEST = 4  # bytes that are read first, to detect a byte order mark
SAMPLE = 2**14  # bytes after the first that is not UTF-8, to guess from
# Python codecs for names and programs, not for texts
NOT_OF_FILES = {"idna", "punycode", "raw_unicode_escape", "unicode_escape", "undefined"}


def check_encoding(name: str) -> str:
    """The encoding's name as Python spells it.

    Raises:
        ValueError: Python has no such encoding of texts.
    """
    try:
        codec = codecs.lookup(name)
        codecs.getincrementaldecoder(name)
    except (LookupError, ValueError):
        raise ValueError(
            f"encoding {name!r} is unknown: give one such as utf-8, gbk, big5, shift_jis, euc_kr or cp1252"
        ) from None
    spelled = codec.name.replace("-", "_")
    if not getattr(codec, "_is_text_encoding", True) or spelled in NOT_OF_FILES:
        raise ValueError(f"encoding {name!r} is not a text encoding: give one such as utf-8, gbk or cp1252")
    return codec.name


class Reader:
    """The characters of a stream of bytes, read in pieces.

    encoding: of these bytes; None is UTF-8. A byte order mark at their start is no character.
    """

    def __init__(self, stream: Stream, encoding: str | None = None) -> None:
        self.ended = False
        self._stream, self._encoding = stream, encoding
        self._decoder = codecs.getincrementaldecoder(encoding or "utf-8")()
        self._is_start, self._first = True, b""

    def read(self, size: int) -> str:
        """The characters in the next bytes: about as many as size, so there are no more than that.

        Raises:
            ValueError: the bytes are in another encoding, or no text at all.
            OSError: of the disk.
        """
        block = self._stream.read(max(size, 1 if self._first else FEWEST))
        self.ended = not block
        if not self._first:
            self._first = block
            if self._encoding is None:
                _refuse_marks(block)
        if self._encoding is None and b"\0" in block:
            place = self._place(block)
            raise self._refusal(
                block, block.index(0), f"holds a NUL byte at {place}, so it is not UTF-8 text"
            )
        try:
            text = self._decoder.decode(block, self.ended)
        except UnicodeError as error:
            raise self._undecodable(error) from None
        if self._encoding and "\0" in text:
            raise ValueError(
                f"holds a NUL character when it is read as {self._encoding}: is it another encoding?"
            )
        if text and self._is_start:
            self._is_start = False
            text = text.removeprefix(MARK)
        return text

    def _place(self, block: bytes) -> int:
        return self._stream.num_bytes - len(block) + block.index(0)

    def _undecodable(self, error: UnicodeError) -> ValueError:
        if not isinstance(error, UnicodeDecodeError):
            return ValueError(f"is not {self._encoding} text ({error})")
        data, i = bytes(error.object), error.start  # data ends where the block ends, and may begin before it
        where = f"(byte 0x{data[i]:02x} at {self._stream.num_bytes - len(data) + i})"
        if self._encoding:
            return ValueError(f"is not {self._encoding} text {where}")
        return self._refusal(data, i, "is not UTF-8 text", f" {where}")

    def _refusal(self, data: bytes, i: int, refusal: str, where: str = "") -> ValueError:
        """Why this is not UTF-8, and what it may be. data: what was read last; i: where it is wrong."""
        refuse_foreign(self._first)
        more = self._stream.read(SAMPLE)
        begin = b"" if self._stream.num_bytes - len(data) - len(more) else data
        what = guess(begin or data[max(0, i - SAMPLE) :], more, at_start=bool(begin))
        if not where and not what:
            what = " (binary, or UTF-16?): convert it to UTF-8"
        return ValueError(f"{refusal}{where}{what}")


def _refuse_marks(data: bytes) -> None:
    for mark, encoding in MARKS.items():
        if data.startswith(mark):
            raise ValueError(
                f"is {encoding}, not UTF-8: convert it with iconv -f {encoding} -t utf-8, "
                f"or name its encoding (--encoding {encoding})"
            )
