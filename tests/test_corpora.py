"""Whatever a user points load_corpus at is read, or refused in one line that says which file and why."""

import bz2
import gzip
import hashlib
import importlib
import io
import json
import lzma
import os
import re
import resource
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
import tracemalloc
import unicodedata
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from d2lrnn import Vocab, load_corpus
from d2lrnn.running.dataset import load_dataset
from d2lrnn.running.run import Run
from d2lrnn.running.settings import Settings
from d2lrnn.text import one_line

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from benchmarks import corpus as benchmark

corpora = importlib.import_module("d2lrnn.corpora")
names, fetching, files, archives, documents, counting, encodings = PARTS = [
    importlib.import_module(f"d2lrnn.corpora.{part}")
    for part in ("names", "fetching", "files", "archives", "documents", "counting", "encodings")
]

SONG = "风吹过山岗\n我在等天亮\n"
ONE_LINE = "风吹过山岗 我在等天亮 "
TEXTS = {  # that come with us, packed, and their sha256
    "songci": "4bbd08b98fa262200863220c2c7c1996016769f41c140952e7401508720c4935",
    "timemachine": "8424dbd9532ac81f7e5f0b6add90e6952baea29158309d7d1bf3884f4e12c516",
}
TRAVERSALS = ["../x.txt", "a/../../x.txt", "/abs.txt", "C:\\x.txt", "C:x.txt", "..\\x.txt", "\\x.txt"]


def patch_everywhere(monkeypatch: pytest.MonkeyPatch, name: str, value: Any) -> None:
    """Set a constant in each part that has it."""
    for part in PARTS:
        if hasattr(part, name):
            monkeypatch.setattr(part, name, value)


def zipped(*names: str, text: "str | bytes" = SONG, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name in names:
            archive.writestr(name, text)
    return buffer.getvalue()


def forged(archive: bytes, **fields: int) -> bytes:
    """The archive with fields of its (last) directory entry overwritten."""
    forgery, entry = bytearray(archive), archive.rindex(b"PK\1\2")
    places = {
        "flags": (8, "<H"),
        "method": (10, "<H"),
        "crc": (16, "<I"),
        "deflated": (20, "<I"),
        "size": (24, "<I"),
    }
    places |= {"attributes": (38, "<I"), "start": (42, "<I")}
    for field, value in fields.items():
        offset, form = places[field]
        struct.pack_into(form, forgery, entry + offset, value)
    return bytes(forgery)


def bomb(**fields: int) -> bytes:
    """256 MiB of the letter a in 256 KiB, whatever its directory says."""
    deflate = zlib.compressobj(wbits=-15)
    mebibyte = deflate.compress(b"a" * 2**20) + deflate.flush(zlib.Z_FULL_FLUSH)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", 256 * mebibyte + deflate.flush())
    return forged(buffer.getvalue(), method=zipfile.ZIP_DEFLATED, **fields)


def check_refused(path: Path, why: str, error: type[Exception] = ValueError) -> None:
    with pytest.raises(error, match=f"{re.escape(str(path))}.*({why})") as caught:
        load_corpus(path)
    assert "\n" not in str(caught.value)


def answer_to(path: Path) -> str:
    """The text, or "refused" for an error as check_refused wants it."""
    try:
        return load_corpus(path)
    except Exception as error:
        message = str(error)
        by_name = type(error) is ValueError and str(path) in message and "\n" not in message
        return "refused" if by_name else repr(error)


def files_under(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("gbk.txt", SONG.encode("gbk"), "perhaps gbk, and would then begin '风吹过山岗': name its encoding"),
        ("gb18030.txt", ("𠮷ḿ" + SONG).encode("gb18030"), "not UTF-8 text"),
        ("utf16.txt", SONG.encode("utf-16"), "utf-16.*iconv -f utf-16 -t utf-8"),
        ("utf16-be.txt", b"\xfe\xff" + SONG.encode("utf-16-be"), "utf-16.*iconv -f utf-16 -t utf-8"),
        (
            "utf16 without mark.txt",
            SONG.encode("utf-16-le"),
            "NUL byte at 11.*perhaps utf-16-le, .* '风吹过山岗'",
        ),
        ("utf32.txt", SONG.encode("utf-32"), "utf-32.*iconv -f utf-32 -t utf-8"),
        ("utf32 without mark.txt", SONG.encode("utf-32-be"), "NUL byte at 0"),
        ("bad.txt", "好".encode() + b"a\xff", r"not UTF-8 text \(byte 0xff at 4\)"),
        ("bad behind a mark.txt", b"\xef\xbb\xbfa\xff", r"not UTF-8 text \(byte 0xff at 4\)"),
        ("latin1.txt", "déjà vu".encode("latin-1"), "not UTF-8 text"),
        ("cut.txt", SONG.encode()[:-2], "not UTF-8 text"),
        ("surrogate.txt", b"\xed\xa0\x80", "not UTF-8 text"),
        ("binary.txt", bytes(range(256)), "NUL byte at 0"),
        ("nul.txt", b"a\0b", "NUL byte at 1"),
        ("empty.txt", b"", "holds no text"),
        ("bom.txt", b"\xef\xbb\xbf", "holds no text"),
        ("spaces.txt", " \r\n\t\u3000".encode(), "holds no text"),
        ("text.zip", SONG.encode(), "zip archive"),
        ("empty.zip", b"", "zip archive"),
        ("truncated.zip", zipped("a.txt")[:-30], "zip archive"),
        ("only its start.txt", b"PK\3\4", "zip archive"),
        ("none.docx", zipped("a.md"), "0 .txt files: give an archive with at least one"),
        ("nothing.zip", zipped(), "0 .txt files"),
        ("no name.zip", zipped("a.txt").replace(b"a.txt", b"\0.txt"), "0 .txt files"),
        ("folder.zip", zipped("a.txt/"), "0 .txt files"),
        ("in a zip.zip", zipped("a.txt", text=zipped("a.txt")), "NUL byte"),
        ("twice.zip", zipped("a.txt", "b.txt").replace(b"b.txt", b"a.txt"), "two files 'a.txt'"),
        ("link.zip", forged(zipped("a.txt"), attributes=0o120777 << 16), "a link"),
        ("bzip2.zip", zipped("a.txt", method=zipfile.ZIP_BZIP2), "give a zip that is stored or deflated"),
        ("lzma.zip", zipped("a.txt", method=zipfile.ZIP_LZMA), "give a zip that is stored or deflated"),
        ("4 GiB.zip", forged(zipped("a.txt"), size=2**32 - 1), "give at most"),
        ("elsewhere.zip", forged(zipped("a.txt"), start=2**31), "zip archive"),
        ("a name of control characters.zip", zipped("../\n\x1b[31m\u202e.txt"), "points outside"),
        ("nul.zip", zipped("a.txt", text="\0"), "NUL byte"),
        ("encrypted.zip", forged(zipped("a.txt"), flags=1), "encrypted: give a zip without a password"),
        ("unknown method.zip", forged(zipped("a.txt"), method=99), "compression method"),
        ("wrong checksum.zip", forged(zipped("a.txt"), crc=1), "CRC"),
        ("too short.zip", forged(zipped("a.txt"), size=10), "CRC"),
        *[(f"out {i}.zip", zipped("a.txt", name), "points outside") for i, name in enumerate(TRAVERSALS)],
    ],
    ids=lambda value: value if isinstance(value, str) and value.endswith((".txt", ".zip")) else "",
)
def test_a_hostile_file_is_refused_by_name_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: bytes, why: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    (tmp_path / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "down")

    check_refused(path, why)

    assert files_under(tmp_path) == [path]


