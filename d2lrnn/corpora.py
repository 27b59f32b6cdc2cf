"""Where a corpus lies, and how its bytes become text: by name or by path, fetched once, opened with care.

The lyrics of Jay Chou and The Time Machine are not part of this project. They are looked for under data/,
then in the user's cache, then fetched from where their publishers keep them, and accepted only with the known
sha256.
"""

from __future__ import annotations

import os
import sys
import time
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

PACKAGE = Path(__file__).resolve().parent
OURS = next(
    (d / "lyrics.txt" for d in (PACKAGE.parent / "data", PACKAGE / "data") if d.is_dir()), PACKAGE / "data"
)
MAX_BYTES = 2**30  # of a text file, or of one in an archive
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
        kind = "is no regular file" if os.path.exists(path) else "does not exist"
        kind = "is a directory" if os.path.isdir(path) else kind
        names = ", ".join(["lyrics", *REMOTES])
        raise FileNotFoundError(f"{str(source)!r} {kind}: give one of {names}, or the path of a .txt or .zip")
    return path


def read_corpus(path: Path) -> str:
    """The text of a UTF-8 file, with or without BOM, or of the one .txt in a .zip. Writes nothing to disk.

    Raises:
        ValueError: naming the file and what is wrong with it.
    """
    with open(path, "rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
    if is_zip or path.suffix.lower() == ".zip":
        data = _unzip(path)
    else:
        _check_length(path, path.stat().st_size)
        data = path.read_bytes()
    return _decode(data, path)


def _own_file(name: str) -> Path | None:
    for folder in (Path("data"), OURS.parent):
        files = [f for f in folder.glob(f"{name}*") if f.suffix.lower() in (".txt", ".zip") and f.is_file()]
        if files:
            return max(files)  # of several versions the latest: they carry their date in their name
    return None


def _check_length(path: Path, num_bytes: int) -> None:
    if num_bytes > MAX_BYTES:
        raise ValueError(f"{path}: {num_bytes:,} bytes of text: give at most {MAX_BYTES:,}")


def _decode(data: bytes, path: Path) -> str:
    if b"\0" in data:
        raise ValueError(
            f"{path}: holds NUL bytes, so it is no UTF-8 text (binary, or UTF-16?): convert it to UTF-8"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"byte 0x{data[error.start]:02x} at {error.start}"
        try:
            data.decode("gb18030")
        except UnicodeDecodeError:
            raise ValueError(f"{path}: is no UTF-8 text ({where})") from None
        raise ValueError(
            f"{path}: is no UTF-8 text ({where}), perhaps GBK: convert it with iconv -f gbk -t utf-8"
        ) from None
    if not text.strip():
        raise ValueError(f"{path}: holds no text")
    return text


def _unzip(path: Path) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            member = _text_member(archive, path)
            with archive.open(member) as file:
                # without a number read() would inflate all there is, whatever the directory says
                return file.read(member.file_size + 1)
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
        raise ValueError(f"{path}: cannot be read as a zip archive ({error})") from None


def _text_member(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    for info in archive.infolist():
        parts = PurePosixPath(info.filename.replace("\\", "/")).parts
        if ".." in parts or info.filename.startswith(("/", "\\")) or ":" in info.filename:
            raise ValueError(f"{path}: its member {info.filename!r} points outside the archive: not opened")
    texts = [
        i for i in archive.infolist() if i.filename.lower().endswith(".txt") and "__MACOSX" not in i.filename
    ]
    if len(texts) != 1:
        raise ValueError(f"{path}: holds {len(texts)} .txt files: give an archive with one")
    (info,) = texts
    _check_length(path, info.file_size)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(
            f"{path}: compression method {info.compress_type}: give a zip that is stored or deflated"
        )
    if info.file_size > max(2**24, 100 * info.compress_size):
        raise ValueError(
            f"{path}: {info.compress_size:,} bytes would swell to {info.file_size:,}: not opened"
        )
    return info


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
