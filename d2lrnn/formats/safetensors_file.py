"""A trained network as one file in the open format safetensors, and back to a network for predict.

The file begins with the length of its header in 8 bytes, little-endian. The header is JSON: dtype, shape and
place of each array, and under __metadata__ what is needed to use them. The arrays are the rest.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
from collections import namedtuple
from pathlib import Path
from typing import IO, Any

import mxnet as mx
import numpy as np
from mxnet import nd

from .. import __version__
from ..checkpoint import write_atomically
from ..checks import check_memory
from ..fast import CELLS, get_network
from ..running.directory import Trained, load_run
from ..running.folder import newest_run
from ..running.settings import Settings
from ..sampling import try_gpu
from ..text import Vocab

MAX_HEADER = 2_000_000  # bytes; all the characters that Unicode has named take 600,000
NO_SUM = "0" * 64  # stands in the file while its sum is taken


def load_network(
    source: str | Path | None = None, ctx: mx.Context | None = None, *, best: bool | None = None
) -> Trained:
    """The network of a run directory, the newest one, or a file of ours.

    best: of a run, the parameters that did best on held-out text, or (False) the last ones, or (None) the
    best where there are such.

    Raises:
        ValueError: there is no network, it is damaged, or a file was asked for its best or last.
    """
    path = newest_run() if source is None else Path(source)
    if "\0" in str(path):
        raise ValueError(f"{path}: there is no such run or file, since no path has a NUL character")
    if path.is_dir() or not path.exists():
        return load_run(path, ctx, best=best)
    if best is not None:
        which = "best" if best else "last"
        raise ValueError(f"{path} holds one network, there is no choice of the {which}: give a run directory")
    return read_network(path, ctx)


def write_network(path: Path, settings: Settings, vocab: Vocab, params: Any, what: str = "") -> None:
    """Write a network to one file, atomically; the same network gives the same bytes.

    what: which state of its run it is, in words.

    Raises:
        ValueError: a parameter is not finite, or path is taken by something that is no file.
    """
    arrays = to_arrays(params)
    metadata = {
        "sha256": NO_SUM,
        **describe(settings, vocab, what),
    }  # first, so that its digits cannot occur earlier
    header: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": [begin, end]}
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER:
        raise ValueError(f"a header of {len(text)} bytes: too many characters or layers for one file")
    data = b"".join([struct.pack("<Q", len(text)), text, *(array.tobytes() for array in arrays.values())])
    write_file(path, data.replace(NO_SUM.encode(), hashlib.sha256(data).hexdigest().encode(), 1))


def describe(settings: Settings, vocab: Vocab, what: str = "") -> dict[str, str]:
    """The metadata of a file: what must be known beside the parameters."""
    single = [prefix for prefix in settings.prefix if "\n" not in prefix]  # older versions read these
    facts: dict[str, str | None] = {
        "cell": settings.cell,
        "layers": str(settings.layers),
        "hidden_dim": str(settings.hidden_dim),
        "chars": "".join(vocab.idx_to_char),
        "prefix": "\n".join(single),
        "prefixes": json.dumps(settings.prefix, ensure_ascii=False),
        "normalize": settings.normalize,
        "trained": what or None,
        "d2lrnn": __version__,
    }
    return {name: value for name, value in facts.items() if value is not None}


def to_arrays(params: Any) -> dict[str, np.ndarray]:
    """The parameters by name, in numpy.

    Raises:
        ValueError: one of them is not finite.
    """
    arrays = {name: param.asnumpy().astype("<f4", copy=False) for name, param in params._asdict().items()}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds NaN or infinity: this network can write nothing")
    return arrays


def write_file(path: Path, data: bytes) -> None:
    """write_atomically, but never in the place of a directory or a device."""
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is not a file: give the name of one, new or old")
    write_atomically(path, data)


def read_network(path: Path, ctx: mx.Context | None = None) -> Trained:
    """The network of a file that write_network, or another program in the same way, has written.

    No more is read than the file holds, and no array made before header, size and sum are right.

    Raises:
        ValueError: it is no such file, or a damaged one.
    """
    if not path.is_file():
        raise ValueError(f"{path} is neither a run directory nor a file")
    try:
        with open(path, "rb") as file:
            settings, vocab, arrays, what = _read(file, os.fstat(file.fileno()).st_size)
    except (ValueError, KeyError, TypeError, RecursionError) as error:  # wrong UTF-8, wrong JSON, …
        reason = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        raise ValueError(f"{path} is not a complete safetensors file of a network ({reason})") from None
    except MemoryError:
        raise ValueError(f"{path} is larger than the memory of this machine") from None
    ctx = ctx or try_gpu()
    params = namedtuple("Params", arrays)(*(nd.array(array, ctx=ctx) for array in arrays.values()))
    return Trained(path, settings, vocab, get_network(settings.cell, settings.layers), params, what)


def _read(file: IO[bytes], size: int) -> tuple[Settings, Vocab, dict[str, np.ndarray], str]:
    start = file.read(8)
    length = int.from_bytes(start, "little")
    if length > min(size - 8, MAX_HEADER):
        raise ValueError(f"a header of {length} bytes in a file of {size}")
    header = file.read(length)
    entries = json.loads(header.decode(), object_pairs_hook=_without_repeats)
    if not isinstance(entries, dict):
        raise ValueError("its header is not a JSON object")
    metadata = entries.pop("__metadata__", {})
    settings, vocab = _read_metadata(metadata, len(entries))
    check_memory("the file and its arrays need", 2 * size, "give a smaller one")
    shapes = dict(get_network(settings.cell, settings.layers).shapes(len(vocab), settings.hidden_dim))
    places = _places(entries, shapes, size - 8 - length)
    data = file.read(size - 8 - length)
    promised = metadata.get("sha256", "")
    sha256 = hashlib.sha256(start + header.replace(promised.encode(), NO_SUM.encode(), 1))
    sha256.update(data)
    if promised and sha256.hexdigest() != promised:
        raise ValueError("its bytes are not those that were written: their sha256 is another")
    arrays = {
        name: np.frombuffer(data, "<f4", math.prod(shape), begin).reshape(shape)
        for name, (shape, begin) in places.items()
    }
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds NaN or infinity")
    return settings, vocab, arrays, metadata.get("trained", "")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, in which no name comes twice."""
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise ValueError("a name comes twice in its header")
    return entries