def test_what_is_no_regular_file_is_refused_without_opening_it(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.txt"
    os.mkfifo(fifo)

    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "socket.txt"))
    listening.close()
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    (tmp_path / "gone.txt").symlink_to("nowhere.txt")

    for path in (fifo, Path("/dev/zero"), Path("/dev/full"), tmp_path / "socket.txt"):
        check_refused(path, "is not a regular file", FileNotFoundError)
    for path in (tmp_path / "loop.txt", tmp_path / "gone.txt"):
        check_refused(path, "is a link that leads nowhere", FileNotFoundError)
    check_refused(tmp_path, "is a directory", FileNotFoundError)
    check_refused(tmp_path / "missing.txt", "does not exist: give one of lyrics", FileNotFoundError)


@pytest.mark.timeout(30)
def test_what_turns_into_a_fifo_behind_our_back_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "fifo.txt"
    os.mkfifo(path)

    with pytest.raises(ValueError, match=r"fifo.txt' is not a regular file"):
        corpora.read_corpus(path)


class Changing(io.FileIO):
    """An open file to which something happens after its first bytes were read."""

    def __init__(self, path: Path, change: Callable[[Path], object]) -> None:
        super().__init__(path)
        self.path, self.change, self.is_changed = path, change, False

    def read(self, size: int = -1) -> bytes:
        data = super().read(size)
        if not self.is_changed:
            self.is_changed = True
            self.change(self.path)
        return data or b""


@pytest.mark.parametrize(
    "change",
    [
        lambda path: os.truncate(path, 1000),
        lambda path: os.truncate(path, 2 * 10**5),
        lambda path: os.utime(path, ns=(0, 0)),  # as a write in place does
    ],
    ids=["cut", "longer", "written over"],
)
def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object]
) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"a" * 10**5)
    monkeypatch.setattr(files, "open", lambda path, *_, **__: Changing(path, change), raising=False)

    check_refused(path, "changed while it was read")


def test_a_file_that_vanishes_while_it_is_read_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text(SONG)
    monkeypatch.setattr(files, "open", lambda path, *_, **__: Changing(path, os.unlink), raising=False)

    assert load_corpus(path) == ONE_LINE
    assert not path.exists()


def test_a_file_that_tells_no_size_is_not_read_in_part() -> None:
    if not os.path.isfile("/proc/cpuinfo"):
        pytest.skip("no /proc here")
    check_refused(Path("/proc/cpuinfo"), "changed while it was read: give a copy of it")


def test_an_error_of_the_disk_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text(SONG)

    def fails(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(files, "open", lambda path, *_, **__: Changing(path, fails), raising=False)

    check_refused(path, "", OSError)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(SONG)
    path.chmod(0)

    with pytest.raises(PermissionError, match=r"Permission denied: .*a\.txt"):
        load_corpus(path)


@pytest.mark.parametrize("name", ["huge.txt", "huge.zip"])
def test_a_huge_sparse_file_is_refused_by_its_size(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.touch()
    os.truncate(path, 2**40)

    tracemalloc.start()
    try:
        check_refused(path, "1,099,511,627,776 bytes: give at most 1,073,741,824")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 2**20


@pytest.mark.parametrize(
    "name", ["a\nb.txt", "\x1b[31m.txt", "\u202etxt.zip", os.fsdecode(b"\xff.txt"), "a" * 250]
)
def test_a_strange_name_is_read_and_quoted_on_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"PK\3\4")

    with pytest.raises(ValueError, match="zip archive") as caught:
        load_corpus(path)
    assert str(caught.value).isprintable()

    path.write_bytes(zipped("a.txt"))
    assert load_corpus(path) == ONE_LINE


@pytest.mark.slow
@pytest.mark.parametrize("data", [b"a\n", b"a\r\n", "歌\n".encode(), b" \n", b"\0"], ids=repr)
@pytest.mark.parametrize("first", ["a", "😀"])
@pytest.mark.parametrize("last", [b"b", b"\xff"])
def test_memory_is_a_small_multiple_of_the_file(tmp_path: Path, data: bytes, first: str, last: bytes) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(first.encode() + data * (2**20 // len(data)) + last)

    tracemalloc.start()
    try:
        answer_to(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 10 * path.stat().st_size  # a single character beyond U+FFFF makes each of them 4 bytes wide


@pytest.mark.parametrize("source", ["", "a\0b.txt", "a\nb.txt", "~nobody-of-that-name/a.txt", "a" * 300])
def test_a_path_that_cannot_be_is_a_file_that_does_not_exist(source: str) -> None:
    with pytest.raises(
        FileNotFoundError, match="give one of lyrics, songci, timemachine, jaychou, or the path"
    ) as caught:
        load_corpus(source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"size": 2**28}, "would unpack"),
        ({"size": 1000}, "zip archive"),
        ({"size": 2**28, "deflated": 2**28}, "would unpack"),  # zipfile takes both numbers on trust
    ],
    ids=["honest", "lying of its size", "lying of both"],
)
def test_a_zip_bomb_is_refused_before_it_fills_memory(
    tmp_path: Path, fields: dict[str, int], why: str
) -> None:
    path = tmp_path / "bomb.zip"
    path.write_bytes(bomb(**fields))

    tracemalloc.start()
    try:
        check_refused(path, why)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 2**24


@pytest.mark.slow
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_no_flipped_bit_of_a_zip_changes_the_text_unnoticed(tmp_path: Path, method: int) -> None:
    path, archive = tmp_path / "flipped.zip", zipped("歌.txt", method=method)
    answers = set()
    for bit in range(8 * len(archive)):
        flipped = bytearray(archive)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        answers.add(answer_to(path))

    assert answers == {ONE_LINE, "refused"}


@settings(max_examples=50)
@given(data=st.binary(max_size=60) | st.text(max_size=30).map(str.encode))
def test_any_bytes_are_read_as_utf8_or_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(data)

    answer = answer_to(path)

    if answer != "refused":
        assert answer.split() == data.decode("utf-8-sig").split() and not {"\n", "\r"} & set(answer)


@pytest.mark.parametrize("name", ["long.txt", "long.zip"])
def test_a_text_of_more_than_max_bytes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(zipped("a.txt", text="a" * 1001) if name.endswith("zip") else b"a" * 1001)
    patch_everywhere(monkeypatch, "MAX_BYTES", 1001)
    assert load_corpus(path) == "a" * 1001

    patch_everywhere(monkeypatch, "MAX_BYTES", 1000)

    check_refused(path, "holds 1,001 bytes: give at most 1,000")


@pytest.mark.parametrize(
    ("name", "data"),
    {
        "plain.txt": SONG.encode(),
        "no suffix": SONG.encode(),
        "bom.txt": SONG.encode("utf-8-sig"),
        "crlf.txt": SONG.replace("\n", "\r\n").encode(),
        "cr.txt": SONG.replace("\n", "\r").encode(),
        "deflated.zip": zipped("a.txt"),
        "stored.ZIP": zipped("folder/a.TXT", method=zipfile.ZIP_STORED),
        "zip by its content.txt": zipped("歌.txt"),
        "mac.zip": zipped("a.txt", "__MACOSX/._a.txt", "__MACOSX/a.txt", ".DS_Store"),
        "comment.zip": zipped("a.txt")[:-2] + b"\xff\xff" + b"c" * 65535,
        "behind a program.zip": b"#!/bin/sh\n" + zipped("a.txt"),
        "bom and crlf.zip": zipped("a.txt", "readme.md", text="\ufeff" + SONG.replace("\n", "\r\n")),
    }.items(),
)
def test_a_good_file_is_one_line_of_text_and_nothing_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    monkeypatch.chdir(tmp_path)

    assert load_corpus(path) == load_corpus(name) == ONE_LINE
    assert load_corpus(path, max_chars=4) == ONE_LINE[:4]
    assert files_under(tmp_path) == [path]


def test_one_character_is_a_corpus_and_escapes_in_it_are_characters(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for text in ("歌", "aaaa", r"\ud800 \u0000", "\x1b[31m\u202e\u2028\x85"):
        path.write_bytes(text.encode())

        assert load_corpus(path) == text


# Long texts: read, counted and looked up block by block.


def run_on(path: Path, **options: Any) -> Run:
    return Run(Settings(corpus=(str(path),), batch_size=1, num_steps=1, hidden_dim=2, pred_len=1, **options))


def result_or_error(call: Callable, argument: Any) -> Any:
    try:
        return call(argument)
    except ValueError as error:
        return str(error)


@pytest.fixture(params=[4, 7])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    patch_everywhere(monkeypatch, "BLOCK", request.param)
    return request.param


@pytest.mark.parametrize("archived", [False, True])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])  # block stays
@given(data=st.binary(max_size=20) | st.text(st.sampled_from("a好😀\r\n\ufeff"), max_size=12).map(str.encode))
def test_blocks_leave_no_trace_in_a_text(
    tmp_path_factory: pytest.TempPathFactory, block: int, data: bytes, archived: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / ("blocks.zip" if archived else "blocks.txt")
    path.write_bytes(zipped("a.txt", text=data) if archived else data)

    expected = re.sub("\r\n|\r|\n", " ", data.decode("utf-8-sig", errors="replace"))
    is_zip = data.startswith(b"PK\3\4") and not archived
    if "\ufffd" in expected or "\0" in expected or not expected.strip() or is_zip:
        expected = "refused"

    assert answer_to(path) == expected
    if expected != "refused":
        for max_chars in range(len(expected) - len(expected.lstrip()) + 1, len(expected) + 2):
            read = corpora.read_corpus(path, keep=2 * max_chars)
            assert one_line(read)[:max_chars] == expected[:max_chars]
            assert len(read) <= 2 * max_chars


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("好雨知".encode() + b"a\xff", r"\(byte 0xff at 10\)"),
        ("\ufeff好雨知".encode()[:-1], r"\(byte 0xe7 at 9\)"),
        (b"a" * 26 + "好".encode()[:2], r"\(byte 0xe5 at 26\)"),
        ("好雨".encode() + b"\0", "NUL byte at 6"),
        (b"a" * 21 + "好雨".encode("gbk"), r"\(byte 0xba at 21\), perhaps .*gbk, .*好雨"),
        ("好雨知时节".encode("gbk"), r"at 0\), perhaps gbk"),
    ],
    ids=["bad byte", "cut", "cut where a block ends", "NUL", "GBK after ASCII", "GBK"],
)
def test_what_is_wrong_is_found_where_it_is_in_the_file(
    tmp_path: Path, block: int, data: bytes, why: str
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(data)

    check_refused(path, why)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(st.characters()),
    other=st.text(st.characters()),
    min_freq=st.integers(1, 3) | st.just(10**30),
)
def test_a_long_text_has_the_indices_that_encode_gives_it(
    block: int, text: str, other: str, min_freq: int
) -> None:
    assert list(corpora.count_characters(text).items()) == sorted(Counter(text).items())
    for unk in (False, True):
        vocab = Vocab(text, min_freq=min_freq, unk=unk)
        assert vocab.idx_to_char[unk:] == sorted(c for c, count in Counter(text).items() if count >= min_freq)
        for message in (text, other, ""):
            indices, expected = (result_or_error(way, message) for way in (vocab.to_indices, vocab.encode))
            if isinstance(indices, np.ndarray):
                assert (indices.dtype, indices.shape) == (np.int32, (len(message),))
                indices = indices.tolist()
            assert indices == expected
    with pytest.raises(TypeError, match="text is a list: give a str"):
        vocab.to_indices(["a"])  # type: ignore[arg-type]


