"""Whatever is handed in becomes named texts, or one line that says why not. Nothing is extracted or run."""

import io
import json
import os
import stat
import zipfile
from pathlib import Path

from d2lrnn.grading import archives, submissions
from d2lrnn.grading.submissions import Cell, Submission, read_submissions

import pytest
from hypothesis import given
from hypothesis import strategies as st

ONE_HOT = "def one_hot(indices, vocab_size):\n    return 1\n"


def notebook(*cells: object, tag_of: int = -1) -> bytes:
    metadata = [{"tags": ["submission"]} if i == tag_of else {} for i in range(len(cells))]
    parts = [{"cell_type": "code", "source": c, "metadata": m} for c, m in zip(cells, metadata)]
    return json.dumps({"cells": [{"cell_type": "markdown", "source": "!"}, *parts]}).encode()


def read(path: Path) -> Submission:
    (submission,) = read_submissions([path])
    return submission


def read_bytes(folder: Path, name: str, data: bytes) -> Submission:
    (folder / name).write_bytes(data)
    return read(folder / name)


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


# --- one file --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        "x = '分'\n".encode(),
        b"\xef\xbb\xbf" + "x = '分'\n".encode(),
        "x = '分'\r\n".encode(),
        "# coding: gbk\nx = '分'\n".encode("gbk"),
    ],
    ids=["utf-8", "with a mark", "windows line ends", "gbk"],
)
def test_a_file_is_read_as_python_reads_it(data: bytes, tmp_path: Path) -> None:
    submission = read_bytes(tmp_path, "alice.py", data)

    assert submission.source.endswith("x = '分'\n")
    assert (submission.name, submission.file, submission.problem) == ("alice", "alice.py", "")


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("a.py", b"", "is empty"),
        ("a.py", b" \n\n", "is empty"),
        pytest.param("a.py", b"\x03" + os.urandom(64) + b"\xff", "is not text", id="noise"),
        ("a.py", "x = 1\n".encode("utf-16"), "is text in UTF-16: save it as UTF-8"),
        ("a.py", "x = '分'\n".encode("gbk"), "is not UTF-8 text: save it as UTF-8"),
        ("a.py", b"%PDF-1.7\n\xb5\xb5", "is a PDF, whatever its name says: hand in the .py or .ipynb itself"),
        ("a.ipynb", b"PK\x03\x04 docx", "is a zip archive or an office document"),
        ("a.py", b"<!DOCTYPE html>", "is a web page"),
        ("a.py", b"x = 1\0\n", "is not text"),
        ("a.py", b"# coding: koi8-r\nx = 1\n", "says that it is written in koi8-r"),
        ("a.py", b"# coding: punycode\nx = 1\n", "save it as UTF-8"),  # Python 3.14 does not know it
        ("a.py", b"# coding: nonsense\nx = 1\n", "names an encoding that Python does not know"),
        ("a.py", b"#" * (archives.MAX_BYTES + 1), f"at most {archives.MAX_BYTES:,}"),
        ("a.ipynb", b"", "is empty"),
        ("a.ipynb", b"x = 1\n", "is not a notebook: it is not JSON"),
        ("a.ipynb", b"[" * 100_000, "is not a notebook: it is not JSON"),
        ("a.ipynb", b"[1, 2]", "is not a notebook of format 4"),
        ("a.ipynb", b'{"worksheets": []}', "is not a notebook of format 4"),
        ("a.ipynb", b'{"cells": []}', "is a notebook without code cells"),
        ("a.ipynb", notebook("", " \n"), "is a notebook without code cells"),
        ("a.zip", b"PK nonsense", "is not a zip archive"),
        ("a.pdf", b"%PDF", "no .py and no .ipynb"),
    ],
)
def test_a_broken_file_is_one_line(name: str, data: bytes, problem: str, tmp_path: Path) -> None:
    submission = read_bytes(tmp_path, name, data)

    assert problem in submission.problem
    assert name in submission.problem
    assert "\n" not in submission.problem
    assert submission.name == "a"
    assert submission.cells == ()


