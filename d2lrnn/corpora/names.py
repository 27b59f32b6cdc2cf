"""Where a corpus lies: by the name of one that we know, or by the path of the user's own."""

from __future__ import annotations

import os
from pathlib import Path

from .fetching import REMOTES, fetch

PACKAGE = Path(__file__).resolve().parents[1]


def shipped(name: str) -> Path:
    """A file that comes with us: in the package where a wheel was installed, beside it in a checkout."""
    return PACKAGE / name if (PACKAGE / name).is_file() else PACKAGE.parent / name


OURS = shipped("data/lyrics.txt")
NAMES = ("lyrics", *REMOTES)


def find_corpus(source: str | os.PathLike[str]) -> Path:
    """The file of a corpus: one of NAMES, or the path of a file ("./lyrics" if it is called so).

    A file of the user's own whose name begins with the corpus's, under data/ here or beside the package,
    comes first.

    Raises:
        FileNotFoundError: there is none, and none could be fetched.
    """
    if str(source) == "lyrics":
        return OURS
    if str(source) in REMOTES:
        return _own_file(str(source)) or fetch(str(source))
    path = Path(os.path.expanduser(source)) if source else Path("?")
    if not os.path.isfile(path):
        kind = "is a link that leads nowhere" if os.path.islink(path) else "does not exist"
        kind = "is no regular file" if os.path.exists(path) else kind
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
