"""What a submission hears of hidden inputs reaches no later one: two runs of the real command.

In the first, each submission answers correctly and leaves what it hears in one way of attacks/channels.py. In
the second, others look for it, and tell what they find in an error message, which their authors read.
"""

import ctypes
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from d2lrnn.grading.marking import Exam
from d2lrnn.grading.pool import Pool

import numpy
import pytest

ATTACKS = Path(__file__).parent / "attacks"
KINDS = ["files", "shared_memory", "semaphores", "messages", "keys", "processes", "cached", "times"]
SURE = KINDS[:4] + ["processes"]  # the others depend on the system
FIRST = """
from mxnet import nd
def one_hot(indices, vocab_size):
    leave(KIND, 1 + (7 * int(indices.asnumpy().sum()) + vocab_size) % 60)
    if indices.size and (indices.min().asscalar() < 0 or indices.max().asscalar() >= vocab_size):
        raise IndexError("out of range")
    return nd.one_hot(indices, vocab_size)
"""
SECOND = """
def one_hot(indices, vocab_size):
    raise ValueError(f"heard {heard(KIND)}")
"""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="only Linux has them")]


@pytest.fixture
def channels() -> Iterator[str]:
    """The code of attacks/channels.py, with a number of its own; what it leaves is removed afterwards."""
    run = str(secrets.randbelow(10**6))
    yield (ATTACKS / "channels.py").read_text("utf-8").replace("@run@", run)
    libc, key = ctypes.CDLL(None), int(run) * 1000
    for place in ("/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock", os.path.dirname(os.__file__), "."):
        for path in Path(place).glob(f"d2lrnn_channel_{run}_*"):
            path.unlink(missing_ok=True)
    for n in range(1, 61):
        libc.shmctl(libc.shmget(key + n, 64, 0), 0, None)
        libc.semctl(libc.semget(key + n, 1, 0), 0, 0)
        libc.msgctl(libc.msgget(key + n, 0), 0, None)
        libc.mq_unlink(f"/d2lrnn_channel_{run}_{n}".encode())


def grade(folder: Path, *files: Path) -> None:
    options = ["--lesson", "onehot", "--isolation", "strict", "-j", "1"]
    command = [sys.executable, "-m", "d2lrnn.grade", *map(str, files), "--out", str(folder / "out"), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    if "this system cannot isolate" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr


def marks_of(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / f"out/outcomes/{name}.json").read_text())["marks"]


def test_what_one_program_hears_no_later_one_can_find(tmp_path: Path, channels: str) -> None:
    files = {kind: tmp_path / f"{kind}.py" for kind in KINDS}
    for kind, file in files.items():
        file.write_text(f"{channels}\nKIND = {kind!r}\n{FIRST}")
    grade(tmp_path, *files.values())
    for kind, file in files.items():
        file.write_text(f"{channels}\nKIND = {kind!r}\n{SECOND}")
    others = [Path(shutil.copy(file, tmp_path / f"other_{kind}.py")) for kind, file in files.items()]
    grade(tmp_path, *files.values(), *others)

    assert all(marks_of(tmp_path, "files")["outcomes"][0][bit] for bit in ("example", "hidden"))
    for name in [
        f"{prefix}{kind}{attempt}" for prefix, attempt in (("", "+2"), ("other_", "")) for kind in KINDS
    ]:
        outcomes = [o for o in marks_of(tmp_path, name)["outcomes"] if o["function"] == "one_hot"]
        said = [o["message"] for o in outcomes]
        # the file system answers; some of the other ways end a program
        assert any("heard []" in text for text in said) or "files" not in name, said
        assert not [text for text in said if "heard " in text and "heard []" not in text]
        assert not any(o["example"] for o in outcomes)


@pytest.mark.parametrize("kind", SURE)
def test_without_a_sandbox_it_would_be_found(
    kind: str, tmp_path: Path, channels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave, find = (
        [sys.executable, "-c", f"{channels}\n{what}"]
        for what in (f"leave({kind!r}, 37)", f"print(heard({kind!r}))")
    )
    for name in ("HOME", "TMPDIR"):  # nothing is left in the real ones
        monkeypatch.setenv(name, str(tmp_path))
    subprocess.run(leave, cwd=tmp_path, check=True)
    until = time.monotonic() + 30
    found = ""
    while "37" not in found and time.monotonic() < until:  # a process may not be ready yet
        found = subprocess.run(find, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    assert found == "[37]\n"


def test_what_an_earlier_run_has_read_of_pythons_files_is_not_in_memory(tmp_path: Path) -> None:
    files = [Path(os.__file__).with_name("this.py"), Path(numpy.__file__).with_suffix(".pyi")]
    own = tmp_path / "file"
    own.write_bytes(b"x")
    with own.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if in_memory(own):
        pytest.skip("this file system is in memory itself")
    for file in files:
        file.read_bytes()
    assert all(map(in_memory, files))

    Pool(Exam([], 7), "minimal", 1, [])

    assert not any(map(in_memory, files))


def in_memory(file: Path) -> bool:
    """Whether the first bytes of a file can be had without waiting for the disk."""
    with file.open("rb", buffering=0) as opened, suppress(BlockingIOError):
        return os.preadv(opened.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT) == 1
    return False