def test_progress_is_told_the_shares_of_the_file(tmp_path: Path, block: int) -> None:
    for path, data in ((tmp_path / "a.txt", SONG.encode()), (tmp_path / "a.zip", zipped("a.txt"))):
        path.write_bytes(data)
        shares: list[float] = []

        assert corpora.read_corpus(path, progress=shares.append) == SONG

        assert sum(shares) == pytest.approx(1)
        assert len(shares) == -(-len(SONG.encode()) // block)


@pytest.mark.parametrize("max_chars", [None, 7])
def test_a_run_trains_on_what_load_corpus_and_encode_give(
    tmp_path: Path, block: int, max_chars: int | None
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(SONG.replace("\n", "\r\n").encode())
    text = load_corpus(path, max_chars=max_chars, lines="keep")

    run = run_on(path, heldout=0.4, max_chars=max_chars)

    assert [*run.dataset.train_indices, *run.dataset.heldout_indices] == Vocab(text).encode(text)
    assert run.dataset.train_indices.dtype == np.int32
    assert run.dataset.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert run.dataset.prefixes == ("风吹过山岗",)


@pytest.mark.parametrize("seconds_a_block", [0.1, 0.6])
def test_a_bar_is_shown_on_a_terminal_when_reading_takes_more_than_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds_a_block: float
) -> None:
    (tmp_path / "a.txt").write_text(SONG)
    clock, terminal = [0.0], io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("tqdm.std.time", lambda: clock[0])
    monkeypatch.setattr("tqdm.tqdm.monitor_interval", 0)  # no thread
    patch_everywhere(monkeypatch, "BLOCK", 8)  # four blocks
    decode = encodings.codecs.getincrementaldecoder("utf-8")

    class SlowDecoder(decode):  # type: ignore[misc, valid-type]
        def decode(self, data: bytes, final: bool = False) -> str:
            clock[0] += seconds_a_block
            return super().decode(data, final)

    monkeypatch.setattr(encodings.codecs, "getincrementaldecoder", lambda _: SlowDecoder)

    run_on(tmp_path / "a.txt", heldout=0)

    shown = terminal.getvalue()
    percentages = [int(found) for found in re.findall(r"reading +(\d+)%\|", shown)]
    assert bool(percentages) == (seconds_a_block > 0.5)
    assert percentages == sorted(percentages)
    assert not percentages or percentages[0] < 33 < percentages[-1]  # it is read, counted and looked up
    assert shown.split("\r")[-1].strip() == ""  # nothing of it stays


@pytest.mark.slow
def test_a_long_text_takes_less_than_8_bytes_a_character_above_its_file(tmp_path: Path) -> None:
    paths = [tmp_path / f"{kind}.txt" for kind in benchmark.KINDS]
    for path in paths:
        benchmark.write_text(path, path.stem, 20 * 10**6)

    for path, (num_chars, peak, _) in zip(paths, benchmark.peak_bytes(paths)):
        assert num_chars > 7 * 10**6
        assert peak < path.stat().st_size + 8 * num_chars, path.stem


def test_the_ways_that_are_compared_come_to_the_same() -> None:
    seconds = benchmark.loading_seconds(10**5, "emoji", repeats=1)

    assert {"ours", "limit", "numpy.unique", "Counter and dict"} < seconds.keys()
    assert {len(runs) for runs in seconds.values()} == {1}


# From here on: many files, and texts of all kinds.


KEEP = documents.Manner("keep", "NFC")


def write(folder: Path, **texts: "str | bytes") -> list[Path]:
    """Files of these names, "_" for ".", in their order."""
    paths = [folder / name.replace("_", ".") for name in texts]
    for path, text in zip(paths, texts.values()):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return paths


def read(*sources: "str | Path", manner: Any = KEEP, **options: Any) -> Any:
    return corpora.read_texts(sources, manner, **options)


@given(
    texts=st.lists(
        st.text(st.sampled_from("ae\n\r \u0301好"), min_size=1, max_size=6), min_size=1, max_size=4
    ),
    max_chars=st.none() | st.integers(1, 20),
)
@settings(max_examples=60)
def test_documents_are_parted_by_one_blank_line_and_cut_as_one_text(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], max_chars: "int | None"
) -> None:
    folder = tmp_path_factory.mktemp("many")
    texts = ["x" + text for text in texts]  # none of them is blank
    paths = write(folder, **{f"{i}_txt": text for i, text in enumerate(texts)})
    prepared = [corpora.prepare(text, lines="keep", normalize="NFC") for text in texts]
    whole = prepared[0]
    for text in prepared[1:]:
        whole += "\n" * (2 - min(len(whole) - len(whole.rstrip("\n")), 2)) + text
    whole = whole[:max_chars]

    found = read(*paths, max_chars=max_chars)

    assert found.text == whole
    assert found.sha256 == hashlib.sha256(whole.encode()).hexdigest()
    spaces = read(*paths, manner=KEEP._replace(lines="space"), max_chars=max_chars)
    assert spaces.text == whole.replace("\n", " ")
    assert len(load_corpus(paths[0])) == len(one_line(texts[0]))
    for read_one, text in zip(found.documents, prepared):
        used = found.text[read_one.start : read_one.end]
        assert text.startswith(used) and (used == text or read_one == found.documents[-1])
        assert read_one.sha256 == hashlib.sha256(used.encode()).hexdigest()
    if max_chars is None:
        assert [document.name for document in found.documents] == [path.name for path in paths]


