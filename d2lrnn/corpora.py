"""Where a corpus lies, and how its bytes become text: by name or by path, fetched once, opened with care.

The lyrics of Jay Chou and The Time Machine are not part of this project. They are looked for under data/,
then in the user's cache, then fetched from where their publishers keep them, and accepted only with the known
sha256.
"""

from __future__ import annotations

import codecs
import itertools
import os
import stat
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

import numpy as np

PACKAGE = Path(__file__).resolve().parent
_INSTALLED = PACKAGE / "data" / "lyrics.txt"
OURS = _INSTALLED if _INSTALLED.is_file() else PACKAGE.parent / "data" / "lyrics.txt"  # in a checkout
MAX_BYTES = 2**30  # of a file, or of a text in an archive
BLOCK = 2**18  # bytes or characters: long texts are read and counted in pieces that a processor's cache holds
MARKS = {  # the longer first: UTF-32 begins as UTF-16 does
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
MAX_FETCH_BYTES = 8 * 2**20
CONNECT_SECONDS, FETCH_SECONDS = 10, 120


class Remote(NamedTuple):
    """A file that others publish: its address, its sha256, and what the user should know about it."""

    url: str
    sha256: str
    note: str


_COPYRIGHT = "these lyrics are copyrighted: for your own study, not for passing on"
REMOTES = {
    "jaychou": [
        Remote(  # the version of May 2018, of the printed book
            "https://raw.githubusercontent.com/d2l-ai/d2l-zh/v1.0.0/data/jaychou_lyrics.txt.zip",
            "3cfedd7d174111cdad5a27eaffaa6a2432a2842cf2590a03dd8a97610ea07043",
            _COPYRIGHT,
        ),
        Remote(  # the version of December 2017, of the first tutorial
            "https://raw.githubusercontent.com/d2l-ai/d2l-zh/v0.6/data/jaychou_lyrics.txt.zip",
            "182180582bd7811aa93f4eb954f9a8d7990177044c374b16bd9304132d2dc39c",
            _COPYRIGHT,
        ),
    ],
    "timemachine": [
        Remote(
            "http://d2l-data.s3-accelerate.amazonaws.com/timemachine.txt",
            "8424dbd9532ac81f7e5f0b6add90e6952baea29158309d7d1bf3884f4e12c516",
            "The Time Machine, H. G. Wells 1895: in the public domain in the US",
        )
    ],
}


def find_corpus(source: str | os.PathLike[str]) -> Path:
    """The file of a corpus: "lyrics", "jaychou", "timemachine", or the path of a .txt or .zip.

    A file of the user's own whose name begins with the corpus's, under data/ here or beside the package,
    comes first.

    Raises:
        FileNotFoundError: there is none, and none could be fetched.
    """
    if str(source) == "lyrics":
        return OURS
    if str(source) in REMOTES:
        return _own_file(str(source)) or _fetch(str(source))
    path = Path(os.path.expanduser(source))
    if not os.path.isfile(path):
        kind = "is a link that leads nowhere" if os.path.islink(path) else "does not exist"
        kind = "is no regular file" if os.path.exists(path) else kind
        kind = "is a directory" if os.path.isdir(path) else kind
        names = ", ".join(["lyrics", *REMOTES])
        raise FileNotFoundError(f"{str(source)!r} {kind}: give one of {names}, or the path of a .txt or .zip")
    return path


def read_corpus(
    path: Path, *, keep: int | None = None, progress: Callable[[float], object] | None = None
) -> str:
    """The text of a UTF-8 file, with or without BOM, or of the one .txt in a .zip. Writes nothing to disk.

    keep: return only so many characters from its start; the others are read and checked, and not held.
    progress: called with every piece's share of the file, from 0 to 1, when it has been read.

    Raises:
        ValueError: naming the file and what is wrong with it.
        OSError: it cannot be opened or read.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        try:
            return _decode(_read(file, path.suffix, progress or (lambda share: None)), keep)
        except ValueError as error:
            raise ValueError(f"{str(path)!r} {error}") from None
        except OSError as error:
            error.filename = str(path)
            raise


def count_characters(text: str) -> dict[str, int]:
    """How often each character occurs, in code point order: Counter(text), and fast on a long text."""
    counts = np.zeros(0, np.int64)
    for points in _code_points(text):
        more = np.bincount(points, minlength=len(counts))
        more[: len(counts)] += counts
        counts = more
    return {chr(point): int(counts[point]) for point in np.flatnonzero(counts)}


def find_characters(text: str, chars: str) -> np.ndarray:
    """chars.find(char) of each character of text, as int32: its place in chars, -1 if it is not there."""
    place_of = np.full(sys.maxunicode + 1, -1, np.int32)
    place_of[[ord(char) for char in chars]] = np.arange(len(chars))
    places = np.empty(len(text), np.int32)
    for i, points in enumerate(_code_points(text)):
        places[i * BLOCK : (i + 1) * BLOCK] = place_of[points]
    return places


def _code_points(text: str) -> Iterator[np.ndarray]:
    for start in range(0, len(text), BLOCK):
        yield np.frombuffer(text[start : start + BLOCK].encode("utf-32-le", "surrogatepass"), "<u4")


def _own_file(name: str) -> Path | None:
    for folder in (Path("data"), OURS.parent):
        files = [f for f in folder.glob(f"{name}*") if f.suffix.lower() in (".txt", ".zip") and f.is_file()]
        if files:
            return max(files)  # of several versions the latest: they carry their date in their name
    return None


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a FIFO would wait for its writer


def _read(file: IO[bytes], suffix: str, progress: Callable[[float], object]) -> Iterator[bytes]:
    before = os.fstat(file.fileno())
    if not stat.S_ISREG(before.st_mode):
        raise ValueError("is no regular file")
    _check_length(before.st_size)
    is_zip = file.read(4) == b"PK\x03\x04" or suffix.lower() == ".zip"
    file.seek(0)
    if is_zip:
        yield from _unzip(file, before.st_size, progress)
        return
    yield from _blocks(file, before.st_size, progress)
    file.read(1)  # there is none, or the file has grown
    if file.tell() != before.st_size or os.fstat(file.fileno()).st_mtime_ns != before.st_mtime_ns:
        raise ValueError("changed while it was read: give a copy of it")


def _blocks(file: IO[bytes], num_bytes: int, progress: Callable[[float], object]) -> Iterator[bytes]:
    for start in range(0, num_bytes, BLOCK):
        block = file.read(min(BLOCK, num_bytes - start))
        yield block
        progress(len(block) / num_bytes)


def _check_length(num_bytes: int) -> None:
    if num_bytes > MAX_BYTES:
        raise ValueError(f"holds {num_bytes:,} bytes: give at most {MAX_BYTES:,}")


def _decode(blocks: Iterable[bytes], keep: int | None) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")()
    parts: list[str] = []
    num_bytes = num_kept = 0
    is_blank = True
    for block in itertools.chain(blocks, [b""]):  # the empty one ends a text that is cut within a character
        if not num_bytes:
            _refuse_other_encodings(block)
        if b"\0" in block:
            raise ValueError(
                f"holds a NUL byte at {num_bytes + block.index(0)}, so it is no UTF-8 text (binary, or "
                "UTF-16?): convert it to UTF-8"
            )
        content = block if num_bytes else block.removeprefix(codecs.BOM_UTF8)
        num_bytes += len(block)
        try:
            part = decoder.decode(content, len(block) < BLOCK)
        except UnicodeDecodeError as error:
            data, i = error.object, error.start  # data ends where the block ends, and may begin before it
            where = f"byte 0x{data[i]:02x} at {num_bytes - len(data) + i}"
            raise ValueError(f"is no UTF-8 text ({where}){_guess(data)}") from None
        is_blank = is_blank and (not part or part.isspace())
        if keep is None or num_kept < keep:
            parts.append(part)
            num_kept += len(part)
    if is_blank:
        raise ValueError("holds no text")
    return "".join(parts)[:keep]


def _refuse_other_encodings(data: bytes) -> None:
    for mark, encoding in MARKS.items():
        if data.startswith(mark):
            raise ValueError(f"is {encoding}, not UTF-8: convert it with iconv -f {encoding} -t utf-8")


def _guess(data: bytes) -> str:
    try:
        codecs.getincrementaldecoder("gb18030")().decode(data, len(data) < BLOCK)
    except UnicodeDecodeError:
        return ""
    return ", perhaps GBK: convert it with iconv -f gbk -t utf-8"


def _unzip(file: IO[bytes], num_bytes: int, progress: Callable[[float], object]) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(file) as archive:
            member = _text_member(archive.infolist(), num_bytes)
            with archive.open(member) as text:
                # block by block: read() would inflate all there is, whatever the directory says
                yield from _blocks(text, member.file_size, progress)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        OSError,
        OverflowError,
        RuntimeError,
        UnicodeDecodeError,
    ) as error:
        raise ValueError(f"cannot be read as a zip archive ({str(error) or type(error).__name__})") from None


def _text_member(members: list[zipfile.ZipInfo], num_bytes: int) -> zipfile.ZipInfo:
    for member in members:
        name = member.filename
        if (
            ".." in PurePosixPath(name.replace("\\", "/")).parts
            or name.startswith(("/", "\\"))
            or ":" in name
        ):
            raise ValueError(f"has a member {name!r}, which points outside the archive: not opened")
    texts = [m for m in members if m.filename.lower().endswith(".txt") and "__MACOSX" not in m.filename]
    if len(texts) != 1:
        raise ValueError(f"holds {len(texts)} .txt files: give an archive with one")
    (text,) = texts
    _check_length(text.file_size)
    if stat.S_ISLNK(text.external_attr >> 16):
        raise ValueError(f"has a member {text.filename!r}, which is a link and no text: not opened")
    if text.flag_bits & 1:
        raise ValueError("is encrypted: give a zip without a password")
    if text.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(
            f"has compression method {text.compress_type}: give a zip that is stored or deflated"
        )
    if text.file_size > max(2**24, 100 * num_bytes):  # text.compress_size may be a lie, this is none
        raise ValueError(f"would swell from {num_bytes:,} bytes to {text.file_size:,}: not opened")
    return text


def _fetch(name: str) -> Path:
    import pooch  # only here: `import d2lrnn` need not wait for it
    import requests
    import urllib3

    pooch.get_logger().setLevel("WARNING")
    folder = Path(pooch.os_cache("d2lrnn"))
    files = {f"{remote.sha256[:8]}-{remote.url.rsplit('/', 1)[-1]}": remote for remote in REMOTES[name]}
    cached = [file for file in files if os.path.exists(folder / file)]
    failures = []
    for file in cached or files:
        remote = files[file]
        if not cached:
            print(f"fetching {remote.url}\n({remote.note})", file=sys.stderr)
        try:  # the download goes to a temporary name; it is moved into place once its hash is right
            path = pooch.retrieve(remote.url, f"sha256:{remote.sha256}", file, folder, downloader=_download)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            failures.append(_reason(error))
        else:
            return Path(path)
    reasons = "; ".join(dict.fromkeys(failures))
    raise FileNotFoundError(
        f"{name!r} is not under data/ and could not be fetched ({reasons}): put the file into data/"
    )


def _reason(error: Exception) -> str:
    import requests
    import urllib3

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return "no answer in time"
    if isinstance(error, (requests.ConnectionError, urllib3.exceptions.HTTPError)):
        return "no connection, or it broke off"
    if "hash" in str(error):
        return "the file's sha256 is not the known one"
    return str(error).splitlines()[0]


def _download(url: str, output_file: str | IO[bytes], _pooch: Any) -> None:
    import requests
    from tqdm import tqdm

    deadline = time.monotonic() + FETCH_SECONDS
    with requests.get(url, stream=True, timeout=CONNECT_SECONDS) as response, open(output_file, "wb") as file:  # type: ignore[arg-type]
        response.raise_for_status()
        total = int(response.headers.get("Content-Length", 0)) or None
        with tqdm(total=total, unit="B", unit_scale=True, disable=None, leave=False) as bar:
            for chunk in iter(lambda: response.raw.read1(2**16, decode_content=True), b""):
                bar.update(len(chunk))
                if file.write(chunk) and file.tell() > MAX_FETCH_BYTES:
                    raise ValueError(f"more than {MAX_FETCH_BYTES:,} bytes")
                if time.monotonic() > deadline:
                    raise requests.Timeout
