"""Ways to forge a checkpoint on purpose, with the sums in the manifest made to match."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import struct
import warnings
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from d2lrnn.checkpoint import ARRAYS, FACTS, MANIFEST

import numpy as np

from .accidents import VALUES, Way, change_json, newest, write_json

PWNED = "pwned"  # what a pickle leaves in the folder of its checkpoint, if it is unpickled


def sign(checkpoint: Path, entries: Any = None) -> None:
    """Write the manifest that belongs to the files as they are. entries: of the arrays, if they changed."""
    manifest = json.loads((checkpoint / MANIFEST).read_bytes())
    for name in (ARRAYS, FACTS):
        data = (checkpoint / name).read_bytes()
        manifest["files"][name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    if entries is not None:
        manifest["arrays"] = entries
    (checkpoint / MANIFEST).write_bytes(write_json(manifest))


def _forge_facts(chance: random.Random, run: Path, other: Path) -> str:
    checkpoint = newest(run)
    facts = json.loads((checkpoint / FACTS).read_bytes())
    where = chance.choice(("any", "any", "any", "all", "more", "chars", "progress", "hidden_dim", "layers"))
    if where == "any":
        where = change_json(chance, facts)
    elif where == "all":
        facts = chance.choice(VALUES)
    elif where == "more":
        facts["more"] = [[]] * (5 * 10**6)  # 20 MB
    elif where == "chars":
        facts["chars"] = chance.choice((facts["chars"] * 2, "", facts["chars"][:-1], 7, ["a"]))
    elif where == "progress":
        facts["progress"][chance.choice(sorted(facts["progress"]))] = chance.choice(VALUES)
    else:
        facts["config"][where] = chance.choice((2, 9, 10**4, 10**5, 2**31 - 1))
    data = write_json(facts)
    (checkpoint / FACTS).write_bytes(data)
    sign(checkpoint)
    return f"forged {FACTS}: {where}"


def npy(header: str | bytes, data: bytes, version: tuple[int, int] = (1, 0)) -> bytes:
    """A .npy file with any header."""
    header = header.encode() if isinstance(header, str) else header
    length = struct.pack("<H" if version[0] == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + length + header + data


def header_of(shape: Any, dtype: str, fortran: Any = False) -> str:
    """The header of a .npy file that says so."""
    return str({"descr": dtype, "fortran_order": fortran, "shape": shape}) + "\n"


def npz(members: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A .npz of any members; a name may come twice."""
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", compression) as archive:
        warnings.simplefilter("ignore")
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return file.getvalue()


@lru_cache(None)
def bomb() -> bytes:
    """400 MB of zeros as a .npy, in a zip of 400 kB."""
    return npz([("W_xh.npy", npy(header_of((10**8,), "<f4"), bytes(4 * 10**8)))], zipfile.ZIP_DEFLATED)


