"""Where a corpus lies, and how its bytes become text: by name or by path, fetched once, opened with care.

The lyrics of Jay Chou and The Time Machine are not part of this project. They are looked for under data/,
then in the user's cache, then fetched from where their publishers keep them, and accepted only with the known
sha256.
"""

from __future__ import annotations

import codecs
import hashlib
import itertools
import os
import ssl
import stat
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from http.client import HTTPException, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import (
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
    getproxies,
    proxy_bypass,
)

import numpy as np

from .messages import translated

PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """A file that comes with us: in the package where a wheel was installed, beside it in a checkout."""
    return PACKAGE / name if (PACKAGE / name).is_file() else PACKAGE.parent / name


OURS = shipped("data/lyrics.txt")
MAX_BYTES = 2**30  # of a file, or of a text in an archive
BLOCK = 2**18  # bytes or characters: long texts are read and counted in pieces that a processor's cache holds
MARKS = {  # the longer first: UTF-32 begins as UTF-16 does
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# what zipfile raises where an archive is damaged, or lies
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, OverflowError, RuntimeError, UnicodeDecodeError)
MAX_FETCH_BYTES = 8 * 2**20
CONNECT_SECONDS, FETCH_SECONDS = 10, 120


class Unreadable(ValueError):
    """A file that is not read; the message continues its name."""


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
NAMES = ("lyrics", *REMOTES)


def find_corpus(source: str | os.PathLike[str]) -> Path:
    """The file of a corpus: one of NAMES, or the path of a .txt or .zip ("./lyrics" if it is called so).

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
        names = ", ".join(NAMES)
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
    check_length(before.st_size, MAX_BYTES)
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
    except DAMAGED as error:
        raise ValueError(f"cannot be read as a zip archive ({str(error) or type(error).__name__})") from None


def _text_member(members: list[zipfile.ZipInfo], num_bytes: int) -> zipfile.ZipInfo:
    for member in members:
        if points_outside(member.filename):
            raise ValueError(
                f"has a member {member.filename!r}, which points outside the archive: not opened"
            )
    texts = [m for m in members if m.filename.lower().endswith(".txt") and "__MACOSX" not in m.filename]
    if len(texts) != 1:
        raise ValueError(f"holds {len(texts)} .txt files: give an archive with one")
    (text,) = texts
    check_member(text, MAX_BYTES)
    if text.file_size > max(2**24, 100 * num_bytes):  # text.compress_size may be a lie, this is none
        raise ValueError(f"would swell from {num_bytes:,} bytes to {text.file_size:,}: not opened")
    return text


def _fetch(name: str) -> Path:
    files = {f"{remote.sha256[:8]}-{remote.url.rsplit('/', 1)[-1]}": remote for remote in REMOTES[name]}
    folder = _cache()
    failures = []
    for file in [file for file in files if os.path.exists(folder / file)] or files:
        try:
            if not _is_whole(folder / file, files[file]):
                _keep(_download(files[file]), folder / file)
        except (OSError, ValueError) as error:
            failures.append(str(error))
        else:
            return folder / file
    reasons = "; ".join(dict.fromkeys(failures))
    raise FileNotFoundError(
        f"{name!r} is not under data/ and could not be fetched ({reasons}): put the file into data/"
    )


def _cache() -> Path:
    """The folder d2lrnn in XDG_CACHE_HOME or, if that is not set, where the system keeps a user's caches."""
    default = "~/Library/Caches" if sys.platform == "darwin" else "~/.cache"
    caches = os.environ.get("XDG_CACHE_HOME", "")
    caches = caches if os.path.isabs(caches) else os.path.expanduser(default)
    if not os.path.isabs(caches):
        raise FileNotFoundError("there is no home directory to fetch files into: set XDG_CACHE_HOME")
    return Path(caches, "d2lrnn")