@given(st.binary(max_size=300), st.sampled_from(["a.py", "a.ipynb", "a.zip"]))
def test_no_bytes_raise_an_error(tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str) -> None:
    submission = read_bytes(tmp_path_factory.mktemp("any"), name, data)

    assert bool(submission.problem) != bool(submission.cells)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("code"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["cells", "cell_type", "source", "metadata", "tags"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_json_raises_an_error(tmp_path_factory: pytest.TempPathFactory, cells: object) -> None:
    data = json.dumps({"cells": cells}).encode()

    submission = read_bytes(tmp_path_factory.mktemp("any"), "a.ipynb", data)

    assert bool(submission.problem) != bool(submission.cells)


# --- notebooks -------------------------------------------------------------------------------------


def test_tagged_cells_are_taken_or_all_if_none_is_tagged(tmp_path: Path) -> None:
    some = read_bytes(tmp_path, "some.ipynb", notebook("a = 1", ["b = 2\n", "c = 3"], "d = 4", tag_of=1))
    every = read_bytes(tmp_path, "every.ipynb", notebook("a = 1", "b = 2"))

    assert some.cells == (Cell(2, "b = 2\nc = 3"),)
    assert every.source == "a = 1\nb = 2\n"


def test_a_line_is_found_in_its_cell(tmp_path: Path) -> None:
    cells = "x = 0\n", "from __future__ import annotations\nx = 1", "a\nb\n\nc"

    submission = read_bytes(tmp_path, "a.ipynb", notebook(*cells))
    lines = submission.source.splitlines()

    assert lines[0] == "from __future__ import annotations"  # or Python would refuse it
    compile(submission.source, "a", "exec")
    assert submission.place(lines.index("x = 1") + 1) == "code cell 2, line 2"
    assert submission.place(lines.index("c") + 1) == "code cell 3, line 4"
    assert read_bytes(tmp_path, "a.py", b"x\ny\n").place(2) == "line 2"


# --- a class ---------------------------------------------------------------------------------------


def test_a_folder_holds_a_file_or_a_folder_for_each_student(tmp_path: Path) -> None:
    for name in ("alice.py", "bob/submission.py", "carol/mine/loss.py", "dave/report.pdf", ".git/config"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(ONE_HOT)

    found = read_submissions([tmp_path])

    assert [(s.name, s.file) for s in found] == [
        ("alice", "alice.py"),
        ("bob", "bob/submission.py"),
        ("carol", "carol/mine/loss.py"),
        ("dave", ""),
    ]
    assert found[3].problem == "no .py and no .ipynb (but dave/report.pdf)"


def test_a_students_own_folder_is_one_submission(tmp_path: Path) -> None:
    folder = tmp_path / "alice"
    folder.mkdir()
    unwritten = 'def one_hot(indices):\n    raise NotImplementedError("one_hot: lesson 3, chapters/en")\n'
    (folder / "submission.py").write_text(unwritten)
    (folder / "exercises.ipynb").write_bytes(notebook(ONE_HOT))

    assert read(folder).name == "alice"
    assert read(folder).file == "exercises.ipynb"  # for in it something is written
    assert read(folder).note == "exercises.ipynb was taken, of 2 files"
    (folder / "submission.py").write_text(ONE_HOT + "def get_inputs(data, vocab_size):\n    return 2\n")
    assert read(folder).file == "submission.py"
    assert [s.name for s in read_submissions([folder / "submission.py"])] == ["alice"]
    (folder / "submission.py").rename(folder / "mine.py")
    (folder / "exercises.ipynb").unlink()
    (folder / "tests.py").write_text("assert True\n")
    assert [s.file for s in read_submissions([folder], single=True)] == ["mine.py"]


def test_an_archive_of_a_class_is_like_a_folder(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner.zip", {"work/submission.py": ONE_HOT.encode()}).read_bytes()
    files = {
        "class/alice.py": b"x = 1\n",
        "class/bob/exercises.ipynb": notebook("x = 2"),
        "class/carol.zip": inner,
        "class/dave.zip": b"nonsense",
        "__MACOSX/class/._alice.py": b"\0",
        "class/.DS_Store": b"\0",
    }

    found = {s.name: s for s in read_submissions([zipped(tmp_path / "class.zip", files)])}

    assert sorted(found) == ["alice", "bob", "carol", "dave"]
    assert found["alice"].source == "x = 1\n"
    assert found["bob"].source == "x = 2\n"
    assert found["carol"].source == ONE_HOT
    assert found["dave"].problem == "dave.zip is not a zip archive, or is damaged"


def test_names_do_not_depend_on_the_order(tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "Zoë Ann.py", tmp_path / "b" / "Zoë Ann.py", tmp_path / "c" / "zoë_ann.py"]
    for i, path in enumerate(paths):
        path.parent.mkdir()
        path.write_text(f"x = {i}\n")

    forth = [(s.name, s.source) for s in read_submissions(paths)]
    back = [(s.name, s.source) for s in read_submissions(paths[::-1])]

    assert forth == back
    assert len({name.casefold() for name, _ in forth}) == 3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("=cmd|' calc'!A0", "cmd_calc_A0"),
        ("\u202egnp.exe\x1b[31m", "gnp.exe_31m"),
        ("...", "unnamed"),
        ("周杰伦", "周杰伦"),
        ("x" * 200, "x" * 120),
        ("周" * 75, "周" * 40),  # a name of a file has at most 255 bytes
        ("🎵", "🎵"),
    ],
)
def test_a_name_is_fit_for_a_file(name: str, expected: str, tmp_path: Path) -> None:
    assert read_bytes(tmp_path, f"{name}.py", b"x = 1\n").name == expected


@pytest.mark.parametrize(
    "names", [("张 三", "张_三"), ("周" * 41, "周" * 42), ("🎵\u200d", "🎵"), ("?", "!")]
)
def test_two_names_are_two_students(names: tuple[str, str], tmp_path: Path) -> None:
    found = read_submissions([zipped(tmp_path / "class.zip", {f"{name}.py": b"x = 1\n" for name in names})])

    assert sorted(s.student.name for s in found) == sorted(names)
    assert len({s.name.casefold() for s in found}) == 2


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_submissions([tmp_path / "nowhere"])


# --- archives and folders that mean harm -------------------------------------------------------------


def test_a_bomb_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = zipped(tmp_path / "class.zip", {"a.py": b"\n" * (archives.MAX_BYTES + 1), "b.py": b"x = 1\n"})
    found = {s.name: s.problem for s in read_submissions([bomb])}
    assert found["a"].startswith("a.py") and f"at most {archives.MAX_BYTES:,}" in found["a"]
    assert found["b"] == ""

    data = bytearray(bomb.read_bytes())  # now it says that it is small
    central = data.rindex(b"PK\x01\x02", 0, data.rindex(b"PK\x01\x02"))
    data[central + 24 : central + 28] = (10).to_bytes(4, "little")
    bomb.write_bytes(data)
    found = {s.name: s.problem for s in read_submissions([bomb])}
    assert found["b"] == ""
    assert found["a"]

    monkeypatch.setattr(submissions, "MAX_TOTAL", 150)
    many = zipped(tmp_path / "many.zip", {f"{c}.py": b"#" * 60 for c in "abcd"})
    assert [bool(s.problem) for s in read_submissions([many])] == [False, False, True, True]


@pytest.mark.slow
def test_what_one_student_hands_in_costs_the_others_nothing(tmp_path: Path) -> None:
    """Each was the end of a class, or took the others' points."""
    cells = notebook(*(f"x{i} = 1" for i in range(20_001)))
    files = {
        **{f"files/{i:05}.py": b"" for i in range(20_001)},
        **{f"many_archives/{i}.zip": zipped(tmp_path / "inner.zip", {}).read_bytes() for i in range(11)},
        "cells.ipynb": cells,
        "code.py": b"x = 1\n" * 200_000,
        "honest.py": ONE_HOT.encode(),
    }
    path = zipped(tmp_path / "class.zip", files)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo(""), b"x = 1\n")

    found = {s.name: s for s in read_submissions([path])}

    assert set(found) == {"files", "many_archives", "cells", "code", "honest", "unnamed"}
    assert found["honest"].source == ONE_HOT
    assert "holds 20,001 files" in found["files"].problem
    assert "holds more than 10 archives" in found["many_archives"].problem
    assert "has 20,001 code cells" in found["cells"].problem
    assert "at most 1,048,576" in found["code"].problem


def test_what_is_read_of_one_student_is_not_taken_from_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submissions, "MAX_OF_STUDENT", 20_000)
    monkeypatch.setattr(submissions, "MAX_TOTAL", 50_000)
    inner = zipped(tmp_path / "inner.zip", {f"{i}.py": b"x = 1\n" * 1000 for i in range(20)})
    greedy = {f"alice/{i}.zip": inner.read_bytes() for i in range(5)}
    honest = {f"{name}.py": ONE_HOT.encode() for name in ("bob", "carol")}

    alice, *others = read_submissions([zipped(tmp_path / "class.zip", greedy | honest)])

    assert "is not read: the submission holds more than 20,000 bytes" in alice.note
    assert [s.source for s in others] == [ONE_HOT, ONE_HOT]


