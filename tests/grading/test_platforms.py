"""Exports of six platforms: each student has one row, one name as it was, and the last attempt."""

from pathlib import Path

from d2lrnn.grading.platforms import read_metadata, time_of
from d2lrnn.grading.submissions import Submission, read_submissions

import exports
import pytest
from exports import CLASS, FIRST, LATE, code

EXPORTS = {
    "Canvas": exports.canvas(),
    "Moodle": exports.moodle(),
    "Moodle without folders": exports.moodle(folders=False),
    "Gradescope": exports.gradescope(),
    "Brightspace": exports.brightspace(),
    "Brightspace without folders": exports.brightspace(folders=False),
    "Blackboard": exports.blackboard(),
    "GitHub Classroom": exports.github(),
}
WITH_TIMES = ("Gradescope", "Brightspace", "Brightspace without folders", "Blackboard")
WITH_ATTEMPTS = WITH_TIMES[1:]


def unpacked(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def check_class(found: list[Submission]) -> None:
    """Each student of the class has one row, with their own work in it."""
    assert sorted(s.source for s in found) == sorted(map(code, CLASS))
    assert len({s.name.casefold() for s in found}) == len(CLASS)
    assert not [s.problem for s in found if s.problem]


@pytest.mark.parametrize("packed", [True, False], ids=["zip", "folder"])
@pytest.mark.parametrize("platform", EXPORTS)
def test_each_student_has_one_row_with_the_last_attempt(platform: str, packed: bool, tmp_path: Path) -> None:
    files = EXPORTS[platform]
    if packed:
        path = tmp_path / "export.zip"
        path.write_bytes(exports.zipped(files))
    else:
        path = unpacked(tmp_path / "export", files)

    found = read_submissions([path])

    check_class(found)
    names = {s.source: s.student.name for s in found}
    for person in CLASS:
        expected = {
            "Canvas": "".join(c for c in person.name.lower() if c.isalpha()),
            "GitHub Classroom": person.user,
        }.get(platform, person.name)
        assert names[code(person)] == expected
    late = {s.source: s for s in found}[code(LATE)]
    assert late.late == (platform == "Canvas")
    if platform in WITH_TIMES:
        assert late.attempt == 2
        assert late.submitted.startswith("2026-10-03T")
        assert {s.attempt for s in found if s is not late} == {1}


@pytest.mark.parametrize("platform", WITH_ATTEMPTS)
def test_all_attempts_are_taken_if_the_best_is_wanted(platform: str, tmp_path: Path) -> None:
    (tmp_path / "export.zip").write_bytes(exports.zipped(EXPORTS[platform]))

    found = read_submissions([tmp_path / "export.zip"], every=True)

    assert len(found) == len(CLASS) + 1
    first, last = [s for s in found if s.student.name == LATE.name]
    assert (first.source, first.attempt, last.source, last.attempt) == (FIRST, 1, code(LATE), 2)
    assert first.name == last.name


def test_anonymous_students_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "moodle.zip").write_bytes(exports.zipped(exports.moodle(anonymous=True)))
    canvas = {f"anon_{p.user[:4]}x_{5_550_000 + p.number}_a.py": code(p) for p in CLASS if p.name != "王伟"}
    (tmp_path / "canvas.zip").write_bytes(exports.zipped(canvas))

    found = read_submissions([tmp_path / "moodle.zip"])
    others = read_submissions([tmp_path / "canvas.zip"])

    check_class(found)
    assert {s.student.name for s in found} == {f"Participant {p.number}" for p in CLASS}
    assert {s.student.name for s in others} == {"anon_zhoux", "anon_kim0x", "anon_maryx", "anon_zoe_x"}


def test_one_student_alone_keeps_the_name(tmp_path: Path) -> None:
    """An archive with one folder is unwrapped, unless the folder says whose it is."""
    for platform in ("Moodle", "Brightspace"):
        files = {name: text for name, text in EXPORTS[platform].items() if CLASS[0].name in name}
        (tmp_path / "one.zip").write_bytes(exports.zipped(files))
        (submission,) = read_submissions([tmp_path / "one.zip"])
        assert (submission.student.name, submission.source) == (CLASS[0].name, code(CLASS[0]))


def test_names_that_look_like_canvas_stay_apart(tmp_path: Path) -> None:
    unpacked(tmp_path, {"lab_2026_1001_ada.py": "x = 1\n", "lab_2026_1001_bob.py": "x = 2\n"})

    assert [s.source for s in read_submissions([tmp_path])] == ["x = 1\n", "x = 2\n"]


def test_the_same_student_in_two_exports_is_one(tmp_path: Path) -> None:
    first = {name: FIRST for name in exports.moodle() if name.endswith(".py")}
    (tmp_path / "monday.zip").write_bytes(exports.zipped(first))
    (tmp_path / "tuesday.zip").write_bytes(exports.zipped(exports.moodle()))

    found = read_submissions([tmp_path / "monday.zip", tmp_path / "tuesday.zip"])

    check_class(found)
    assert {s.attempt for s in found} == {2}


