"""Lesson 16: what is saved comes back to the bit, and what is damaged never comes back as numbers."""

import hashlib
import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from mxnet import nd

ARRAYS = {
    "W_xh": nd.arange(12).reshape((3, 4)),
    "state_0": nd.array([[np.nan, -0.0, 1e-45]]),
    "t": nd.array([7], dtype="int32"),
}
FACTS = {"progress": {"epoch": 3, "nats": 0.1 + 0.2}, "chars": " 分\U0001f600", "nothing": None}
FILES = ["arrays.npz", "facts.json", "manifest.json"]


def contents(arrays):
    return {name: (a.dtype, a.shape, a.asnumpy().tobytes()) for name, a in arrays.items()}


def summed(path):
    data = path.read_bytes()
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def manifest_of(path):
    return json.loads((path / "manifest.json").read_text())


def rewrite_manifest(path, **changes):
    """A manifest that fits the files again, as a forger would write it."""
    files = {name: summed(path / name) for name in FILES[:2]}
    (path / "manifest.json").write_text(json.dumps({**manifest_of(path), "files": files, **changes}))


@pytest.fixture
def saved(subject, tmp_path):
    subject.save_checkpoint(tmp_path / "c", ARRAYS, FACTS)
    return tmp_path / "c"


def check_refused(subject, path, found=""):
    with pytest.raises(ValueError, match=f"/{path.name}: .*{found}"):
        subject.load_checkpoint(path)


def full_disk(*_):
    raise OSError(28, "No space left on device")


# --- one checkpoint ---


def test_arrays_and_facts_come_back_to_the_bit(subject, saved):
    arrays, facts = subject.load_checkpoint(saved)

    assert contents(arrays) == contents(ARRAYS)
    assert facts == FACTS


def test_numpy_json_and_sha256_open_it_without_us(saved):
    assert sorted(os.listdir(saved)) == FILES
    with np.load(saved / "arrays.npz", allow_pickle=False) as members:
        assert (members["W_xh"] == ARRAYS["W_xh"].asnumpy()).all()
    assert json.loads((saved / "facts.json").read_text(encoding="utf-8")) == FACTS
    manifest = manifest_of(saved)
    assert manifest["files"] == {name: summed(saved / name) for name in FILES[:2]}
    assert manifest["arrays"]["W_xh"] == {"shape": [3, 4], "dtype": "float32"}


def test_a_checkpoint_is_never_written_over_another(subject, saved):
    with pytest.raises(FileExistsError, match=str(saved)):
        subject.save_checkpoint(saved, ARRAYS, {"version": 2})

    assert subject.load_checkpoint(saved)[1] == FACTS


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failed_write_leaves_nothing_half_written(subject, tmp_path, monkeypatch, failing):
    monkeypatch.setattr(os, failing, full_disk)
    with pytest.raises(OSError, match="No space left"):
        subject.save_checkpoint(tmp_path / "c", ARRAYS, FACTS)

    assert os.listdir(tmp_path) == []


def test_its_name_appears_only_when_all_of_it_is_on_the_disk(subject, tmp_path, monkeypatch):
    path, events = tmp_path / "c", []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor):
        events.append(("synced", Path(os.readlink(f"/proc/self/fd/{descriptor}"))))
        assert path.exists() == (("named", path) in events)
        fsync(descriptor)

    def note_replace(source, target):
        before = {name for what, name in events if what == "synced"}
        assert {source, *(source / name for name in FILES)} <= before
        replace(source, target)
        events.append(("named", Path(target)))

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    subject.save_checkpoint(path, ARRAYS, FACTS)

    assert events.index(("named", path)) < events.index(("synced", tmp_path))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("keep", [0, 1, 60, -60, -1], ids=lambda keep: f"keep {keep}")
def test_a_cut_file_is_refused(subject, saved, name, keep):
    file = saved / name
    file.write_bytes(file.read_bytes()[:keep])

    check_refused(subject, saved)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_changes_nothing(subject, saved, name):
    whole, refused, tried = (saved / name).read_bytes(), 0, 0
    for position in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        (saved / name).write_bytes(damaged)
        tried += 1
        try:
            arrays, facts = subject.load_checkpoint(saved)
        except ValueError:
            refused += 1
        else:
            assert (contents(arrays), facts) == (contents(ARRAYS), FACTS)
    assert (
        refused == tried if name != "manifest.json" else refused > tried / 2
    )  # there is space between words


@pytest.mark.parametrize("name", FILES)
def test_files_of_two_checkpoints_do_not_mix(subject, saved, name):
    other = saved.with_name("b")
    subject.save_checkpoint(other, {"W_xh": nd.ones((3, 4))}, {"version": 2})
    shutil.copy(other / name, saved / name)

    check_refused(subject, saved)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_and_a_pipe_in_its_place_are_refused(subject, saved, name):
    (saved / name).unlink()
    check_refused(subject, saved)
    os.mkfifo(saved / name)

    check_refused(subject, saved)


def _pickled(path):
    np.savez(path / "arrays.npz", W_xh=np.array([{"a": 1}], dtype=object))
    rewrite_manifest(path, arrays={"W_xh": {"shape": [1], "dtype": "object"}})


def _of_another_shape(path):
    arrays = manifest_of(path)["arrays"]
    rewrite_manifest(path, arrays={**arrays, "W_xh": {"shape": [4, 3], "dtype": "float32"}})


def _one_more_array(path):
    arrays = manifest_of(path)["arrays"]
    rewrite_manifest(path, arrays={**arrays, "W_hh": {"shape": [4, 4], "dtype": "float32"}})


