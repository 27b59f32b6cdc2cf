"""The protocol between grader and worker: plain values come back as they were, and no bytes do harm.

`python tests/grading/test_wire.py 1000000` feeds the decoder a million broken messages.
"""

from __future__ import annotations

import collections
import os
import random
import sys
import time
from typing import Any, NamedTuple

from d2lrnn.grading import wire

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

integers = st.integers(-(2**63), 2**63 - 1)
scalars = st.none() | st.booleans() | integers | st.floats() | st.text() | st.binary()
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=4) | integers, inner, max_size=4)
    ),
    max_leaves=8,
)


class Pair(NamedTuple):
    left: int
    right: int


def same(left: Any, right: Any) -> bool:
    """Equal, of equal types all the way down, and bit by bit where == is no help (nan, -0.0, arrays)."""
    if type(left) is not type(right):
        return False
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    return repr(left) == repr(right)


@given(values)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    assert same(wire.decode(wire.encode(value)), value)


@pytest.mark.parametrize("dtype", wire.DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
def test_an_array_comes_back_as_it_was(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.asarray(np.random.default_rng(0).integers(0, 2, shape).astype(dtype))
    assert same(wire.decode(wire.encode(array)), array)


def test_an_array_is_sent_in_the_order_of_its_indices() -> None:
    array = np.arange(12, dtype="<f4").reshape(3, 4).T[::2]
    assert same(wire.decode(wire.encode(array)), np.array(array, order="C"))


def test_a_decoded_array_is_its_own() -> None:
    data = wire.encode([np.zeros(3), np.zeros(3)])
    first, second = wire.decode(data)
    first += 1  # writable
    assert second.tolist() == [0, 0, 0] and wire.decode(data)[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (2**63, "64 bits"),
        (-(2**63) - 1, "64 bits"),
        ("\ud800", "surrogate"),
        ({1, 2}, "type set"),
        (object(), "type object"),
        (print, "type builtin"),
        (Pair(1, 2), "type Pair"),
        (np.float32(1), "type float32"),
        (np.float64(1), "type float64"),  # a subclass of float
        (collections.OrderedDict(), "type OrderedDict"),
        (np.ma.zeros(3), "type MaskedArray"),
        ({1.5: 0}, "key of type float"),
        ({True: 0}, "key of type bool"),
        ({(1, 2): 0}, "key of type tuple"),
        (np.array([object()]), "array of type object"),
        (np.array(["a"]), "array of type <U1"),
        (np.zeros(2, ">f4"), "array of type >f4"),
        (np.zeros(2, "f4,i4"), "array of type"),
        (np.zeros(2, "complex64"), "array of type complex64"),
        ([0] * wire.MAX_NODES, "values in one"),
        (b"x" * wire.MAX_BYTES, "bytes"),
        (np.zeros(wire.MAX_BYTES + 1, "i1"), "bytes"),
    ],
    ids=lambda value: value if type(value) is str and value.isprintable() else type(value).__name__,
)
def test_what_is_not_plain_is_not_sent(value: Any, found: str) -> None:
    with pytest.raises(wire.WireError, match=found):
        wire.encode(value)


def test_a_list_within_itself_is_not_sent() -> None:
    knot: list[Any] = []
    knot.append(knot)
    with pytest.raises(wire.WireError, match="inside one another"):
        wire.encode(knot)


def test_the_deepest_and_widest_values_pass() -> None:
    deep: Any = 0
    for _ in range(wire.MAX_DEPTH):
        deep = [deep]
    for value in (deep, [0] * (wire.MAX_NODES - 1)):
        assert wire.decode(wire.encode(value)) == value


def number(value: int) -> bytes:
    return value.to_bytes(8, "little", signed=True)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "announced"),
        (b"x", "no value begins"),
        (b"NN", "follow the value"),
        (b"i" + bytes(7), "announced"),
        (b"s" + number(-1), "announced"),
        (b"s" + number(2**62), "announced"),
        (b"s" + number(1) + b"\xff", "not UTF-8"),
        (b"l" + number(2**62), "parts announced"),
        (b"l" + number(-1), "parts announced"),
        (b"l" + number(1), "parts announced"),
        ((b"l" + number(1)) * 14 + b"N", "inside one another"),
        (b"l" + number(wire.MAX_NODES) + b"N" * wire.MAX_NODES, "values in one"),
        (b"m" + number(1) + b"NN", "key of type NoneType"),
        (b"m" + number(1) + b"TN", "key of type bool"),
        (b"m" + number(2) + 2 * (b"i" + number(5) + b"N"), "key twice"),
        (b"a\x0c\x00", "unknown type 12"),
        (b"a\x00\x21", "33 dimensions"),
        (b"a\x00\x00\x02", "neither 0 nor 1"),
        (b"a\x01\x01" + number(-1), "shape"),
        (b"a\x01\x02" + number(0) + number(2**60), "shape"),
        (b"a\x01\x02" + number(2**32) * 2, "shape"),
        (b"a\x0b\x01" + number(2) + bytes(15), "announced"),
        (bytes(wire.MAX_BYTES + 1), "are more than"),
    ],
    ids=lambda value: value if type(value) is str else "",
)
def test_bytes_that_are_no_value_are_refused(data: bytes, found: str) -> None:
    with pytest.raises(wire.WireError, match=found):
        wire.decode(data)