def _read_metadata(metadata: Any, num_arrays: int) -> tuple[Settings, Vocab]:
    """What the metadata say, if it can be true of this number of arrays."""
    needed = {"cell", "layers", "hidden_dim", "chars"}
    if not isinstance(metadata, dict) or not needed <= set(metadata):
        raise ValueError(f"its metadata do not say {', '.join(sorted(needed))}")
    if not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("its metadata are not all strings")
    layers, hidden_dim = (int(metadata[name]) for name in ("layers", "hidden_dim"))
    chars = metadata["chars"]
    vocab = Vocab(chars)
    if not chars or "".join(vocab.idx_to_char) != chars:
        raise ValueError("its chars are not in the order of their code points, each there once")
    prefixes = _read_prefixes(metadata) or (chars[0],)
    form = metadata.get("normalize")
    settings = Settings(
        cell=metadata["cell"], layers=layers, hidden_dim=hidden_dim, prefix=prefixes, normalize=form
    )
    if num_arrays != 3 * layers * CELLS[settings.cell].num_gates + 2:
        raise ValueError(f"it holds {num_arrays} arrays: not those of {layers} layers of {settings.cell}")
    return settings, vocab


def _read_prefixes(metadata: dict[str, str]) -> tuple[str, ...]:
    """What predict begins with; in files of older versions one a line."""
    if "prefixes" not in metadata:
        return tuple(filter(None, metadata.get("prefix", "").split("\n")))
    prefixes = json.loads(metadata["prefixes"])
    if not isinstance(prefixes, list) or not all(isinstance(one, str) and one for one in prefixes):
        raise ValueError("its prefixes are not a list of strings in JSON")
    return tuple(prefixes)


def _places(
    entries: dict[str, Any], shapes: dict[str, tuple[int, ...]], size: int
) -> dict[str, tuple[tuple[int, ...], int]]:
    """(shape, begin) of every array: they lie one after the other and fill size bytes."""
    if set(entries) != set(shapes):
        raise ValueError(f"it holds {', '.join(sorted(set(entries) - set(shapes)))}, of another network")
    begins, end = {}, 0
    for name in sorted(entries, key=lambda name: entries[name]["data_offsets"]):
        begins[name], end = end, end + 4 * math.prod(shapes[name])
        wanted = {"dtype": "F32", "shape": list(shapes[name]), "data_offsets": [begins[name], end]}
        if entries[name] != wanted:
            raise ValueError(f"{name} is {entries[name]} instead of {wanted}")
    if end != size:
        raise ValueError(f"its arrays should have {end} bytes, and it holds {size}")
    return {name: (shape, begins[name]) for name, shape in shapes.items()}
