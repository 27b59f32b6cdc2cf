"""Hostile submissions: a notebook, a file, an archive or a name, mutated, among two honest students.

The target `classes` of fuzzing.py. Whatever one hands in, the others keep their rows and their texts.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

MODULES = ("zipfile", "d2lrnn.grading.submissions", "d2lrnn.grading.archives", "d2lrnn.grading.platforms")
HONEST = {"ann.py": b"def one_hot(indices):\n    return 1\n", "zoe.ipynb": b""}
NOTEBOOK, WHOLE, INNER, FILE, NAME, METADATA = range(6)  # what the first byte says about the others
LONGEST = 200  # bytes of a name: what is added to it leaves it below the 255 of most file systems
YAML = "submission_1:\n  :submitters:\n  - :name: Ann\n    :sid: '1'\n  :created_at: 2026-10-01 09:00:00 Z\n"


def notebook(*cells: object) -> bytes:
    """A notebook with these cells."""
    codes = [{"cell_type": "code", "source": cell, "metadata": {"tags": []}} for cell in cells]
    return json.dumps({"cells": codes, "nbformat": 4}).encode()


HONEST["zoe.ipynb"] = notebook("x = 'zoe'")


def zipped(files: Mapping[str, bytes], raw: Mapping[bytes, bytes] | None = None) -> bytes:
    """An archive of files, and of some under names that are bytes without a flag."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
        for i, (bytes_, content) in enumerate((raw or {}).items()):
            archive.writestr(RawName(f"~{i}", bytes_), content)
    return out.getvalue()


class RawName(zipfile.ZipInfo):
    """A member whose name is any bytes, without a flag that says their encoding."""

    __slots__ = ("raw",)

    def __init__(self, stand_in: str, raw: bytes) -> None:
        super().__init__(stand_in)
        self.raw = raw

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.raw, self.flag_bits


def as_class(data: bytes) -> tuple[bytes, bool]:
    """The archive of a class that an input stands for, and whether the honest ones must be found in it."""
    kind, rest = data[0] % 6 if data else 0, data[1:]
    if kind == WHOLE:
        return rest, False
    if kind == NAME:
        size = min(rest[0] if rest else 0, LONGEST)
        return zipped(HONEST, {rest[1 : 1 + size]: rest[1 + size :] or b"x = 1\n"}), True
    if kind == METADATA:
        return zipped({**HONEST, "submission_metadata.yml": rest, "submission_1/a.py": b"x = 1\n"}), True
    name = {NOTEBOOK: "mallory.ipynb", INNER: "mallory.zip", FILE: "mallory.py"}[kind]
    return zipped({**HONEST, name: rest}), True


def seed_inputs() -> list[bytes]:
    """Sound and hand-made submissions of every kind."""
    one = zipped({"submission.py": b"x = 1\n"})
    sound = notebook("%matplotlib inline\nx = 1", ["a\n", "b"], 3, None)
    texts = [sound, b'{"cells": [{"cell_type": "code"}]}', b"[" * 99, b'{"cells": 1}', b"{}", b""]
    inputs = [bytes([NOTEBOOK]) + text for text in texts]
    archives = [
        one, one[:-9], one + one, zipped({}), zipped({"a/b/c.ipynb": sound, "d.py": b""}), zipped({"": b"x"}),
        zipped({}, {"周杰伦.py".encode("gbk"): b"x"}), zipped({"../a.py": b"x", "a.zip": one}),
    ]  # fmt: skip
    inputs += [bytes([kind]) + archive for archive in archives for kind in (WHOLE, INNER)]
    inputs += [bytes([WHOLE]) + zipped(HONEST)]
    files = [
        b"# coding: gbk\nx = 1",
        b"\xef\xbb\xbfx",
        b"\xff\xfe",
        b"x\r\ny\0",
        b"from __future__ import x\n",
    ]
    inputs += [bytes([FILE]) + text for text in files]
    names = [
        "周杰伦.py".encode("gbk"), "김민준.py".encode("cp949"), "🎵.py".encode(), b"", b"/", b"..",
        b"a/../../b.py", b"C:\\a.py", b"\\a.py", b".py", b"a.py\0b.py", b"ann.py", b"ann", b"__MACOSX/a.py",
        99 * b"a/" + b"a.py", 200 * b"a", b"Zhou_12_assignsubmission_file_/a.py",
        b"zhou_LATE_123_45678_a.py", b"HW_zhou_attempt_2026-10-01-09-26-00_a.py",
        b"HW_zhou_attempt_2026-10-01-09-26-00.txt", b"1-2 - Zhou - Oct 1, 2026 926 AM/a.py", b"index.html",
        b"anon_abcde_12345_a.py",
    ]  # fmt: skip
    inputs += [bytes([NAME, len(name)]) + name + text for name in names for text in (b"", one)]
    escaped = YAML.replace("Ann", '"\\u5206\\U0001F3B5\\x"')
    inputs += [bytes([METADATA]) + text.encode() for text in (YAML, escaped, "---\n", YAML * 3, "a:\n- b\n")]
    return inputs


def check(data: bytes, folder: Path) -> bool:
    """Read the class; True if anything can be graded in it.

    Raises:
        AssertionError: an honest student is lost, or a row is not fit for reports.
        Exception: what would end the grading of a class.
    """
    from d2lrnn.cli import STEERING
    from d2lrnn.grading.submissions import read_submissions

    archive, is_sound = as_class(data)
    path = folder / "a.zip"
    path.write_bytes(archive)
    found = read_submissions([path], every=True)
    assert found, "a class without a row"
    for submission in found:
        assert bool(submission.problem) != bool(submission.cells), "neither a text nor a reason, or both"
        for said in (submission.problem, submission.note, submission.file):
            assert not STEERING.search(said), f"not one line: {said!r}"
        name = submission.name
        assert re.fullmatch(r"[^/\0._-][^/\0]*", name), f"no name for a file: {name!r}"
        assert len(f".{name}+99.json.1234567.tmp".encode()) < 255, f"too long a name: {name!r}"
    rows = [(submission.name.casefold(), submission.attempt) for submission in found]
    assert len(set(rows)) == len(rows), "two submissions with one name"
    is_one = len(found) == 1 and "was taken" in found[0].note  # beside a submission.py: one student's
    if is_sound and not is_one:
        texts = {submission.source for submission in found}
        for name, text in HONEST.items():
            wanted = text.decode() if name.endswith(".py") else "x = 'zoe'\n"
            assert wanted in texts, f"{name} is lost"
    return any(submission.cells for submission in found)
