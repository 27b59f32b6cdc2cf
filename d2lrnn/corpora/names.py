"""Where a corpus is: found by its name if we know it, or by the path of the user's own."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from .fetching import REMOTES, fetch

PACKAGE = Path(__file__).resolve().parents[1]


class Packed(NamedTuple):
    """A corpus by others that we ship: its file, packed, and the sha256 of that file."""

    file: str
    sha256: str


PACKED_CORPORA = {
    "songci": Packed(
        "data/songci.txt.xz", "2bb0e6e45f0c86164c49b7dac3047d54b428a0cfd31f917ff71e1555a8fc62f6"
    ),
    "timemachine": Packed(
        "data/timemachine.txt.xz", "0f7762c64da41b72cf24418da5226832f139d1ac90d1aef7e665845829a598d4"
    ),
}  # fmt: skip


def shipped(name: str) -> Path:
    """A file that we ship: in the package of an installed wheel, beside it in a checkout."""
    return PACKAGE / name if (PACKAGE / name).is_file() else PACKAGE.parent / name


OURS = shipped("data/lyrics.txt")
NAMES = ("lyrics", *PACKED_CORPORA, *REMOTES)


def find_corpus(source: str | os.PathLike[str]) -> Path:
    """The file of a corpus: one of NAMES, or the path of a file ("./lyrics" if it is called so).

    The user's own file whose name begins with the corpus's, under data/ here or beside the package, comes
    first.

    Raises:
        FileNotFoundError: there is none, and none could be fetched.
        ValueError: a file that we ship was changed.
    """
    if str(source) == "lyrics":
        return OURS
    if str(source) in PACKED_CORPORA:
        return _own_file(str(source)) or _unchanged(PACKED_CORPORA[str(source)])
    if str(source) in REMOTES:
        return _own_file(str(source)) or fetch(str(source))
    path = Path(os.path.expanduser(source)) if source else Path("?")
    if not os.path.isfile(path):
        kind = "is a link that leads nowhere" if os.path.islink(path) else "does not exist"
        kind = "is not a regular file" if os.path.exists(path) else kind
        kind = "is a directory" if os.path.isdir(path) else kind
        names = ", ".join(NAMES)
        raise FileNotFoundError(
            f"{str(source)!r} {kind}: give one of {names}, or the path of a text or folder"
        )
    return path


def _own_file(name: str) -> Path | None:
    for folder in (Path("data"), OURS.parent):
        files = [f for f in folder.glob(f"{name}*") if f.suffix.lower() in (".txt", ".zip") and f.is_file()]
        if files:
            return max(files)  # of several versions the latest: they carry their date in their name
    return None


def _unchanged(corpus: Packed) -> Path:
    path = shipped(corpus.file)
    if not path.is_file():
        raise FileNotFoundError(f"{str(path)!r} does not exist: install d2lrnn again")
    if hashlib.sha256(path.read_bytes()).hexdigest() != corpus.sha256:
        raise ValueError(f"{str(path)!r} is damaged, its sha256 is not the known one: install d2lrnn again")
    return path