@given(
    text=st.text() | st.text(st.sampled_from("ae\n\r \u0301\ufeff好ᄀ\u1161"), max_size=20),
    cuts=st.lists(st.integers(0, 20)),
    form=st.sampled_from(corpora.FORMS),
)
@example(text="a\r\nb", cuts=[3], form="NFC")
@example(text="a\r\nb", cuts=[2], form="none")
@example(text="\u1100\u1161b", cuts=[2], form="NFC")
def test_a_text_is_prepared_alike_in_one_piece_and_in_many(text: str, cuts: list[int], form: str) -> None:
    for lines in corpora.LINES:
        whole = corpora.prepare(text, lines=lines, normalize=form)
        marks = (lines, form) == ("space", "none")
        preparer = importlib.import_module("d2lrnn.corpora.preparing").Preparer(form, marks=marks)
        places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
        pieces = [preparer.feed(text[a:b]) for a, b in zip(places, places[1:])] + [
            preparer.feed("", last=True)
        ]

        assert "".join(pieces).replace("\n", "\n" if lines == "keep" else " ") == whole
        assert corpora.prepare(whole, lines=lines, normalize=form) == whole  # once is enough
        assert unicodedata.is_normalized(form, whole) if form != "none" else True


@pytest.mark.parametrize(
    ("text", "options", "prepared"),
    [
        ("a\r\nb\rc\n\rd", {"lines": "keep"}, "a\nb\nc\n\nd"),
        ("a\r\nb\rc\n\rd", {"lines": "space"}, "a b c  d"),
        ("a\u2028b\x0bc\x0cd\x85e", {"lines": "keep"}, "a\u2028b\x0bc\x0cd\x85e"),  # these are characters
        ("e\u0301\u1100\u1161\u11a8", {"lines": "keep", "normalize": "NFC"}, "é각"),
        ("e\u0301", {"lines": "keep"}, "e\u0301"),
        ("ﬁ①", {"lines": "keep", "normalize": "NFKC"}, "fi1"),
        ("\ufeffa\n\ufeffb", {"lines": "keep"}, "a\nb"),
        ("e\ufeff\u0301", {"normalize": "NFC"}, "é"),
        ("a\ufeffb", {}, "a\ufeffb"),  # the tutorial's way changes nothing but line ends
    ],
    ids=ascii,
)
def test_line_ends_normal_forms_and_marks(text: str, options: dict[str, str], prepared: str) -> None:
    assert corpora.prepare(text, **options) == prepared


def test_a_folder_is_read_in_order_and_what_is_left_out_is_named(tmp_path: Path) -> None:
    nul, packed = b"\x89PNG\r\n\x1a\n\0", gzip.compress(b"packed\n")
    write(tmp_path, b_txt="b\n", a_py="a\n", B_txt="B\n", _hidden="no", c_gz=packed, d_png=nul, e_txt="")
    write(tmp_path / "b", z_md="z\n")
    write(tmp_path / ".git", x="no")
    write(tmp_path / "run", config_json="{}", samples_txt="no")
    (tmp_path / "run" / "checkpoints").mkdir()
    (tmp_path / "again").symlink_to(tmp_path / "b")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "fifo")

    found = read(tmp_path)

    assert found.text == "B\n\na\n\nz\n\nb\n\npacked\n"
    top = tmp_path.name
    assert [document.name for document in found.documents] == [
        f"{top}/{name}" for name in ("B.txt", "a.py", "b/z.md", "b.txt", "c.gz")
    ]
    (note,) = found.notes
    for left_out in (
        "git (hidden)",
        "hidden (hidden)",
        "again (a link to a folder)",
        "d.png (no text)",
        "and 2 others",
    ):
        assert left_out in note
    assert load_corpus_with_notes(tmp_path) == (found.text.replace("\n", " "), [note])


