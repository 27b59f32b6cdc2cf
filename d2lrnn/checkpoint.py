"""Lesson 16. A run survives its process: all it needs to resume is on disk, complete or not at all.

A checkpoint is a directory: arrays.npz, facts.json (all that JSON can say), and manifest.json with size and
sha256 of both, and what each array is. Nothing is parsed before its sum is right, nothing is unpickled, and
nd.load, which takes a flipped bit for a number, is not used.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mxnet import nd

from .sampling import try_gpu

FORMAT = 2
MAX_SMALL = 2**21  # bytes; of all but the arrays no more is read
ARRAYS, FACTS, MANIFEST, LATEST = "arrays.npz", "facts.json", "manifest.json", "LATEST"


def write_atomically(path: Path, data: bytes | memoryview) -> None:
    """Write a file so that its name leads to the whole old or the whole new content, whatever happens."""
    if path.exists() and not path.is_file():  # root could put a file in the place of /dev/null
        raise FileExistsError(f"{path} is not a regular file: it is not replaced")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def save_checkpoint(path: Path, arrays: Mapping[str, nd.NDArray], facts: Mapping[str, Any]) -> None:
    """Write arrays (name -> NDArray) and facts (anything that JSON can say) to a new directory, atomically.

    Raises:
        FileExistsError: path is taken: a checkpoint is never written over another.
        ValueError: there are too many facts.
    """
    if len(text := json.dumps(facts, ensure_ascii=False).encode(errors="backslashreplace")) > MAX_SMALL:
        raise ValueError(f"the facts have {len(text)} bytes: give at most {MAX_SMALL}")
    if path.exists():
        raise FileExistsError(f"{path} is there already: give the checkpoint a new name")
    described = {name: {"shape": a.shape, "dtype": np.dtype(a.dtype).name} for name, a in arrays.items()}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)  # in a container a killed process had our number, too
    temporary.mkdir()
    try:
        with zipfile.ZipFile(temporary / ARRAYS, "w") as archive:  # what np.savez writes
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array.asnumpy(), allow_pickle=False)
        (temporary / FACTS).write_bytes(text)
        files = {name: _sum(temporary / name) for name in (ARRAYS, FACTS)}
        manifest = json.dumps({"format": FORMAT, "files": files, "arrays": described}, indent=1)
        (temporary / MANIFEST).write_text(manifest, encoding="utf-8")
        for name in (ARRAYS, FACTS, MANIFEST, "."):
            _sync(temporary / name)
        os.replace(temporary, path)
        _sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def load_checkpoint(path: Path, ctx: Any = None) -> tuple[dict[str, nd.NDArray], dict[str, Any]]:
    """The arrays and the facts that save_checkpoint wrote.

    Raises:
        FileNotFoundError: there is no such directory.
        ValueError: it is damaged, or another program or another version wrote it.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        manifest = json.loads(read_small(path / MANIFEST))
        if manifest["format"] != FORMAT:
            raise ValueError(f"format {manifest['format']}, and this version reads format {FORMAT}")
        arrays, files = manifest["arrays"], manifest["files"]
        for name in (ARRAYS, FACTS):  # the size first: what has grown to gigabytes is not read
            if (path / name).stat().st_size != files[name]["size"] or _sum(path / name) != files[name]:
                raise ValueError(f"{name} is not what was written")
        return read_arrays(path / ARRAYS, arrays, ctx or try_gpu()), json.loads(read_small(path / FACTS))
    except Exception as error:  # damage has many names: KeyError, BadZipFile, UnicodeDecodeError, …
        reason = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        raise ValueError(f"{path}: no whole checkpoint ({' '.join(reason.split())})") from None


def save_next(folder: Path, arrays: Mapping, facts: Mapping, previous: Path | None = None) -> Path:
    """Save as the next number in folder, point LATEST at it, remove all others but `previous`."""
    folder.mkdir(exist_ok=True)
    numbers = _numbered(folder)
    path = folder / f"{int(numbers[-1]) + 1 if numbers else 1:06}"
    save_checkpoint(path, arrays, facts)
    write_atomically(folder / LATEST, f"{path.name}\n".encode())
    for old in folder.iterdir():
        if old.is_dir() and old not in (path, previous) and (old.name in numbers or old.suffix == ".tmp"):
            shutil.rmtree(old, ignore_errors=True)
    return path


def load_newest(folder: Path, ctx: Any = None) -> tuple[Path, dict, dict, list[str]]:
    """(path, arrays, facts, damaged): the checkpoint that LATEST names, or else the newest whole one.

    damaged: a line with the reason for each one that was skipped.

    Raises:
        FileNotFoundError: there is none.
        ValueError: none of them is whole.
    """
    names, damaged = _numbered(folder)[::-1], []
    if not names:
        raise FileNotFoundError(f"{folder} holds no checkpoint")
    try:
        names.insert(0, names.pop(names.index(read_small(folder / LATEST).decode().strip())))
    except (OSError, ValueError) as error:
        damaged.append(f"{folder / LATEST} names no checkpoint ({error})")
    for name in names:
        try:
            return folder / name, *load_checkpoint(folder / name, ctx), damaged
        except (OSError, ValueError) as error:
            damaged.append(str(error))
    raise ValueError("; ".join(damaged))


def _numbered(folder: Path) -> list[str]:
    """The names of the checkpoints in folder, oldest first."""
    return sorted((path.name for path in folder.glob("*") if path.name.isdecimal()), key=int)


def read_arrays(path: Path, promised: Mapping[str, Any], ctx: Any) -> dict[str, nd.NDArray]:
    """The arrays of an .npz, if they are those of the manifest; np.load would trust any header."""
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        swollen = sum(member.file_size for member in archive.infolist()) > path.stat().st_size
        if swollen or sorted(archive.namelist()) != sorted(f"{name}.npy" for name in promised):
            raise ValueError(f"it holds other arrays than {MANIFEST} names")
        for name, entry in promised.items():
            shape, dtype = tuple(entry["shape"]), np.dtype(entry["dtype"])
            with archive.open(f"{name}.npy") as member:
                np.lib.format.read_magic(member)
                header = np.lib.format.read_array_header_1_0(member)
                if header != (shape, False, dtype) or dtype.hasobject or min(shape) < 1:
                    raise ValueError(f"{name} is not the array that {MANIFEST} describes")
                arrays[name] = nd.array(np.frombuffer(member.read(), dtype).reshape(shape), ctx, dtype)
    return arrays


def read_small(path: Path) -> bytes:
    """A small file; large ones are refused, and so are pipes, which could block."""
    if not path.is_file() or path.stat().st_size > MAX_SMALL:
        raise ValueError(f"{path.name} is missing or no small file")
    return path.read_bytes()


def _sum(path: Path) -> dict[str, Any]:
    """The size and the sha256 of a file."""
    sha256 = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            sha256.update(block)
        return {"size": file.tell(), "sha256": sha256.hexdigest()}


def _sync(path: Path) -> None:
    """Make the system write a file or a directory to disk, not only to its cache."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