def _a_bomb(path):
    with zipfile.ZipFile(path / "arrays.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("W_xh.npy", b"\0" * 10**7)
    rewrite_manifest(path, arrays={"W_xh": {"shape": [3, 4], "dtype": "float32"}})


def _nested_too_deep(path):
    (path / "facts.json").write_text("[" * 10**5)
    rewrite_manifest(path)


@pytest.mark.parametrize("forge", [_pickled, _of_another_shape, _one_more_array, _a_bomb, _nested_too_deep])
def test_a_forgery_whose_sums_are_right_is_refused(subject, saved, forge):
    forge(saved)

    check_refused(subject, saved)


@pytest.mark.parametrize(
    "manifest", ["", "null", "[]", "{}", '{"format": 2}', '{"format": 2, "files": 7}', "[" * 10**5]
)
def test_a_manifest_that_is_none_is_refused(subject, saved, manifest):
    (saved / "manifest.json").write_text(manifest)

    check_refused(subject, saved)


def test_another_format_is_refused_by_its_number(subject, saved):
    rewrite_manifest(saved, format=99)

    check_refused(subject, saved, "99.*2")


def test_a_missing_checkpoint_is_called_missing(subject, tmp_path):
    for load in (subject.load_checkpoint, subject.load_newest):
        with pytest.raises(FileNotFoundError, match=str(tmp_path)):
            load(tmp_path / "c")


# --- a folder of them ---


def save_three(subject, folder):
    previous = None
    for version in (1, 2, 3):
        previous = subject.save_next(folder, ARRAYS, {"version": version}, previous)


def test_the_last_two_are_kept_and_the_newest_is_loaded(subject, tmp_path):
    save_three(subject, tmp_path / "all")

    assert sorted(os.listdir(tmp_path / "all")) == ["000002", "000003", "LATEST"]
    path, arrays, facts, damaged = subject.load_newest(tmp_path / "all")
    assert (path.name, facts, damaged) == ("000003", {"version": 3}, [])
    assert contents(arrays) == contents(ARRAYS)


@pytest.mark.parametrize("name", FILES)
def test_of_a_damaged_newest_the_one_before_is_taken_and_the_reason_said(subject, tmp_path, name):
    save_three(subject, tmp_path)
    (tmp_path / "000003" / name).write_bytes(b"")

    path, _, facts, damaged = subject.load_newest(tmp_path)

    assert (path.name, facts) == ("000002", {"version": 2})
    (reason,) = damaged
    assert "000003: " in reason
    assert name in reason or name == "manifest.json"


@pytest.mark.parametrize("latest", [None, b"", b"000009\n", b"\xff\xfe", b"../../etc"])
def test_without_a_good_latest_the_newest_is_found_by_its_number(subject, tmp_path, latest):
    save_three(subject, tmp_path)
    (tmp_path / "LATEST").unlink()
    if latest is not None:
        (tmp_path / "LATEST").write_bytes(latest)

    path, _, _, damaged = subject.load_newest(tmp_path)

    assert path.name == "000003"
    assert "LATEST" in damaged[0]


def test_latest_names_a_whole_checkpoint_at_every_moment_of_saving(subject, tmp_path, monkeypatch):
    first = subject.save_next(tmp_path, ARRAYS, {"version": 1})
    fsync, moments = os.fsync, []

    def look(descriptor):
        fsync(descriptor)
        latest = tmp_path / (tmp_path / "LATEST").read_text().strip()
        moments.append(subject.load_checkpoint(latest)[1]["version"])

    monkeypatch.setattr(os, "fsync", look)
    subject.save_next(tmp_path, ARRAYS, {"version": 2}, first)

    assert moments == sorted(moments)
    assert set(moments) == {1, 2}


def test_the_one_that_is_named_previous_is_kept_whatever_its_number(subject, tmp_path):
    save_three(subject, tmp_path)

    subject.save_next(tmp_path, ARRAYS, {"version": 4}, tmp_path / "000002")  # 000003 was found damaged

    assert sorted(os.listdir(tmp_path)) == ["000002", "000004", "LATEST"]


@pytest.mark.parametrize("pid", [4711, os.getpid()], ids=["another", "ours"])  # in a container all may be one
def test_what_a_killed_process_left_is_swept_away(subject, tmp_path, pid):
    (tmp_path / f".000001.{pid}.tmp").mkdir()
    (tmp_path / f".000001.{pid}.tmp/arrays.npz").write_bytes(b"half")
    (tmp_path / "notes").mkdir()

    subject.save_next(tmp_path, ARRAYS, FACTS)

    assert sorted(os.listdir(tmp_path)) == ["000001", "LATEST", "notes"]


def test_a_folder_in_which_nothing_is_whole_names_every_reason(subject, tmp_path):
    save_three(subject, tmp_path)
    for name in ("000002", "000003"):
        (tmp_path / name / "facts.json").write_bytes(b"")

    with pytest.raises(ValueError, match=r"000003: .*000002: "):
        subject.load_newest(tmp_path)


# --- write_atomically ---


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name here")
def test_what_is_no_file_is_not_replaced(subject, tmp_path):
    os.mkfifo(tmp_path / "pipe")  # as /dev/null is no file

    with pytest.raises(OSError, match="pipe"):
        subject.write_atomically(tmp_path / "pipe", b"new")

    assert (tmp_path / "pipe").is_fifo()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_is_replaced_or_left(subject, tmp_path, monkeypatch):
    subject.write_atomically(tmp_path / "f", b"old")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        subject.write_atomically(tmp_path / "f", b"new")

    assert (tmp_path / "f").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]