def load_corpus_with_notes(*sources: "str | Path") -> tuple[str, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        text = load_corpus(list(sources) if len(sources) > 1 else sources[0])
    return text, [str(warning.message) for warning in caught]


@pytest.mark.parametrize("name", ["[1]", "a*b", "plain"])
def test_a_pattern_that_no_shell_has_expanded_is_expanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tmp_path / name
    write(folder, b_txt="b", a_txt="a", c_md="c")
    write(folder / "deep", d_txt="d")
    monkeypatch.chdir(folder)

    assert read(corpora.whole_path("*.txt")).text == "a\n\nb"
    assert read(corpora.whole_path("**/*.txt")).text == "a\n\nb\n\nd"
    assert read(corpora.whole_path("[ab].txt")).text == "a\n\nb"
    assert read("*.txt", Path("c.md")).text == "a\n\nb\n\nc"
    with pytest.raises(FileNotFoundError, match=r"'\*\.rst' matches no file"):
        read("*.rst")
    write(folder, **{"*_txt": "a star"})  # a file that is called so is meant
    assert read("*.txt").text == "a star"


def test_what_is_twice_empty_or_named_again_is_told(tmp_path: Path) -> None:
    one, two, blank, other = write(tmp_path, a_txt="a", b_txt="a", c_txt=" \r\n", d_txt="d")
    (tmp_path / "link.txt").symlink_to(other)

    found = read(one, two, blank, other, one, tmp_path / "link.txt")

    assert found.text == "a\n\na\n\nd"
    again, empty, same = found.notes
    assert again == "a.txt, link.txt: the same file is named again, and is read once"
    assert empty == "without text, and left out: c.txt"
    assert same.startswith("the same text twice, and used twice: b.txt (as a.txt)")
    with pytest.raises(ValueError, match=r"c\.txt' holds no text"):
        read(blank)
    with pytest.raises(FileNotFoundError, match="is a directory without a text in it"):
        read(*write(tmp_path / "x" / ".hidden", a="a")[:0], tmp_path / "x")


PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_packed_text_is_read_like_the_text_itself(tmp_path: Path, suffix: str) -> None:
    pack, text = PACKERS[suffix], SONG * 5000
    path, by_content = tmp_path / f"a.txt.{suffix}", tmp_path / "a"
    by_content.write_bytes(pack(text.encode()))
    path.write_bytes(pack(text[:9].encode()) + pack(text[9:].encode()))  # two parts are one text

    shares: list[float] = []
    assert read(path, progress=shares.append).text == read(by_content).text == text
    assert sum(shares) == pytest.approx(1)
    assert read(path, max_chars=20).text == text[:20]

    path.write_bytes(pack(text.encode())[:-9])
    check_refused(path, "cannot be read as a (gzip|bzip2|xz) file")
    path.write_text(SONG)
    check_refused(path, "cannot be read as a (gzip|bzip2|xz) file")
    path.write_bytes(pack(bytes(257) + b"ustar" + bytes(300)))
    check_refused(path, "is a tar archive: unpack it and give the folder")


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_packed_bomb_is_refused_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    path = tmp_path / f"bomb.{suffix}"
    path.write_bytes(PACKERS[suffix](b"a" * 2**22))
    patch_everywhere(monkeypatch, "FREE_BYTES", 2**20)
    patch_everywhere(monkeypatch, "SWELLING", 1)

    check_refused(path, "unpacks from [0-9,]+ bytes to more than 1,048,576: not read further")
    assert load_corpus(path, max_chars=9) == "a" * 9


def test_an_xz_that_asks_for_much_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xz"
    filters = [
        {
            "id": lzma.FILTER_LZMA2,
            "dict_size": 2**29,
            "mode": lzma.MODE_FAST,
            "mf": lzma.MF_HC3,
            "nice_len": 3,
        }
    ]
    path.write_bytes(
        forged_xz_dictionary(lzma.compress(SONG.encode(), filters=[{**filters[0], "dict_size": 2**12}]))
    )

    check_refused(path, "cannot be read as a xz file .*[Mm]emory")


def forged_xz_dictionary(data: bytes) -> bytes:
    """An .xz whose block says that it refers 1 GiB back."""
    head = bytearray(data[12:24])
    head[4] = 36  # 2 << (36 // 2 + 11)
    head[8:12] = zlib.crc32(head[:8]).to_bytes(4, "little")
    return data[:12] + bytes(head) + data[24:]


def test_a_zip_of_many_texts_is_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    path = tmp_path / "poems.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("b/2.txt", "b.txt", "a.TXT", ".hidden.txt", "__MACOSX/a.txt", "readme.md"):
            archive.writestr(name, name)

    found = read(path)

    assert found.text == "a.TXT\n\nb/2.txt\n\nb.txt"
    assert [document.name for document in found.documents] == [
        f"poems.zip/{name}" for name in ("a.TXT", "b/2.txt", "b.txt")
    ]
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("c.txt", "déjà".encode("latin-1"))
    with pytest.raises(ValueError, match=r"poems\.zip', 'c\.txt' in it is not UTF-8 text \(byte 0xe9 at 1\)"):
        read(path)
    path.write_bytes(zipped("a.py", "b.py", text="def f():\n    pass\n"))
    assert load_corpus_with_notes(path)[0].startswith("def f():     pass  def f()")


RECORD = '{"id": 1, "text": "one\\r\\ntwo e\\u0301"}\n'


def test_the_records_of_a_jsonl_are_documents(tmp_path: Path) -> None:
    manner = KEEP._replace(field="text")
    (path,) = write(tmp_path, a_jsonl=RECORD + "\n" + '{"text": "three"}\r\n{"text": ""}')

    found = read(path, manner=manner)

    assert found.text == "one\ntwo é\n\nthree"
    assert [document.name for document in found.documents] == ["a.jsonl:1", "a.jsonl:3"]
    assert found.notes == ["without text, and left out: a.jsonl:4"]
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert read(tmp_path / "a.jsonl.gz", manner=manner).text == found.text
    with pytest.raises(
        ValueError, match=r"a\.jsonl' holds records: name the field .*--field NAME, of 'id', 'text'"
    ):
        read(path)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "line 2: not JSON"),
        ("[" * 10**5, "line 2: not JSON"),
        ("[1]", "line 2: a list, but an object"),
        ('"a"', "line 2: a string, but an object"),
        ('{"body": "a", "id": 1}', "line 2: no field 'text', but 'body', 'id'"),
        ('{"text": null}', "line 2: 'text' is a null, but a text is expected"),
        ('{"text": ["a"]}', "line 2: 'text' is a list, but a text is expected"),
        (r'{"text": "\ud800"}', "line 2: 'text' holds a NUL or half of a character"),
        (r'{"text": "\u0000"}', "line 2: 'text' holds a NUL or half of a character"),
    ],
)
def test_a_bad_record_is_named_by_its_line(tmp_path: Path, line: str, why: str) -> None:
    (path,) = write(tmp_path, a_jsonl=RECORD + line)

    with pytest.raises(ValueError, match=rf"a\.jsonl', {why}"):
        read(path, manner=KEEP._replace(field="text"))


class Counted(io.FileIO):
    """An open file that counts the bytes that are read."""

    count = 0

    def readinto(self, buffer: Any) -> int:
        num_bytes = super().readinto(buffer) or 0
        Counted.count += num_bytes
        return num_bytes


@pytest.mark.parametrize(
    "name", ["a.txt", "a.gz", "a.bz2", pytest.param("a.xz", marks=pytest.mark.slow), "a.zip", "a.jsonl"]
)
def test_max_chars_reads_no_more_than_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    rng = np.random.default_rng(0)
    text = "".join(map(chr, rng.integers(0x4E00, 0x9000, 10**6))) + "\n"
    data = json.dumps({"text": text}).encode() + b"\n" if name == "a.jsonl" else text.encode()
    data = data * 3 if name == "a.jsonl" else data + b"\xff"
    suffix = name.split(".")[1]
    packed = zipped("a.txt", text=data) if suffix == "zip" else PACKERS.get(suffix, lambda data: data)(data)
    path = tmp_path / name
    path.write_bytes(packed)
    monkeypatch.setattr(
        files, "open", lambda path, *_, **__: io.BufferedReader(Counted(path), 2**13), raising=False
    )
    Counted.count = 0
    manner = KEEP._replace(field="text") if suffix == "jsonl" else KEEP

    assert read(path, max_chars=5000, manner=manner).text == text[:5000]

    # some come in large blocks, .gz since Python 3.12
    most = len(packed) // 2 if suffix in ("bz2", "gz", "jsonl", "xz") else 2**15
    assert Counted.count < most


def test_max_chars_looks_at_no_byte_behind_them(tmp_path: Path) -> None:
    for text in ("a" * 50, "好雨知时节" * 10, "a\r\n" * 20, "e\u0301x" * 20):
        (path,) = write(tmp_path, a_txt=text.encode() + b"\xff\0" * 9)
        used = corpora.prepare(text, lines="keep", normalize="NFC")[:30]
        assert read(path, max_chars=30).text == used
    os.truncate(path, 2**40)
    assert read(path, max_chars=9).text == used[:9]


ENCODED = {
    "cp1252": "Die Straße führt über die Brücke, und der König grüßte höflich die Mädchen.",
    "latin-1": "schöne Grüße",
    "shift_jis": "吾輩は猫である。名前はまだ無い。",
    "euc_jp": "春の海ひねもすのたりのたりかな",
    "euc_kr": "나 보기가 역겨워 가실 때에는 말없이 고이 보내 드리우리다",
    "cp949": "진달래꽃",
    "gbk": "好雨知时节，当春乃发生。随风潜入夜，润物细无声。",
    "gb18030": "明月几时有",
    "big5": "床前明月光，疑是地上霜。舉頭望明月，低頭思故鄉。",
    "koi8-r": "Я помню чудное мгновенье",
    "cp1251": "Мой дядя самых честных правил, когда не в шутку занемог",
    "cp866": "Белеет парус одинокой",
    "cp1250": "Příliš žluťoučký kůň úpěl ďábelské ódy",
    "iso8859_2": "Litwo! Ojczyzno moja! ty jesteś jak zdrowie; ile cię trzeba cenić",
    "cp1253": "Στο περιγιάλι το κρυφό κι άσπρο σαν περιστέρι",
    "cp1256": "قفا نبك من ذكرى حبيب ومنزل",
    "utf-16-le": "how are you, my lord?",
    "utf-16-be": "나 보기가 역겨워 가실 때에는",
}