# --- names in archives ---------------------------------------------------------------------------------

TWELVE = ["周杰伦", "王伟", "李娜", "张敏", "刘洋", "陈静", "杨帆", "黄磊", "赵云", "吴昊", "徐晓", "孙悦"]
KOREAN = ["김민준", "이서연", "박지훈", "최수빈"]


@pytest.mark.parametrize(
    ("names", "encoding", "options"),
    [
        (TWELVE, "gbk", {}),
        (TWELVE, "utf-8", {}),
        (KOREAN, "utf-8", {}),
        (KOREAN, "cp949", {"encoding": "cp949"}),
        (["Zoë", "Ångström"], "cp437", {}),
    ],
    ids=["Chinese Windows", "without the flag", "Korean", "Korean Windows", "old"],
)
def test_names_are_as_they_were(
    names: list[str], encoding: str, options: dict[str, str], tmp_path: Path
) -> None:
    files = {f"{name}/submission.py": f"x = {i}\n" for i, name in enumerate(names)}
    (tmp_path / "class.zip").write_bytes(exports.zipped(files, encoding, flagged=False))
    said: list[str] = []

    found = read_submissions([tmp_path / "class.zip"], **options, say=said.append)

    assert {s.student.name: s.source for s in found} == {n: f"x = {i}\n" for i, n in enumerate(names)}
    assert [s.name for s in found] == sorted(names)
    assert [encoding in line for line in said] == ([True] if encoding != "utf-8" else [])


def test_a_name_without_a_letter_is_a_name(tmp_path: Path) -> None:
    files = {"周.py": "x = 1\n", "": "x = 2\n"}
    (tmp_path / "class.zip").write_bytes(exports.zipped(files, "gbk", flagged=False))

    assert len(read_submissions([tmp_path / "class.zip"])) == 2


def test_a_name_cannot_replace_the_directory_of_the_archive(tmp_path: Path) -> None:
    """The last name looks like a zip64 locator; or like one with a directory, of which zipfile takes it."""
    honest = {"ann.py": "x = 1\n", "bob.py": "x = 2\n"}
    for name in ("PK\6\7" + 16 * "x", "PK\6\6" + 72 * "\1" + "PK\6\7" + 16 * "\0"):
        (tmp_path / "class.zip").write_bytes(exports.zipped({**honest, name: "x = 3\n"}, flagged=False))

        found = {s.name: s for s in read_submissions([tmp_path / "class.zip"])}

        assert len(found) == 3
        assert [found[name].source for name in ("ann", "bob")] == ["x = 1\n", "x = 2\n"]


def test_korean_names_that_were_read_as_chinese_are_still_apart(tmp_path: Path) -> None:
    files = {f"{name}.py": "x = 1\n" for name in KOREAN}
    (tmp_path / "class.zip").write_bytes(exports.zipped(files, "cp949", flagged=False))

    assert len(read_submissions([tmp_path / "class.zip"])) == len(KOREAN)


# --- what platforms write --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-10-01-23-58-01", "2026-10-01T23:58:01"),
        ("2026-10-01 23:58:01.123456789 -07:00", "2026-10-01T23:58:01-07:00"),
        ("2026-10-01 23:58:01.123 -0700", "2026-10-01T23:58:01-07:00"),
        ("2026-10-01T23:58:01Z", "2026-10-01T23:58:01+00:00"),
        ("Sep 24, 2026 926 PM", "2026-09-24T21:26:00"),
        ("September 24, 2026 12:05 AM", "2026-09-24T00:05:00"),
        ("24 September, 2026 2126", "2026-09-24T21:26:00"),
        ("2026年9月24日 2126", "2026-09-24T21:26:00"),
        ("Feb 30, 2026 926 PM", ""),
        ("Foo 3, 2026 926 PM", ""),
        ("soon", ""),
        ("", ""),
    ],
)
def test_a_time_is_read_as_platforms_write_it(text: str, time: str) -> None:
    assert time_of(text) == time


GROUP = """\
submission_7:
  :submitters:
  - :name: 'Ann: "A" O''Neil'
    :sid: 1
    :email: a@x.edu
  - :name: "\\u5206\\x41"
    :sid: ''
  :created_at: 2026-10-01
submission_8:
  :submitters: []
"""


def test_a_group_of_gradescope_is_a_row_each() -> None:
    text = (
        "submission_7:\n  :submitters:\n  - :name: 'Ann: \"A\" O''Neil'\n    :sid: 1\n    :email: a@x.edu\n"
        "  - :name: \"\\u5206\\x41\"\n    :sid: ''\n  :created_at: 2026-10-01\n"
        "submission_8:\n  :submitters: []\n"
    )

    (ann, other) = read_metadata(text)["submission_7"]

    assert ann.student == ('Ann: "A" O\'Neil', "1", "a@x.edu")
    assert ann.note == "handed in together with 分A"
    assert other.student == ("分A", "", "")
    assert "submission_8" not in read_metadata(GROUP)
