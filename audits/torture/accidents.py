"""Ways to damage a run directory by accident: bytes, files, and JSON that says something else."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from d2lrnn.checkpoint import FACTS, LATEST, MANIFEST
from d2lrnn.running.folder import CHECKPOINTS, CONFIG

Way = Callable[[random.Random, Path, Path], str]  # (chance, the run, another run) -> what was done, in words

# --- bytes and files ---


def any_file(chance: random.Random, run: Path) -> Path:
    """A file of a run; half of the time one of its newest checkpoint."""
    files = sorted(path for path in run.rglob("*") if path.is_file() and path.name != ".lock")
    if chance.random() < 0.5:
        files = sorted(newest(run).iterdir())
    return chance.choice(files)


def newest(run: Path) -> Path:
    """The checkpoint that LATEST names."""
    return run / CHECKPOINTS / (run / CHECKPOINTS / LATEST).read_text().strip()


def _flip_bits(chance: random.Random, run: Path, other: Path) -> str:
    path, count = any_file(chance, run), chance.choice((1, 1, 1, 2, 30))
    data = bytearray(path.read_bytes())
    for _ in range(count if data else 0):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    return f"{count} bits of {path.relative_to(run)}"


def _cut_or_grow(chance: random.Random, run: Path, other: Path) -> str:
    path = any_file(chance, run)
    data = path.read_bytes()
    at, size = chance.randint(0, len(data)), chance.choice((1, 7, 4096, 10**6))
    name, data = chance.choice(
        [
            ("cut", data[:at]),
            ("empty", b""),
            ("grown", data + chance.randbytes(size)),
            ("grown by zeros", data + bytes(size)),
            ("a hole of zeros", data[:at] + bytes(len(data[at : at + size])) + data[at + size :]),
            ("a block twice", data[:at] + data[max(at - 100, 0) :]),
            ("random", chance.randbytes(len(data))),
        ]
    )
    path.write_bytes(data)
    return f"{name}: {path.relative_to(run)}"


def _exchange_files(chance: random.Random, run: Path, other: Path) -> str:
    ours = any_file(chance, run)
    theirs = any_file(chance, chance.choice((run, other)))
    if chance.random() < 0.6:  # the likeliest to be believed: the file of the same name
        theirs = chance.choice(
            [path for path in (*run.rglob(ours.name), *other.rglob(ours.name)) if path != ours]
        )
    ours_data, theirs_data = ours.read_bytes(), theirs.read_bytes()
    ours.write_bytes(theirs_data)
    theirs.write_bytes(ours_data)
    return f"{ours.relative_to(run)} and {theirs.relative_to(run.parent)} exchanged"


def _exchange_folders(chance: random.Random, run: Path, other: Path) -> str:
    ours = chance.choice(sorted(path for path in run.rglob("*") if path.is_dir()))
    theirs = chance.choice(sorted(path for path in (*other.rglob("*"), *run.rglob("*")) if path.is_dir()))
    if ours in (theirs, *theirs.parents) or theirs in ours.parents:
        return "nothing"
    spare = run.parent / "spare"
    ours.rename(spare)
    theirs.rename(ours)
    spare.rename(theirs)
    return f"{ours.relative_to(run)} and {theirs.relative_to(run.parent)} exchanged"


def _replace_by_something_else(chance: random.Random, run: Path, other: Path) -> str:
    path = chance.choice([any_file(chance, run), *sorted(p for p in run.rglob("*") if p.is_dir())])
    what = chance.choice(["nothing", "folder", "fifo", "loop", "dangling", "zero", "link", "file", "socket"])
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    if what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "file":
        path.write_bytes(b"x")
    elif what == "socket":
        os.mknod(path, 0o140644)
    elif what != "nothing":
        theirs = {"loop": path, "dangling": run / "none", "zero": Path("/dev/zero")}
        path.symlink_to(theirs.get(what, other / path.relative_to(run)))
    return f"{path.relative_to(run)} replaced by: {what}"


def _strew(chance: random.Random, run: Path, other: Path) -> str:
    folder = chance.choice([run / CHECKPOINTS, newest(run), run])
    name = chance.choice(
        ["000999", "٣", "9" * 200, ".000001.1.tmp", "000001.tmp", "a\nb", "\udcff", "-1", "1e9"]
    )
    count = chance.choice((1, 1, 500))
    for i in range(count):
        path = folder / (name if count == 1 else f"{i + 1000:06}")
        if chance.random() < 0.7:
            path.mkdir()
            (path / MANIFEST).write_bytes(chance.choice((b"", b"{}", b"[]", b'{"format": 2}')))
        else:
            path.write_bytes(b"x")
    return f"{count} x {name!a} in {folder.relative_to(run)}"


def _lie_in_latest(chance: random.Random, run: Path, other: Path) -> str:
    names = sorted(path.name for path in (run / CHECKPOINTS).iterdir() if path.is_dir())
    texts = [
        "", "\n", "\0", "999999", "-1", "best", "..", ".", "/", "a\nb", "\n".join(names), names[0],
        names[0] + "\0", "\ufeff" + names[0], "1" * 300, "x" * 2**21, "٣",
        f"../../{other.name}/{CHECKPOINTS}/{newest(other).name}",
    ]  # fmt: skip
    text = chance.choice(texts)
    (run / CHECKPOINTS / LATEST).write_text(text, encoding="utf-8")
    return f"LATEST says {text[:60]!a}"


# --- JSON that says something else ---

DEEP, LONG, NUMBER = "@deep@", "@long@", "@number@"
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1, 1.5, 2**31, 2**63, 10**30, -(10**30), float("nan"), float("inf"), 1e308, "", "x",
    "\0", "\ud800", "../x", "nan", "float32", "object", "V8", [], [[]], [0], {}, {"a": 1}, DEEP, LONG, NUMBER,
)  # fmt: skip


def write_json(value: Any) -> bytes:
    """value as JSON, in which the words above stand for what json.dumps would not write."""
    text = json.dumps(value)
    for word, meant in (
        (DEEP, "[" * 10**5 + "]" * 10**5),
        (LONG, '"' + "x" * 10**5 + '"'),
        (NUMBER, "9" * 9999),
    ):
        text = text.replace(f'"{word}"', meant)
    return text.encode()


def change_json(chance: random.Random, value: Any) -> str:
    """Replace something inside value; return where."""
    places: list[tuple[Any, Any, str]] = []

    def walk(node: Any, path: str) -> None:
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, one in items:
            places.append((node, key, f"{path}/{key}"))
            walk(one, f"{path}/{key}")

    walk(value, "")
    node, key, path = chance.choice(places)
    new = chance.choice((*VALUES, "leave it out"))
    if new == "leave it out":
        del node[key]
    else:
        node[key] = new
    return f"{path[:80]!a}: {new!a}"


def _change_a_json_file(chance: random.Random, run: Path, other: Path) -> str:
    checkpoint = newest(run)
    path = chance.choice((run / CONFIG, checkpoint / MANIFEST, checkpoint / MANIFEST, checkpoint / FACTS))
    value = json.loads(path.read_bytes())
    if chance.random() < 0.1:
        value, where = chance.choice(VALUES), "all of it"
    else:
        where = change_json(chance, value)
    path.write_bytes(write_json(value))
    return f"{path.relative_to(run)}: {where}"


ACCIDENTS: tuple[Way, ...] = (
    *(_flip_bits,) * 3, *(_cut_or_grow,) * 2, *(_exchange_files,) * 2, _exchange_folders,
    *(_replace_by_something_else,) * 2, _strew, _lie_in_latest, *(_change_a_json_file,) * 2,
)  # fmt: skip