@pytest.mark.parametrize("times", [1, 300])
@pytest.mark.parametrize("encoding", ENCODED)
def test_the_encoding_of_a_text_is_guessed_and_obeying_gives_the_text(
    tmp_path: Path, encoding: str, times: int
) -> None:
    text = f"{ENCODED[encoding]}\n" * times
    (path,) = write(tmp_path, a_txt=text.encode(encoding))

    with pytest.raises(ValueError, match=r"is not UTF-8 text") as caught:
        read(path)
    message = str(caught.value)
    (guess,) = re.findall(r"\(--encoding (\S+)\)$", message)

    assert read(path, manner=KEEP._replace(encoding=guess)).text == text
    assert repr(ENCODED[encoding][:20]).strip("'") in message
    assert read(path, manner=KEEP._replace(encoding=encoding)).text == text
    assert "\n" not in message


@pytest.mark.parametrize(("encoding", "text"), [("koi8-r", "МОСКВА"), ("euc_jp", "東京都"), ("big5", "中文")])
def test_of_a_few_letters_the_likeliest_encodings_are_named(tmp_path: Path, encoding: str, text: str) -> None:
    (path,) = write(tmp_path, a_txt=text.encode(encoding))

    check_refused(path, r"perhaps \S+, and would then begin '.*'; or \S+, and would then begin '.*'; or ")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (
            "naïve café, déjà vu: ".encode() + b"\xff" + " à la carte".encode(),
            "and all around it is: is the file damaged",
        ),
        (b"%PDF-1.7\n\xe2\xe3\xcf\xd3\n", "is a PDF: save it as text"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "is an old Office document"),
        (b"\x28\xb5\x2f\xfd\x04", "is packed with zstd"),
        (
            b"a" * 10**6 + "größer\n".encode("cp1252"),
            "at 1000002.*perhaps cp1252, and would then read there 'a*größer'",
        ),
    ],
    ids=["damaged", "PDF", "doc", "zstd", "after much ASCII"],
)
def test_what_is_no_text_is_told_by_its_kind(tmp_path: Path, data: bytes, why: str) -> None:
    (path,) = write(tmp_path, a_txt=data)

    check_refused(path, why)


@pytest.mark.parametrize(
    "name", ["nope", "rot13", "base64", "zlib", "idna", "punycode", "unicode_escape", "a\0b", "", "é" * 99]
)
def test_what_is_no_encoding_of_a_file_is_refused(name: str) -> None:
    with pytest.raises(
        ValueError, match=r"encoding '.*' is (unknown|not a text encoding): give one such as"
    ) as caught:
        read("lyrics", manner=KEEP._replace(encoding=name))
    assert "\n" not in str(caught.value)


def test_an_encoding_is_of_the_users_files_and_a_mark_is_no_character(tmp_path: Path) -> None:
    gbk, wrong = write(tmp_path, a_txt=SONG.encode("gbk"), b_txt=b"a\xff\xff")
    manner = KEEP._replace(encoding="GBK")

    assert read(gbk, "lyrics", manner=manner).text.startswith(f"{SONG}\n十一点四十")
    with pytest.raises(ValueError, match=r"b\.txt' is not GBK text \(byte 0xff at 1\)"):
        read(wrong, manner=manner)
    for encoding in ("utf-8", "utf-16", "utf-16-le", "utf-32"):
        (path,) = write(tmp_path, c_txt=("\ufeff" * (encoding == "utf-16-le") + SONG).encode(encoding))
        assert read(path, manner=KEEP._replace(encoding=encoding)).text == SONG
        assert load_corpus(path, encoding=encoding, lines="keep") == SONG
    with pytest.raises(ValueError, match="holds a NUL character when it is read as latin-1"):
        read(path, manner=KEEP._replace(encoding="latin-1"))


# From here on: corpora that are fetched, from a publisher on this machine.


class Publisher(ThreadingHTTPServer):
    """A server that remembers what it was asked for, and answers a path with the function given for it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.answers: dict[str, Callable[[Any], object]] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.closing = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader who hangs up is no fault of ours."""


class Answering(BaseHTTPRequestHandler):
    server: Publisher

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.headers.append(dict(self.headers))
        self.server.answers[self.path](self)

    do_CONNECT = do_GET  # what a proxy is asked for https

    def log_message(self, *args: Any) -> None:
        pass


def answer(
    body: bytes = b"", status: int = 200, seconds_a_byte: float = 0, **headers: Any
) -> Callable[[Answering], None]:
    def send(request: Answering) -> None:
        request.send_response(status)
        for name, value in {"Content_Length": len(body), **headers}.items():
            request.send_header(name.replace("_", "-"), str(value))
        request.end_headers()
        pieces = [body[i : i + 1] for i in range(len(body))] if seconds_a_byte else [body]
        for piece in pieces:
            request.wfile.write(piece)
            if request.server.closing.wait(seconds_a_byte):
                break

    return send


def redirect(address: str, status: int = 302) -> Callable[[Answering], None]:
    return answer(status=status, Location=address)


def in_chunks(*chunks: bytes) -> Callable[[Answering], None]:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return answer(body, Transfer_Encoding="chunked")


def hang(request: Answering) -> None:
    request.server.closing.wait()