def test_what_nobody_has_thought_of_costs_one_student_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cells(path: object, data: bytes) -> tuple[Cell, ...]:
        if b"bad" in data:
            raise MemoryError
        return (Cell(0, data.decode()),)

    monkeypatch.setattr(submissions, "_cells", cells)
    (tmp_path / "alice.py").write_text("bad\n")
    (tmp_path / "bob.py").write_text("x = 1\n")

    alice, bob = read_submissions([tmp_path])

    assert alice.problem == "cannot be read: MemoryError"
    assert (bob.problem, bob.source) == ("", "x = 1\n")


@pytest.mark.parametrize("name", ["../evil.py", "/evil.py", "x/..\\..\\evil.py", "C:\\evil.py"])
def test_a_path_out_of_the_archive_is_refused(name: str, tmp_path: Path) -> None:
    found = read_submissions([zipped(tmp_path / "class.zip", {name: b"x = 1\n", "good.py": b"x = 2\n"})])

    assert sorted(bool(s.problem) for s in found) == [False, True]
    assert any("outside the archive" in s.problem for s in found)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["class.zip"]


def test_odd_members_of_an_archive_are_one_line_each(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.py")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    packed = zipfile.ZipInfo("packed.py")
    packed.compress_type = zipfile.ZIP_BZIP2  # which zipfile would unpack without a bound
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr(packed, "x = 1\n")
        archive.writestr("secret.py", "x = 1\n")
        archive.writestr("twice.py", "x = 1\n")
        archive.writestr("damaged.py", "x = 123456\n")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("twice.py", "x = 2\n")
    data = bytearray(out.getvalue().replace(b"x = 123456", b"x = 999999"))
    name = data.rindex(b"secret.py")  # in the archive's directory
    data[name - 46 + 8] |= 1
    (tmp_path / "class.zip").write_bytes(data)

    found = {s.name: s for s in read_submissions([tmp_path / "class.zip"])}

    assert "is a link" in found["link"].problem
    assert "method 12" in found["packed"].problem
    assert "is encrypted" in found["secret"].problem
    assert "is damaged" in found["damaged"].problem
    assert found["twice"].source == "x = 1\n"
    assert "is in the archive twice" in found["twice"].note


def test_a_file_that_is_gone_when_it_is_read_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bob.py").write_text("x = 1\n")
    monkeypatch.setattr(os, "walk", lambda folder, onerror: [(folder, [], ["alice.py", "bob.py"])])

    alice, bob = read_submissions([tmp_path])

    assert alice.problem.startswith("alice.py cannot be read: ")
    assert (bob.name, bob.problem) == ("bob", "")


def test_links_and_pipes_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "answers.py").write_text("x = 1\n")
    folder = tmp_path / "class"
    folder.mkdir()
    (folder / "alice.py").symlink_to(secret / "answers.py")
    (folder / "bob").symlink_to(secret)
    os.mkfifo(folder / "carol.py")
    (folder / "dave.py").write_text("x = 2\n")

    found = {s.name: s for s in read_submissions([folder])}

    assert "is a link" in found["alice"].problem
    assert found["bob"].problem
    assert "is not a regular file" in found["carol"].problem
    assert found["dave"].source == "x = 2\n"
    assert all("answers" not in s.file for s in found.values())
