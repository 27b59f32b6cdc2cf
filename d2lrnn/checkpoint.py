"""Lesson 16. A run outlives its process: arrays and a few facts, in one file that is whole or not there.

The file is an .npz, which numpy opens without unpickling anything and whose every member carries a checksum.
(MXNet's own nd.save leaves half a file when it is killed, and nd.load answers a flipped bit with wrong
numbers.)
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mxnet import nd

FORMAT = 1
_FACTS = "facts.json"  # no array can have this name: it holds a dot


def write_atomically(path: Path, data: bytes | memoryview) -> None:
    """Write a file so that its name leads to the whole old or the whole new content, whatever happens."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if hasattr(os, "O_DIRECTORY"):
        folder = os.open(path.parent, os.O_DIRECTORY)
        os.fsync(folder)
        os.close(folder)


def save_checkpoint(path: Path, arrays: Mapping[str, nd.NDArray], facts: Mapping[str, Any]) -> None:
    """Write arrays (name -> NDArray) and facts (anything that JSON can say) to one file, atomically."""
    facts_bytes = json.dumps({"format": FORMAT, **facts}, ensure_ascii=False).encode()
    buffer = io.BytesIO()
    np.savez(
        buffer,
        **{_FACTS: np.frombuffer(facts_bytes, np.uint8)},
        **{name: array.asnumpy() for name, array in arrays.items()},
    )
    write_atomically(path, buffer.getbuffer())


def load_checkpoint(path: Path, ctx: Any = None) -> tuple[dict[str, nd.NDArray], dict[str, Any]]:
    """The arrays and the facts that save_checkpoint wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or another program or another version wrote it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            swollen = sum(info.file_size for info in archive.infolist()) > path.stat().st_size
        if swollen:
            raise ValueError("its members claim more bytes than the file has")
        with np.load(path, allow_pickle=False) as members:
            loaded = {name: members[name] for name in members.files}
        facts = json.loads(loaded.pop(_FACTS).tobytes())
    except FileNotFoundError:
        raise
    except Exception as error:  # numpy has many names for a damaged file: BadZipFile, KeyError, TokenError, …
        raise ValueError(f"{path}: no whole checkpoint ({type(error).__name__}: {error})") from None
    if facts.get("format") != FORMAT:
        raise ValueError(
            f"{path}: checkpoint of format {facts.get('format')}, this version reads format {FORMAT}"
        )
    return {name: nd.array(array, ctx=ctx, dtype=array.dtype) for name, array in loaded.items()}, facts