def hang_after_a_byte(request: Answering) -> None:
    answer(b"a", Content_Length=2)(request)
    hang(request)


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """Publishes "jaychou" at two addresses; this machine has neither data/ nor a cache yet."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    server = Publisher()
    (tmp_path / "here").mkdir()
    (tmp_path / "project").mkdir()
    publish_at(monkeypatch, f"{server.url}/first.txt", f"{server.url}/second.txt")
    patch_everywhere(monkeypatch, "OURS", tmp_path / "project" / "data" / "lyrics.txt")
    monkeypatch.setattr(fetching, "CONNECT_SECONDS", 60)  # on a busy machine, too
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path / "here")
    server.answers = {"/first.txt": answer(SONG.encode()), "/second.txt": answer(status=404)}
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    thread.join()
    server.server_close()


def publish_at(monkeypatch: pytest.MonkeyPatch, *urls: str) -> None:
    sha256 = hashlib.sha256(SONG.encode()).hexdigest()
    patch_everywhere(
        monkeypatch, "REMOTES", {"jaychou": [fetching.Remote(url, sha256, "a note") for url in urls]}
    )


def check_not_fetched(why: str, tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=rf"'jaychou'.*\(.*({why}).*\): put the file into data/"
    ) as caught:
        load_corpus("jaychou")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache").glob("*/*")) == []


def test_a_corpus_is_fetched_once_with_a_note_on_stderr(
    publisher: Publisher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load_corpus("jaychou") == ONE_LINE
    first = capsys.readouterr()
    assert load_corpus("jaychou") == ONE_LINE
    second = capsys.readouterr()

    assert publisher.asked == ["/first.txt"]
    assert (first.out, first.err) == ("", f"fetching {publisher.url}/first.txt\n(a note)\n")
    assert (second.out, second.err) == ("", "")
    assert [path.name for path in (tmp_path / "cache").glob("*/*")] == ["32167f22-first.txt"]


def test_a_terminal_shows_how_much_has_come(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", terminal)

    load_corpus("jaychou")

    assert f"/{len(SONG.encode())}.0" in terminal.getvalue()
    assert terminal.getvalue().split("\r")[-1].strip() == ""  # nothing of it stays


REFUSED: dict[str, tuple[Callable[[Answering], object], str]] = {
    "missing": (answer(status=404), "HTTP status 404"),
    "faulty": (answer(status=500), "HTTP status 500"),
    "cut": (answer(SONG.encode()[:-4], Content_Length=len(SONG.encode())), "was lost"),
    "chunks cut": (in_chunks(SONG.encode()), "was lost"),
    "other": (answer(b"something else"), "sha256"),
    "empty": (answer(), "sha256"),
    "not compressed": (answer(SONG.encode(), Content_Encoding="gzip"), "was lost"),
    "no http": (lambda request: request.wfile.write(b"\xff\n" * 99), "no connection, or it was lost"),
    "no answer": (lambda request: None, "no connection, or it was lost"),
    "a strange length": (answer(SONG.encode()[:9], Content_Length="many"), "sha256"),
    "redirected for ever": (redirect("first.txt"), "HTTP status 302, redirects without end"),
    "redirected nowhere": (answer(status=302), "HTTP status 302, redirects"),
    "redirected to a file": (
        redirect("file:///etc/hostname"),
        "HTTP status 302, redirects.* no web address",
    ),
    "redirected to data": (redirect("data:text/plain,a"), "HTTP status 302, redirects.* no web address"),
    "redirected to ftp": (redirect("ftp://127.0.0.1/a"), "HTTP status 302, redirects.* no web address"),
    "redirected to no address": (redirect("http://["), "Invalid IPv6 URL"),
    "redirected to no port": (redirect("http://127.0.0.1:a/"), "no connection|port"),
}


@pytest.mark.parametrize(("reply", "why"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_fetched_whole_is_reported_and_not_kept(
    publisher: Publisher, tmp_path: Path, reply: Callable[[Answering], object], why: str
) -> None:
    publisher.answers["/first.txt"] = reply

    check_not_fetched(why, tmp_path)


@pytest.mark.parametrize("reply", [hang, hang_after_a_byte])
def test_a_silent_server_is_given_up_after_connect_seconds(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: Callable[[Answering], None]
) -> None:
    monkeypatch.setattr(fetching, "CONNECT_SECONDS", 0.5)
    publisher.answers["/first.txt"] = reply

    check_not_fetched("no answer in time", tmp_path)


def test_a_body_that_drips_is_given_up_after_fetch_seconds(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "FETCH_SECONDS", 0.2)
    publisher.answers["/first.txt"] = answer(SONG.encode(), seconds_a_byte=0.1)  # whole after 4 seconds

    check_not_fetched("no answer in time", tmp_path)


def test_a_body_of_more_than_max_fetch_bytes_is_given_up(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "MAX_FETCH_BYTES", 20)

    check_not_fetched("more than 20 bytes", tmp_path)


def test_a_body_in_chunks_is_read(publisher: Publisher) -> None:
    publisher.answers["/first.txt"] = in_chunks(SONG.encode()[:7], SONG.encode()[7:], b"")

    assert load_corpus("jaychou") == ONE_LINE


def test_a_body_that_is_compressed_though_not_asked_for_is_read(publisher: Publisher) -> None:
    publisher.answers["/first.txt"] = answer(gzip.compress(SONG.encode()), Content_Encoding="gzip")

    assert load_corpus("jaychou") == ONE_LINE
    assert publisher.headers[0]["Accept-Encoding"] == "identity"


def test_a_compressed_body_swells_to_no_more_than_max_fetch_bytes(
    publisher: Publisher, tmp_path: Path
) -> None:
    publisher.answers["/first.txt"] = answer(gzip.compress(bytes(10**8)), Content_Encoding="gzip")

    tracemalloc.start()
    try:
        check_not_fetched("sha256", tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 4 * fetching.MAX_FETCH_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(publisher: Publisher, status: int) -> None:
    publisher.answers["/elsewhere"] = answer(SONG.encode())
    publisher.answers["/first.txt"] = redirect("/elsewhere", status)

    assert load_corpus("jaychou") == ONE_LINE


def test_the_body_of_a_redirect_is_not_waited_for(publisher: Publisher) -> None:
    def redirect_at_length(request: Answering) -> None:
        answer(status=302, Location="/elsewhere", Content_Length=2**40)(request)
        request.server.closing.wait(20)
        request.server.answers["/elsewhere"] = answer(status=500)  # who has waited has lost

    publisher.answers["/elsewhere"] = answer(SONG.encode())
    publisher.answers["/first.txt"] = redirect_at_length

    assert load_corpus("jaychou") == ONE_LINE


def test_without_a_connection_the_user_is_told_to_put_the_file_into_data(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        publish_at(monkeypatch, f"http://127.0.0.1:{unused.getsockname()[1]}/a.txt")

    check_not_fetched("no connection", tmp_path)


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_proxy_is_asked_and_told_its_password_alone(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    publish_at(monkeypatch, "http://publisher.invalid/first.txt")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")  # for schemes that have none of their own
    monkeypatch.setenv(variable, publisher.url.replace("//", "//me:secret@"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    publisher.answers["http://publisher.invalid/first.txt"] = redirect(f"{publisher.url}/first.txt")

    assert load_corpus("jaychou") == ONE_LINE

    assert publisher.asked == ["http://publisher.invalid/first.txt", "/first.txt"]
    assert [headers.get("Proxy-Authorization") for headers in publisher.headers] == [
        "Basic bWU6c2VjcmV0",
        None,
    ]


@pytest.mark.parametrize("variable", ["https_proxy", "ALL_PROXY"])
def test_a_proxy_is_asked_for_a_way_to_https(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    publish_at(monkeypatch, "https://publisher.invalid/first.txt")
    monkeypatch.setenv(variable, publisher.url)
    publisher.answers["publisher.invalid:443"] = answer(status=407)

    check_not_fetched("no connection, or it was lost", tmp_path)

    assert publisher.asked == ["publisher.invalid:443"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_socks_proxy_is_refused_where_it_is_in_the_way(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5h://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    remotes = fetching.REMOTES
    publish_at(monkeypatch, f"{scheme}://publisher.invalid/first.txt")

    check_not_fetched(f"SOCKS: set {scheme}_proxy to an HTTP proxy", tmp_path)

    patch_everywhere(monkeypatch, "REMOTES", remotes)
    assert load_corpus("jaychou") == ONE_LINE


@pytest.fixture
def certificate(publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """From here on the publisher speaks https, with a certificate that nobody knows, for 127.0.0.1."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    path = tmp_path / "certificate.pem"
    subject = (
        "-subj /CN=d2lrnn -addext subjectAltName=IP:127.0.0.1 -addext keyUsage=digitalSignature,keyCertSign"
    )
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem"
    subprocess.run([*make.split(), *subject.split(), "-out", path], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, "key.pem")
    publisher.socket = context.wrap_socket(publisher.socket, server_side=True)
    publisher.url = publisher.url.replace("http", "https")
    publish_at(monkeypatch, f"{publisher.url}/first.txt")
    return path


def test_a_server_that_nobody_vouches_for_is_refused(certificate: Path, tmp_path: Path) -> None:
    check_not_fetched("certificate is not trusted, self.signed certificate: .*set SSL_CERT_FILE", tmp_path)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_server_is_trusted_by_the_certificate_that_a_variable_names(
    publisher: Publisher, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(certificate))
    here = fetching.REMOTES
    publish_at(monkeypatch, f"{publisher.url.replace('127.0.0.1', 'localhost')}/first.txt")

    check_not_fetched("certificate is not trusted, Hostname mismatch", tmp_path)

    patch_everywhere(monkeypatch, "REMOTES", here)
    assert load_corpus("jaychou") == ONE_LINE


def test_certificates_may_lie_in_a_folder(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["openssl", "rehash", tmp_path], check=True)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))

    assert load_corpus("jaychou") == ONE_LINE


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_bundle_without_certificates_is_named(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: "str | None"
) -> None:
    bundle = tmp_path / "bundle.pem"
    if content:
        bundle.write_text(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))

    check_not_fetched("REQUESTS_CA_BUNDLE is .*bundle.pem', where there are no certificates", tmp_path)


