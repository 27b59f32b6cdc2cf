"""Plain values to bytes and back: nothing else ever passes between the grader and a worker.

A value is None, a bool, an int of 64 bits, a float, a str, bytes, a list, a tuple, a dict with str or int
keys, or a numpy array of a type in ``DTYPES``. It is written as one letter and what follows it; a count or a
size is 8 bytes, little endian. There are no class names, no references and no code in it, so whatever bytes a
worker sends, the worst that `decode` can do with them is to raise WireError.
"""

from __future__ import annotations

import math
import os
import select
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

MAX_BYTES = 64 * 2**20
MAX_NODES = 20_000
MAX_DEPTH = 12
DTYPES = ("|b1", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8")
_INT = struct.Struct("<q")
_FLOAT = struct.Struct("<d")


class WireError(ValueError):
    """These bytes are not a value, or this value must not be sent."""


def plain(value: Any, depth: int = 0) -> Any:
    """Turn what a driver returns into values that may be sent: arrays of mxnet into numpy's, subclasses into
    what they are made of. What is no value at all stays, and the encoder refuses it.
    """
    if depth > MAX_DEPTH or value is None or type(value) in (bool, int, float, str, bytes):
        return value
    if hasattr(value, "asnumpy"):
        value = value.asnumpy()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return np.array(value, dtype=value.dtype.newbyteorder("="), order="C")
    if isinstance(value, Mapping):
        return {plain(key, depth + 1): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [plain(item, depth + 1) for item in value]
        return items if isinstance(value, list) else tuple(items)
    base = next((kind for kind in (int, float, str, bytes) if isinstance(value, kind)), None)
    return base(value) if base else value


def encode(value: Any) -> bytes:
    """Return value as bytes. Types are exact: a subclass of str or of ndarray is no plain value.

    Raises:
        WireError: something in value is not plain, or value is too large, too deep or of too many parts.
    """
    writer = _Writer()
    writer.write(value, 0)
    return b"".join(writer.parts)


def decode(data: bytes) -> Any:
    """Return the value that `encode` has written as data. Arrays are fresh and writable.

    Raises:
        WireError: data is anything else. No other exception leaves this function.
    """
    if len(data) > MAX_BYTES:
        raise WireError(f"{len(data)} bytes are more than {MAX_BYTES}")
    reader = _Reader(data)
    value = reader.read(0)
    if reader.at != len(data):
        raise WireError(f"{len(data) - reader.at} bytes follow the value")
    return value


class _Counter:
    nodes = 0

    def count(self, depth: int) -> None:
        """Count one part of a value, so that neither side builds more of them than is sensible."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise WireError(f"more than {MAX_NODES} values in one")
        if depth > MAX_DEPTH:
            raise WireError(f"more than {MAX_DEPTH} containers inside one another")


class _Writer(_Counter):
    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0

    def put(self, *parts: bytes) -> None:
        self.parts += parts
        self.size += sum(map(len, parts))
        if self.size > MAX_BYTES:
            raise WireError(f"more than {MAX_BYTES} bytes")

    def write(self, value: Any, depth: int) -> None:
        kind = type(value)
        self.count(depth)
        if kind in _CONSTANTS:
            self.put(_CONSTANTS[kind](value))
        elif kind is int:
            if not -(2**63) <= value < 2**63:
                raise WireError("an integer of more than 64 bits")
            self.put(b"i", _INT.pack(value))
        elif kind is float:
            self.put(b"d", _FLOAT.pack(value))
        elif kind is str:
            try:
                text = value.encode()
            except UnicodeEncodeError:
                raise WireError("a text with half a character (a lone surrogate)") from None
            self.put(b"s", _INT.pack(len(text)), text)
        elif kind is bytes:
            self.put(b"b", _INT.pack(len(value)), value)
        elif kind is np.ndarray:
            self.write_array(value)
        elif kind is list or kind is tuple:
            self.put(b"l" if kind is list else b"t", _INT.pack(len(value)))
            for item in value:
                self.write(item, depth + 1)
        elif kind is dict:
            self.put(b"m", _INT.pack(len(value)))
            for key, item in value.items():
                if type(key) is not str and type(key) is not int:
                    raise WireError(f"a dict key of type {type(key).__name__}")
                self.write(key, depth + 1)
                self.write(item, depth + 1)
        else:
            raise WireError(f"a value of type {kind.__name__}")

    def write_array(self, array: np.ndarray) -> None:
        if array.dtype.str not in DTYPES:
            raise WireError(f"an array of type {array.dtype}")
        if array.nbytes > MAX_BYTES:
            raise WireError(f"more than {MAX_BYTES} bytes")
        header = bytes([DTYPES.index(array.dtype.str), array.ndim])
        self.put(b"a", header, *map(_INT.pack, array.shape), array.tobytes())


_CONSTANTS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda value: b"N",
    bool: lambda value: b"T" if value else b"F",
}


class _Reader(_Counter):
    def __init__(self, data: bytes) -> None:
        self.data = memoryview(data)
        self.at = 0

    def take(self, size: int) -> memoryview:
        if not 0 <= size <= len(self.data) - self.at:
            raise WireError(f"{size} bytes announced, {len(self.data) - self.at} there")
        self.at += size
        return self.data[self.at - size : self.at]

    def integer(self) -> int:
        return int(_INT.unpack(self.take(8))[0])

    def items(self, depth: int) -> list[Any]:
        return [self.read(depth + 1) for _ in range(self.length())]

    def length(self) -> int:
        """Return how many parts a container announces, if that many can still be there."""
        length = self.integer()
        if not 0 <= length <= len(self.data) - self.at:
            raise WireError(f"{length} parts announced, {len(self.data) - self.at} bytes there")
        return length

    def read(self, depth: int) -> Any:
        self.count(depth)
        letter = bytes(self.take(1))
        if letter in b"NTF":
            return {b"N": None, b"T": True, b"F": False}[letter]
        if letter == b"i":
            return self.integer()
        if letter == b"d":
            return _FLOAT.unpack(self.take(8))[0]
        if letter == b"s":
            return self.text()
        if letter == b"b":
            return bytes(self.take(self.integer()))
        if letter == b"a":
            return self.array()
        if letter == b"l":
            return self.items(depth)
        if letter == b"t":
            return tuple(self.items(depth))
        if letter == b"m":
            return self.mapping(depth)
        raise WireError(f"no value begins with {letter!r}")

    def text(self) -> str:
        try:
            return str(self.take(self.integer()), "utf-8")
        except UnicodeDecodeError:
            raise WireError("a text that is not UTF-8") from None

    def mapping(self, depth: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        length = self.length()
        for _ in range(length):
            key = self.read(depth + 1)
            if type(key) is not str and type(key) is not int:
                raise WireError(f"a dict key of type {type(key).__name__}")
            found[key] = self.read(depth + 1)
        if len(found) != length:
            raise WireError("a dict with a key twice")
        return found

    def array(self) -> np.ndarray:
        code, ndim = self.take(2)
        if code >= len(DTYPES) or ndim > 32:
            raise WireError(f"an array of unknown type {code} or of {ndim} dimensions")
        shape = [self.integer() for _ in range(ndim)]
        # The empty array of shape (0, 2**60) has no bytes, yet numpy cannot hold it: such a 0 counts as 1.
        if min(shape, default=0) < 0 or math.prod(max(1, size) for size in shape) > MAX_BYTES:
            raise WireError(f"an array of shape {shape}")
        dtype = np.dtype(DTYPES[code])
        raw = self.take(math.prod(shape) * dtype.itemsize)
        array = np.frombuffer(raw, np.uint8)
        if dtype.kind == "b" and array.size and array.max() > 1:
            raise WireError("a truth value that is neither 0 nor 1")
        return array.view(dtype).reshape(shape).copy()


def write_frame(fd: int, value: Any) -> None:
    """Write value to a pipe or socket: 8 bytes for its size, then `encode(value)`."""
    data = encode(value)
    rest = memoryview(_INT.pack(len(data)) + data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def read_frame(fd: int, deadline: float | None) -> Any:
    """Read what `write_frame` has written; deadline is a time of `time.monotonic()`, or None: wait for ever.

    Raises:
        WireError: the other side hung up, or has written something else.
        TimeoutError: the frame was not complete by the deadline.
    """
    size = frame_size(_read(fd, _INT.size, deadline))
    return decode(_read(fd, size, deadline))


def frame_size(header: bytes) -> int:
    """Return the size that the first 8 bytes of a frame announce.

    Raises:
        WireError: no frame is that large.
    """
    (size,) = _INT.unpack(header)
    if not 0 < size <= MAX_BYTES:
        raise WireError(f"a frame of {size} bytes")
    return int(size)


def _read(fd: int, size: int, deadline: float | None) -> bytes:
    data = bytearray()
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    while len(data) < size:
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        if not poll.poll(left):
            raise TimeoutError(f"{len(data)} of {size} bytes came in time")
        more = os.read(fd, min(size - len(data), 2**20))
        if not more:
            raise WireError("the other side hung up")
        data += more
    return bytes(data)