def _is_whole(path: Path, remote: Remote) -> bool:
    if not os.path.exists(path):
        return False
    with open(path, "rb") as file:  # what is longer is another file, and its start has another sum, too
        return hashlib.sha256(file.read(MAX_FETCH_BYTES)).hexdigest() == remote.sha256


def _keep(data: bytes, path: Path) -> None:
    """Write a file whole or not at all, even if another process does so at the same time.

    Unlike a checkpoint it is not synced: if a power cut damages it, its sha256 tells, and we fetch it again.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            Path(folder, path.name).write_bytes(data)
            os.replace(Path(folder, path.name), path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def _download(remote: Remote) -> bytes:
    for line in (f"fetching {remote.url}", f"({remote.note})"):
        print(translated(line), file=sys.stderr)
    deadline = time.monotonic() + FETCH_SECONDS
    opener = _opener()
    try:
        with opener.open(remote.url, timeout=CONNECT_SECONDS) as response:
            data = _body(response, deadline)
    except (OSError, HTTPException, zlib.error) as error:
        raise ConnectionError(_reason(error)) from None
    if hashlib.sha256(data).hexdigest() != remote.sha256:
        raise ValueError("the file's sha256 is not the known one")
    return data


def _body(response: HTTPResponse, deadline: float) -> bytes:
    from tqdm import tqdm

    data, total = bytearray(), response.length  # None where the server does not say
    with tqdm(total=total, unit="B", unit_scale=True, disable=None, leave=False) as bar:
        while len(data) != total and (block := response.read1(2**16)):
            bar.update(len(block))
            data += block
            if len(data) > MAX_FETCH_BYTES:
                raise ValueError(f"more than {MAX_FETCH_BYTES:,} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError
    if total not in (None, len(data)):
        raise IncompleteRead(bytes(data))
    if response.headers.get("Content-Encoding") == "gzip":  # unasked
        return zlib.decompressobj(wbits=31).decompress(data, MAX_FETCH_BYTES)  # the rest has no known sha256
    return bytes(data)


def _opener() -> OpenerDirector:
    proxies = getproxies()
    proxies = {
        scheme: proxies[key] for scheme in ("http", "https") for key in ("all", scheme) if key in proxies
    }
    return build_opener(_Proxies(proxies), _Redirects, HTTPSHandler(context=_certificates()))


class _Proxies(ProxyHandler):
    def proxy_open(self, req: Request, proxy: str, type: str) -> Any:
        if proxy.lower().startswith("socks") and not proxy_bypass(req.host):
            raise URLError(f"the proxy for {type} is of the kind SOCKS: set {type}_proxy to an HTTP proxy")
        return super().proxy_open(req, proxy, type)


class _Redirects(HTTPRedirectHandler):
    http_error_308 = HTTPRedirectHandler.http_error_302  # Python 3.10 does not know it

    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request:
        fp.close()  # unread: it may never end
        if not newurl.lower().startswith(("http:", "https:")):  # ftp: other schemes do not come so far
            raise HTTPError(newurl, code, msg, headers, fp)
        return Request(newurl)  # without the password for a proxy


def _certificates() -> ssl.SSLContext:
    """Those of SSL_CERT_FILE or of the system, as usual in Python, unless a bundle is set for pip or curl."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if path := os.environ.get(name):
            try:
                if os.path.isdir(path):
                    return ssl.create_default_context(capath=path)
                return ssl.create_default_context(cafile=path)
            except OSError:
                raise ValueError(f"{name} is {path!r}, where there are no certificates") from None
    return ssl.create_default_context()


def _reason(error: Exception) -> str:
    if isinstance(error, HTTPError):
        error.close()
        status = f"HTTP status {error.code}"
        return f"{status}, redirects without end or to no web address" if 300 <= error.code < 400 else status
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        remedy = "apt install ca-certificates, run a Mac's Install Certificates.command, or set SSL_CERT_FILE"
        return f"the server's certificate is not trusted, {cause.verify_message}: {remedy}"
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    return cause if isinstance(cause, str) else "no connection, or it broke off"