def test_the_second_address_serves_where_the_first_fails_and_is_not_asked_again(publisher: Publisher) -> None:
    publisher.answers = {"/first.txt": answer(status=404), "/second.txt": answer(SONG.encode())}
    assert load_corpus("jaychou") == ONE_LINE
    assert publisher.asked == ["/first.txt", "/second.txt"]

    assert load_corpus("jaychou") == ONE_LINE

    assert publisher.asked == ["/first.txt", "/second.txt"]


def test_two_who_fetch_at_once_do_not_disturb_each_other(publisher: Publisher, tmp_path: Path) -> None:
    both = threading.Barrier(2, timeout=60)

    def answer_both(request: Answering) -> None:
        both.wait()
        answer(SONG.encode())(request)

    publisher.answers["/first.txt"] = answer_both

    with ThreadPoolExecutor(2) as pool:
        texts = [*pool.map(load_corpus, ["jaychou"] * 2)]

    assert texts == [ONE_LINE] * 2
    assert len([*(tmp_path / "cache").glob("*/*")]) == 1


def test_a_damaged_file_in_the_cache_is_fetched_again(publisher: Publisher, tmp_path: Path) -> None:
    load_corpus("jaychou")
    (cached,) = files_under(tmp_path / "cache")
    cached.write_text("half a so")

    assert load_corpus("jaychou") == ONE_LINE
    assert cached.read_text() == SONG and len(publisher.asked) == 2


@pytest.mark.parametrize(
    ("system", "variables", "folder"),
    [
        ("linux", {"XDG_CACHE_HOME": "/caches"}, "caches/d2lrnn"),
        ("linux", {}, ".cache/d2lrnn"),
        ("linux", {"XDG_CACHE_HOME": "caches"}, ".cache/d2lrnn"),  # the standard: what is relative is ignored
        ("darwin", {}, "Library/Caches/d2lrnn"),
        ("darwin", {"XDG_CACHE_HOME": "/caches"}, "caches/d2lrnn"),
    ],
)
def test_a_file_is_found_in_the_cache_of_the_system(
    publisher: Publisher,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    variables: dict[str, str],
    folder: str,
) -> None:
    monkeypatch.setattr(fetching.sys, "platform", system)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME")
    for name, value in variables.items():
        monkeypatch.setenv(name, value.replace("/", f"{tmp_path}/"))
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "32167f22-first.txt").write_text(SONG)

    assert load_corpus("jaychou") == ONE_LINE
    assert publisher.asked == []


def test_who_has_no_home_is_asked_for_a_cache(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)

    with pytest.raises(FileNotFoundError, match=r"no home directory.*: set XDG_CACHE_HOME"):
        load_corpus("jaychou")

    assert [*Path().iterdir()] == []


@pytest.mark.parametrize("cache", ["a file/cache", "a" * 300])
def test_a_cache_that_cannot_be_written_is_reported(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: str
) -> None:
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / cache))

    check_not_fetched("Not a directory|File name too long", tmp_path)


def test_a_disk_that_is_full_is_reported_and_keeps_no_half(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
    try:
        check_not_fetched("File too large: '[^']*first.txt';", tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("folder", ["here", "project"])
def test_the_newest_file_of_the_users_own_under_data_comes_before_fetching(
    publisher: Publisher, tmp_path: Path, folder: str
) -> None:
    data = tmp_path / folder / "data"
    data.mkdir()
    (data / "jaychou-2017-12.txt").write_text("the older song")
    (data / "jaychou-2018-05.zip").write_bytes(zipped("a.txt"))
    (data / "jaychou-2019.md").write_text("no corpus")

    assert load_corpus("jaychou") == ONE_LINE
    assert publisher.asked == []


@pytest.mark.parametrize("place", ["site-packages/d2lrnn/data", "site-packages/data"])
def test_the_corpora_that_come_with_us_are_found_beside_a_folder_of_others(
    tmp_path: Path, place: str
) -> None:
    package = tmp_path / "site-packages" / "d2lrnn"
    (package / "data").mkdir(parents=True)
    (tmp_path / "site-packages" / "data").mkdir()
    shutil.copytree(Path(corpora.__file__).parent, package / "corpora")
    ours = [names.OURS, *(names.shipped(corpus.file) for corpus in names.PACKED_CORPORA.values())]
    for path in ours:
        shutil.copy(path, tmp_path / place)

    program = "import sys; sys.path.insert(0, sys.argv[1]); from corpora.names import find_corpus;"
    program += "print(*map(find_corpus, sys.argv[2:]), sep=chr(10))"
    command = [sys.executable, "-c", program, package, "lyrics", *names.PACKED_CORPORA]
    found = subprocess.check_output(command, cwd=tmp_path, text=True).splitlines()

    assert found == [str(tmp_path / place / path.name) for path in ours]


@pytest.mark.parametrize(("name", "sha256"), TEXTS.items())
def test_a_corpus_that_comes_with_us_is_the_known_text_and_asks_no_network(
    publisher: Publisher, name: str, sha256: str
) -> None:
    text = load_corpus(name, lines="keep")

    assert hashlib.sha256(text.encode()).hexdigest() == sha256
    assert load_corpus(name) == text.replace("\n", " ")
    assert load_corpus(name, max_chars=300, lines="keep") == text[:300]
    assert publisher.asked == []


@pytest.mark.parametrize("folder", ["here", "project"])
@pytest.mark.parametrize("name", TEXTS)
def test_a_file_of_the_users_own_comes_before_the_one_that_comes_with_us(
    publisher: Publisher, tmp_path: Path, folder: str, name: str
) -> None:
    (tmp_path / folder / "data").mkdir()
    (tmp_path / folder / "data" / f"{name}-mine.txt").write_text(SONG)

    assert load_corpus(name) == ONE_LINE


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(
    ("size", "error", "why"),
    [(9, ValueError, "is damaged, its sha256"), (None, FileNotFoundError, "does not exist")],
    ids=["damaged", "missing"],
)
def test_what_came_with_us_and_is_damaged_or_missing_is_refused(
    publisher: Publisher,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    size: int | None,
    error: type[Exception],
    why: str,
) -> None:
    file = names.PACKED_CORPORA[name].file
    half = names.shipped(file).read_bytes()[:size]
    monkeypatch.setattr(names, "PACKAGE", tmp_path / "d2lrnn")
    (tmp_path / "data").mkdir()
    if size:
        (tmp_path / file).write_bytes(half)

    with pytest.raises(error, match=rf"{file}' {why}.*: install d2lrnn again$"):
        load_corpus(name)


@pytest.mark.parametrize("name", ["lyrics", "songci"])
def test_the_pieces_of_a_corpus_keep_their_lines_with_a_blank_line_between(name: str) -> None:
    number = {"lyrics": 104, "songci": 19_913}[name]

    pieces = load_corpus(name, lines="keep").strip("\n").split("\n\n")

    assert len(pieces) == len(set(pieces)) == number
    assert all(line.strip() for piece in pieces for line in piece.split("\n"))
    assert max(piece.count("\n") for piece in pieces) >= 10


def test_train_holds_the_last_tenth_of_songci_out_as_the_readme_of_the_data_says() -> None:
    dataset = load_dataset(Settings(corpus=("songci",)))
    unknown = ~np.isin(dataset.heldout_indices, dataset.train_indices)
    readme = names.shipped("data/README.md").read_text("utf-8")

    assert f"{len(dataset.heldout_indices):,}, starting in the middle of a poem. {unknown.sum()} of" in readme
    assert len(dataset.train_indices) + len(dataset.heldout_indices) == 1_769_407
    assert (
        dataset.vocab.decode(dataset.heldout_indices[:2])
        != "  "
        != dataset.vocab.decode(dataset.train_indices[-2:])
    )