def test_frames_follow_one_another_through_a_pipe() -> None:
    receive, send = os.pipe()
    try:
        wire.write_frame(send, [1, "a"])
        wire.write_frame(send, None)
        assert wire.read_frame(receive, None) == [1, "a"]
        assert wire.read_frame(receive, time.monotonic() + 5) is None
        with pytest.raises(TimeoutError, match="0 of 8 bytes"):
            wire.read_frame(receive, time.monotonic() + 0.01)
    finally:
        os.close(send)
    with pytest.raises(wire.WireError, match="hung up"):
        wire.read_frame(receive, None)
    os.close(receive)


@pytest.mark.parametrize("size", [0, -1, wire.MAX_BYTES + 1])
def test_no_frame_is_empty_or_too_large(size: int) -> None:
    with pytest.raises(wire.WireError, match=f"frame of {size} bytes"):
        wire.frame_size(number(size))


SEEDS = [
    {"ok": True, "value": [np.arange(6, dtype="<f4").reshape(2, 3), (1, 2.5, None), {"a": b"bytes", 3: "é"}]},
    {"ok": False, "stage": "call", "error": "ValueError: no", "line": 3},
    [np.zeros(dtype=dtype, shape=(2, 1)) for dtype in wire.DTYPES],
    [[[[[[(0, -1, 2**62)]]]]], True, False, {}, (), "", b""],
    np.zeros((0, 5)),
]


def broken(rng: random.Random, valid: list[bytes]) -> bytes:
    """Return a message that has been damaged, in one of the ways that a worker could send it."""
    data = bytearray(rng.choice(valid))
    if rng.random() < 0.1:
        return rng.choice(b"NTFidsbaltm?").to_bytes(1, "little") + rng.randbytes(rng.randrange(60))
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(6)
        if kind == 0:
            data[at : at + 1] = rng.randbytes(1)
        elif kind == 1:
            data[at : at + 1] = bytes([data[at] ^ 1 << rng.randrange(8)]) if at < len(data) else b""
        elif kind == 2:
            del data[at : at + rng.randrange(20)]
        elif kind == 3:
            other = rng.choice(valid)
            start = rng.randrange(len(other))
            data[at:at] = other[start : start + rng.randrange(40)]
        elif kind == 4:
            extreme = rng.choice([0, -1, 1, 2**31, 2**32, 2**62, -(2**63), 2**63 - 1, len(data)])
            data[at : at + 8] = number(extreme)
        else:
            data[at : at + 1] = rng.choice([b"N", b"l", b"m", b"a", b"s", b"t", b"i"])
    return bytes(data)


def fuzz(count: int, seed: int) -> collections.Counter[str]:
    """Decode count broken messages; return how many were values after all, and how many raised what.

    A value that was decoded must be one that can be sent, and comes back as itself.
    """
    rng = random.Random(seed)
    valid = [wire.encode(value) for value in SEEDS]
    outcomes: collections.Counter[str] = collections.Counter()
    for _ in range(count):
        data = broken(rng, valid)
        try:
            value = wire.decode(data)
            outcomes["decoded" if same(wire.decode(wire.encode(value)), value) else "changed"] += 1
        except wire.WireError:
            outcomes["WireError"] += 1
        except BaseException as exc:
            outcomes[f"{type(exc).__name__}: {exc} from {data!r}"] += 1
    return outcomes


def test_broken_messages_raise_nothing_but_wire_errors() -> None:
    outcomes = fuzz(20_000, seed=1)
    assert outcomes.keys() == {"decoded", "WireError"}, outcomes
    assert min(outcomes.values()) > 500  # neither all noise nor hardly damaged


if __name__ == "__main__":
    started = time.monotonic()
    result = fuzz(int(sys.argv[1]), seed=int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    print(f"{sum(result.values())} messages in {time.monotonic() - started:.0f} s")
    for outcome, times in result.most_common():
        print(f"{times:>9}  {outcome}")
