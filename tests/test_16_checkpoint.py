"""Lesson 16: what is saved comes back to the bit, and what is damaged never comes back as numbers."""

import os
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from mxnet import nd

ARRAYS = {
    "W_xh": nd.arange(12).reshape((3, 4)),
    "state_0": nd.array([[np.nan, -0.0, 1e-45]]),
    "t": nd.array([7], dtype="int32"),
}
FACTS = {"progress": {"epoch": 3, "nats": 0.1 + 0.2}, "chars": " 分\U0001f600", "nothing": None}


def test_arrays_and_facts_come_back_to_the_bit(subject: ModuleType, tmp_path: Path) -> None:
    subject.save_checkpoint(tmp_path / "c.npz", ARRAYS, FACTS)

    arrays, facts = subject.load_checkpoint(tmp_path / "c.npz")

    assert {name: (a.dtype, a.shape, a.asnumpy().tobytes()) for name, a in arrays.items()} == {
        name: (a.dtype, a.shape, a.asnumpy().tobytes()) for name, a in ARRAYS.items()
    }
    assert {name: facts[name] for name in FACTS} == FACTS


def test_numpy_opens_it_without_us(subject: ModuleType, tmp_path: Path) -> None:
    subject.save_checkpoint(tmp_path / "c.npz", ARRAYS, FACTS)

    with np.load(tmp_path / "c.npz", allow_pickle=False) as members:
        assert (members["W_xh"] == ARRAYS["W_xh"].asnumpy()).all()


def test_a_failed_write_keeps_the_checkpoint_before(
    subject: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.npz"
    subject.save_checkpoint(path, ARRAYS, {"version": 1})

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        subject.save_checkpoint(path, ARRAYS, {"version": 2})

    assert subject.load_checkpoint(path)[1]["version"] == 1
    assert os.listdir(tmp_path) == ["c.npz"]


@pytest.mark.parametrize("keep", [0, 1, 100, -100, -1], ids=lambda keep: f"keep {keep}")
def test_a_cut_file_is_refused(subject: ModuleType, tmp_path: Path, keep: int) -> None:
    path = tmp_path / "c.npz"
    subject.save_checkpoint(path, ARRAYS, FACTS)
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(ValueError, match=r"c\.npz: no whole checkpoint"):
        subject.load_checkpoint(path)


def test_a_flipped_bit_changes_no_number(subject: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    subject.save_checkpoint(path, ARRAYS, FACTS)
    whole = path.read_bytes()
    want = {name: a.asnumpy().tobytes() for name, a in ARRAYS.items()}
    refused = 0
    for position in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        try:
            arrays, _ = subject.load_checkpoint(path)
        except ValueError:
            refused += 1
        else:
            assert all(arrays[name].asnumpy().tobytes() == want[name] for name in arrays if name in want)
    assert refused > len(whole) / 6


def test_a_pickle_is_never_opened(subject: ModuleType, tmp_path: Path) -> None:
    np.savez(tmp_path / "c.npz", W_xh=np.array([{"a": 1}], dtype=object))

    with pytest.raises(ValueError, match="no whole checkpoint"):
        subject.load_checkpoint(tmp_path / "c.npz")


def test_another_format_is_refused_by_its_number(subject: ModuleType, tmp_path: Path) -> None:
    subject.save_checkpoint(tmp_path / "c.npz", ARRAYS, {"format": 99})

    with pytest.raises(ValueError, match="checkpoint of format 99, this version reads format 1"):
        subject.load_checkpoint(tmp_path / "c.npz")


def test_a_missing_file_is_called_missing(subject: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        subject.load_checkpoint(tmp_path / "c.npz")
