"""A corpus that others publish: taken from the user's cache, or else fetched once and kept there.

The lyrics of Jay Chou are not part of this project: they are accepted only with a known sha256.
"""

from __future__ import annotations

import hashlib
import os
import ssl
import sys
import tempfile
import time
import zlib
from http.client import HTTPException, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Any, NamedTuple
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
}


def fetch(name: str) -> Path:
    """The file of one of REMOTES, from the cache or from its publisher.

    Raises:
        FileNotFoundError: it could not be fetched, and why.
    """
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
    from ..cli import say
    from ..messages import translated

    say(translated(f"fetching {remote.url}"))
    say(translated(f"({remote.note})"))
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
    from ..cli import progress_bar

    data, total = bytearray(), response.length  # None where the server does not say
    with progress_bar(total, unit="B") as bar:
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
    return cause if isinstance(cause, str) else "no connection, or it was lost"