class Marker:
    """Unpickling it leaves a trace."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


# shape, dtype, data: said in the .npy and in the manifest alike
HEADERS: tuple[tuple[Any, str, bytes], ...] = (
    ((2**40,), "<f4", b""), ((2**62, 4), "<f4", b""), ((-1,), "<f4", bytes(8)), ((-2, -2), "<f4", bytes(16)),
    ((), "<f4", bytes(4)), ((0,), "<f4", b""), ((0, 2**40), "<f4", b""), ((1,) * 33, "<f4", bytes(4)),
    ((2**16, 2**16, 2**32), "<f4", b""), ((True, 2), "<f4", bytes(8)), ((2.0,), "<f4", bytes(8)),
    (("2",), "<f4", bytes(8)), ((None,), "<f4", bytes(8)), ([2], "<f4", bytes(8)), (2, "<f4", bytes(8)),
    ((2,), "|O", bytes(16)), ((2,), "<c8", bytes(16)), ((2,), "<c16", bytes(32)), ((2,), "|V4", bytes(8)),
    ((2,), "<U3", bytes(24)), ((2,), "|S3", b"abcdef"), ((2,), "<M8[s]", bytes(16)), ((2,), "<m8", bytes(16)),
    ((2,), "<f2", bytes(4)), ((2,), "<f8", struct.pack("<2d", 1 / 3, 1e300)), ((2,), ">f4", bytes(8)),
    ((2,), "<f16", bytes(32)), ((2,), "|b1", b"\2\3"), ((2,), "|u1", bytes(2)), ((2,), "<u2", bytes(4)),
    ((2,), "<u4", b"\xff" * 8), ((2,), "<u8", b"\xff" * 16), ((2,), "<i8", b"\x7f" * 16),
    ((2,), "|i1", b"\x80\x7f"), ((2,), "<i4", struct.pack("<2i", 2**24 + 1, -1)), ((2,), "float99", bytes(8)),
    ((2,), "<f4", b"\0\0\xc0\x7f\1\0\xa0\x7f"), ((2,), "[('a', '<f4')]", bytes(8)), ((2,), "<f4", bytes(9)),
    ((3,), "<f4", bytes(8)),
)  # fmt: skip
TEXTS = (  # in the place of a header
    b"", b"\0" * 64, b"(" * 60000, b"{" * 60000, b"[" * 9000 + b"]" * 9000, b"-" * 60000 + b"1", b"\xff" * 64,
    b"__import__('os').getpid()", b"{'descr': '<f4', 'fortran_order': False, 'shape': (10**9,)}",
    b"9" * 60000, b"{'descr': '<f4'}", b"1+" * 30000 + b"1", b"1+" * 4000 + b"1", b"(" * 9000, b"9" * 9000,
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}",
    b"{'descr': ('<f4', " + b"(" * 80 + b"2" + b",)" * 80 + b"), 'fortran_order': False, 'shape': (2,)}",
)  # fmt: skip
VERSIONS = ((1, 0), (1, 0), (2, 0), (3, 0), (9, 9))


def name_of(dtype: str) -> str:
    """What the manifest calls a dtype."""
    try:
        return np.dtype(dtype).name
    except TypeError:
        return dtype


class Forged:
    """The arrays of a checkpoint, to be forged: the members of the .npz, and what is said of them."""

    def __init__(self, chance: random.Random, checkpoint: Path) -> None:
        self.chance, self.checkpoint = chance, checkpoint
        self.entries = json.loads((checkpoint / MANIFEST).read_bytes())["arrays"]
        with zipfile.ZipFile(checkpoint / ARRAYS) as archive:
            self.members = [(member, archive.read(member)) for member in archive.namelist()]
        self.at = chance.randrange(len(self.members))
        self.name = self.members[self.at][0].removesuffix(".npy")
        self.compression = zipfile.ZIP_STORED
        self.data = b""  # of the whole .npz, if it is not made from members

    def put(self, member: bytes, shape: Any, dtype: str) -> None:
        """Another array in the place of the one that was chosen."""
        self.members[self.at] = (f"{self.name}.npy", member)
        self.entries[self.name] = {"shape": shape, "dtype": dtype}

    def _strange_header(self) -> str:
        shape, dtype, content = self.chance.choice(HEADERS)
        member = npy(header_of(shape, dtype, self.chance.random() < 0.1), content)
        self.put(member, shape, self.chance.choice((name_of(dtype), dtype)))
        return f"{shape!r:.60} {dtype}"

    def _no_header(self) -> str:
        text, version = self.chance.choice(TEXTS), self.chance.choice(VERSIONS)
        self.put(npy(text, bytes(8), version), (2,), "float32")
        return f"header {text[:30]!r}, version {version}"

    def _pickle(self) -> str:
        file = io.BytesIO()
        np.save(file, np.array([Marker(self.checkpoint / PWNED)], object), allow_pickle=True)
        self.put(file.getvalue(), (1,), "object")
        return "a pickle"

    def _bomb(self) -> str:
        self.data, self.entries = bomb(), {"W_xh": {"shape": (10**8,), "dtype": "float32"}}
        if self.chance.random() < 0.5:
            return "a bomb"
        said = struct.pack("<I", zipfile.ZipFile(io.BytesIO(self.data)).infolist()[0].file_size)
        self.data = self.data.replace(said, struct.pack("<I", 1000))
        return "a bomb that is said to be small"

    def _more_members(self) -> str:
        names = self.chance.choice([[self.name], ["extra"], ["../../x", "a/b", "", "x\0y", "W_xh.npy"]])
        self.members += [(f"{one}.npy", self.members[self.at][1]) for one in names]
        if self.chance.random() < 0.5:
            self.entries |= dict.fromkeys(names, self.entries[self.name])
        return f"more members: {names}"

    def _many_members(self) -> str:
        self.members, self.entries = [(f"{i}.npy", b"") for i in range(5000)], {}
        return "5,000 members"

    def _fewer_members(self) -> str:
        del self.members[self.at]
        if self.chance.random() < 0.7:
            del self.entries[self.name]
        return f"without {self.name}"

    def _no_numbers(self) -> str:
        number = self.chance.choice((np.nan, np.inf, 3e38))
        array = np.full(self.entries[self.name]["shape"], number, np.float32)
        self.put(npy(header_of(array.shape, "<f4"), array.tobytes()), array.shape, "float32")
        return f"{self.name} is {number}"

    def _compress(self) -> str:
        self.compression = self.chance.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
        return f"compression {self.compression}"

    def _flip_bits(self) -> str:
        data = bytearray(npz(self.members))
        for _ in range(self.chance.choice((1, 1, 5))):
            at = self.chance.choice((self.chance.randrange(len(data)), -self.chance.randint(1, 2000)))
            data[at] ^= 1 << self.chance.randrange(8)
        self.data = bytes(data)
        return "bits of the zip"


FORGED = (
    *(Forged._strange_header,) * 4, Forged._no_header, Forged._pickle, Forged._bomb, Forged._more_members,
    Forged._many_members, Forged._fewer_members, Forged._no_numbers, Forged._compress,
    *(Forged._flip_bits,) * 3,
)  # fmt: skip


def _forge_arrays(chance: random.Random, run: Path, other: Path) -> str:
    forged = Forged(chance, newest(run))
    words = chance.choice(FORGED)(forged)
    (forged.checkpoint / ARRAYS).write_bytes(forged.data or npz(forged.members, forged.compression))
    sign(forged.checkpoint, forged.entries)
    return f"forged {ARRAYS}: {words}"


FORGERIES: tuple[Way, ...] = (_forge_facts, _forge_arrays, _forge_arrays)
