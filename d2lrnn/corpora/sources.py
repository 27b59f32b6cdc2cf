"""What the user named as corpora becomes files, always in the same order."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from .files import looks_like_text
from .names import NAMES, find_corpus

STDIN = "-"
WILD = frozenset("*?[")
RUN = ("config.json", "checkpoints")  # what a folder holds that is a run of ours
SAID = 5  # names in one line


class File(NamedTuple):
    """A file to read, and what its text is called. is_utf8: whatever encoding is given for others."""

    path: Path
    name: str
    is_utf8: bool = False


class Files(NamedTuple):
    """Files in the order in which they are read, and what there is to say about those that are not."""

    files: list[File]
    notes: list[str]


def find_files(
    sources: Sequence[str | os.PathLike[str]], *, stdin: Path | None = None, encoding: str | None = None
) -> Files:
    """The files of corpora: names of NAMES, paths of files and folders, patterns that no shell has expanded.

    A folder is read with all folders in it, without what is hidden, is no text, or is a run of ours.
    stdin: where the text of the source "-" is kept. encoding: one that is given may have NULs in its texts.

    Raises:
        FileNotFoundError: there is no such file, or no text in a folder.
    """
    found, again, left_out = [], [], []
    seen: set[tuple[int, int]] = set()
    for source in sources:
        for path, name, why in _expanded(str(source), stdin, encoding is not None):
            if why:
                left_out.append(f"{name} ({why})")
                continue
            place = os.stat(path)
            if (place.st_dev, place.st_ino) in seen:
                again.append(name)
                continue
            seen.add((place.st_dev, place.st_ino))
            found.append(File(path, name, str(source) in (STDIN, *NAMES)))
    notes = [f"{_count(left_out)} left out: {listed(left_out)}"] if left_out else []
    notes += [f"{listed(again)}: the same file is named again, and is read once"] if again else []
    return Files(found, notes)


def is_pattern(source: str) -> bool:
    """Whether a source is a pattern for names: with *, ? or [, and no file or folder of this very name."""
    return bool(WILD & set(source)) and not os.path.lexists(os.path.expanduser(source))


def whole_path(source: str) -> str:
    """A source, spelled to mean the same from any folder; what does not exist stays as it was."""
    source = os.path.expanduser(source)
    if is_pattern(source):
        return source if os.path.isabs(source) else os.path.join(glob.escape(os.getcwd()), source)
    return os.path.abspath(source) if os.path.isfile(source) or os.path.isdir(source) else source


def _spelled(source: str) -> str:
    """A whole path as it is spelled from here, where it leads into this folder."""
    here = os.getcwd()
    for start in (os.path.join(here, ""), os.path.join(glob.escape(here), "")):
        source = "." if source == here else source.removeprefix(start)
    return source


def called(source: str) -> str:
    """A short name for a source; for a pattern, its folder."""
    if source == STDIN:
        return "stdin"
    parts = [part for part in Path(source).parts if not (is_pattern(source) and WILD & set(part))]
    return Path(*parts).name or source


def listed(names: Sequence[str]) -> str:
    """Names as in a sentence: the first, and how many others there are."""
    more = f" and {len(names) - SAID:,} others" if len(names) > SAID else ""
    return f"{', '.join(names[:SAID])}{more}"


def _count(names: Sequence[str]) -> str:
    return "1 file is" if len(names) == 1 else f"{len(names):,} files are"


def _expanded(source: str, stdin: Path | None, any_bytes: bool) -> Iterator[tuple[Path, str, str]]:
    """Each file of a source: its path, what it is called, and why it is left out if it is."""
    if source == STDIN:
        if stdin is None:
            raise FileNotFoundError("'-': no copy of what came from the standard input is here; give a path")
        yield stdin, called(source), ""
        return
    path = Path(os.path.expanduser(source))
    if is_pattern(source):
        matches = sorted(glob.glob(os.path.expanduser(source), recursive=True))
        if not matches:
            raise FileNotFoundError(f"{_spelled(source)!r} matches no file")
        for match in map(Path, matches):
            if os.path.isdir(match):
                yield from _under(match, any_bytes) if "**" not in source else ()
            else:
                yield match, match.name, _why_not(match, any_bytes)
    elif source and source not in NAMES and os.path.isdir(path):
        texts = 0
        for found in _under(path, any_bytes):
            texts += not found[2]
            yield found
        if not texts:
            raise FileNotFoundError(f"{_spelled(source)!r} is a directory without a text in it")
    else:
        yield find_corpus(source), called(source), ""


def _under(folder: Path, any_bytes: bool) -> Iterator[tuple[Path, str, str]]:
    for path, why in _walk(folder):
        name = path.relative_to(folder.parent).as_posix()
        yield path, name, why or _why_not(path, any_bytes)


def _walk(folder: Path) -> Iterator[tuple[Path, str]]:
    """All files under a folder in the order of their names, and of some why they are left out."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = Path(entry.path)
        if entry.name.startswith("."):
            yield path, "hidden"
        elif not os.path.isdir(path):
            yield path, ""
        elif entry.is_symlink():
            yield path, "a link to a folder"
        elif not all(os.path.exists(path / part) for part in RUN):
            yield from _walk(path)


def _why_not(path: Path, any_bytes: bool) -> str:
    if path.name.startswith("."):
        return "hidden"
    if not os.path.isfile(path):
        return "no regular file"
    if not path.stat().st_size:
        return "empty"
    return "" if looks_like_text(path, any_bytes=any_bytes) else "no text"


def check_sources(sources: Iterable[str]) -> None:
    """Refuse names that a run could not keep, or that are no names.

    Raises:
        ValueError: there are too many, or an empty one.
    """
    total = sum(len(source) for source in sources)
    if total > 2**19:
        raise ValueError("too many names for a run to keep: give their folder, or '*.txt' in quotes")
