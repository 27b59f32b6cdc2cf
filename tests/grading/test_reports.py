"""What an instructor gets beside the points: rosters, late work, adjustments, likeness, a page."""

import csv
import io
import json
import multiprocessing
import os
import re
import signal
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from functools import reduce
from pathlib import Path

from d2lrnn.grading import pool, report
from d2lrnn.grading.case import question
from d2lrnn.grading.cases import CASES
from d2lrnn.grading.class_page import class_html
from d2lrnn.grading.marking import (
    NOTHING_DONE,
    POINTS_FILE,
    Exam,
    Marks,
    Outcome,
    Points,
    Shown,
    read_points,
)
from d2lrnn.grading.platforms import Student
from d2lrnn.grading.policy import Adjustment, LatePolicy, Standing, read_adjustments, read_policy
from d2lrnn.grading.results import Results
from d2lrnn.grading.roster import Grade, Member, find_members, imports, read_roster
from d2lrnn.grading.similarity import OURS, Pair, pairs_of, parsed_prints, prints_of
from d2lrnn.grading.submissions import Cell, Submission
from d2lrnn.grading.tables import cell, read_table, table

import pytest
from in_process import asking_with, lessons

POINTS = Points(0.3, {("f", "a"): 4.0, ("f", "b"): 6.0})


def marks(name: str, *right: bool, message: str = "f with x = 1: too small") -> Marks:
    outcomes = tuple(
        Outcome("f", case, 5, ok, ok, "" if ok else message) for case, ok in zip("ab", right, strict=True)
    )
    return Marks(name, f"{name}.py", "graded", outcomes, tier="best")


# --- tables ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝", "＠"])
def test_no_cell_is_a_formula_whatever_separates_them(sign: str, separator: str) -> None:
    text = table(("a",), [(f"x{separator} {sign}cmd|' /C calc'!A0",), (f"{sign}1",)])

    for line in text.splitlines():
        for part in next(csv.reader([line], delimiter=separator)):
            assert not part.strip().startswith(sign)
    assert "cmd|" in text


def test_a_number_below_zero_is_a_number() -> None:
    assert table(("points",), [(-2.5,), (-0.001,)]) == "points\n-2.5\n-0\n"
    assert cell("a-b; c") == "a-b; c"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk"])
@pytest.mark.parametrize("first", ["", "sep={}\r\n"])
def test_a_roster_is_read_as_spreadsheets_write_it(
    first: str, encoding: str, separator: str, tmp_path: Path
) -> None:
    rows = ["学号,姓名,Email address,班级,extension", "01,周杰伦,zhou@x.edu,A,2", ",,,,", "02,王伟,,B,"]
    text = "\r\n".join(rows).replace(",", separator)
    (tmp_path / "roster.csv").write_bytes((first.format(separator) + text).encode(encoding))

    assert read_roster(tmp_path / "roster.csv") == [
        Member("01", "周杰伦", "zhou@x.edu", "A", 2),
        Member("02", "王伟", "", "B"),
    ]


def test_a_gradebook_of_canvas_and_a_decimal_comma_are_understood(tmp_path: Path) -> None:
    rows = 'Student;ID;SIS User ID;extension\n    Points Possible;;;\n"Li, Na";7;s7;0,5\nStudent, Test;9;;\n'
    (tmp_path / "roster.csv").write_text(rows)

    assert read_roster(tmp_path / "roster.csv") == [Member("7", "Li, Na", "", "", 0.5)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a table: save it as"),
        ("colour\nred\n", "its first line, colour, names none of id, name"),
        ("id,extension\n1,soon\n", "row 2: extension soon: give a number of days"),
        ("id,extension\n1,nan\n", "row 2: extension nan: give a number of days"),
        ("id,section\n1,A\n1,B\n", "the id 1 is there twice"),
        ("section\nA\n", "row 2: give an id, a name or an email"),
    ],
)
def test_a_roster_that_cannot_be_is_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "roster.csv").write_text(text)

    with pytest.raises(ValueError, match=words):
        read_roster(tmp_path / "roster.csv")


def test_a_table_of_bytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "roster.csv").write_bytes(b"\xff\xfe\0id")

    with pytest.raises(ValueError, match="not a table: save it as"):
        read_table(tmp_path / "roster.csv", {"id": ()})


# --- the roster --------------------------------------------------------------------------------------

ROSTER = [
    Member("2026001", "周 杰伦", "zhou01@x.edu", "A"),
    Member("2026002", "王伟", "wang@x.edu", "A"),
    Member("2026003", "王伟", "wei@x.edu", "B"),
    Member("2026004", "Mary-Ann O'Neil", "mary@x.edu", "B"),
]


@pytest.mark.parametrize(
    ("student", "id_"),
    [
        (Student("anything", "2026002"), "2026002"),
        (Student("anything", "7", "WEI@x.edu"), "2026003"),
        (Student("zhou01", "zhou01"), "2026001"),
        (Student("2026004"), "2026004"),
        (Student("周杰伦", "991"), "2026001"),
        (Student("oneilmaryann", "991"), "2026004"),
        (Student("O'Neil, Mary Ann"), "2026004"),
        (Student("王伟"), ""),  # two are called so
        (Student("张三"), ""),
    ],
)
def test_a_student_is_found_in_the_roster(student: Student, id_: str) -> None:
    assert [member.id for member in find_members({"s": student}, ROSTER).values()] == ([id_] if id_ else [])


def test_two_who_fit_one_row_are_both_left_out() -> None:
    found = find_members(
        {"a": Student("周杰伦"), "b": Student("周杰伦"), "c": Student("x", "2026002")}, ROSTER
    )

    assert found == {"c": ROSTER[1]}


def test_platforms_get_the_columns_that_they_import() -> None:
    grades = [Grade(ROSTER[0], "100101", 7.5, 10, "=well done"), Grade(ROSTER[1], "", 0, 10, "")]

    tables = {name: list(csv.reader(io.StringIO(text))) for name, text in imports(grades, "RNN").items()}

    assert tables["canvas.csv"][0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "RNN"]
    assert tables["canvas.csv"][1][-1] == "10"
    assert tables["canvas.csv"][2] == ["周 杰伦", "100101", "2026001", "zhou01@x.edu", "A", "7.5"]
    assert tables["moodle.csv"][1] == [
        "Participant 100101", "周 杰伦", "2026001", "zhou01@x.edu", "7.5", "10", "'=well done"
    ]  # fmt: skip
    assert tables["brightspace.csv"] == [
        ["OrgDefinedId", "Username", "RNN Points Grade", "End-of-Line Indicator"],
        ["2026001", "zhou01", "7.5", "#"],
        ["2026002", "wang", "0", "#"],
    ]
    assert tables["blackboard.csv"][1] == ["2026001", "7.5", "'=well done"]


# --- late --------------------------------------------------------------------------------------------

DUE = LatePolicy(datetime(2026, 10, 1, 23, 59), grace=15, percent=10, most=25)


@pytest.mark.parametrize(
    ("submitted", "is_late", "extension", "days"),
    [
        ("2026-10-01T23:59:00", False, 0, 0),
        ("2026-10-02T00:14:00", False, 0, 0),  # within the grace
        ("2026-10-02T00:14:01", False, 0, 1),
        ("2026-10-02T23:59:00", False, 0, 1),
        ("2026-10-02T23:59:01", False, 0, 2),
        ("2026-10-03T12:00:00", False, 2, 0),
        ("2026-10-04T12:00:00", False, 2, 1),
        ("2026-09-30T12:00:00", True, 0, 0),  # the time decides
        ("", True, 0, 1),
        ("", True, 1, 0),
        ("", False, 0, 0),
    ],
)
def test_each_day_that_has_begun_counts(submitted: str, is_late: bool, extension: float, days: int) -> None:
    assert DUE.days_late(submitted, is_late, extension) == days


def test_times_with_and_without_a_zone_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    with_zone = replace(DUE, due=datetime.fromisoformat("2026-10-01T23:59:00+08:00"))

    assert with_zone.days_late("2026-10-01T15:58:00+00:00", False) == 0
    assert with_zone.days_late("2026-10-01T17:00:00+00:00", False) == 1
    local = DUE.due.astimezone()
    assert DUE.days_late(local.isoformat(), False) == 0
    assert DUE.days_late(local.replace(hour=0, day=3).isoformat(), False) == 2


def test_being_late_costs_a_share_up_to_a_limit() -> None:
    assert [DUE.share(days) for days in (0, 1, 2, 3, 30)] == [0, 0.1, 0.2, 0.25, 0.25]
    late = Standing(days_late=2, taken=DUE.share(2), adjustment=Adjustment(1.5, "nice plots"))
    assert late.total(10) == 9.5
    assert list(late.notes()) == [
        "2 days late: 20 % of the points earned are taken", "+1.5 points by hand", "nice plots"
    ]  # fmt: skip
    assert list(Standing(days_late=1).notes()) == ["1 day late"]
    assert Standing(adjustment=Adjustment(-99)).total(10) == 0


def test_a_policy_is_written_as_it_was_read(tmp_path: Path) -> None:
    path = tmp_path / "points.toml"
    path.write_text(
        "public = 0.3\n[late]\ndue = 2026-10-01T23:59:00\ngrace = 15\npercent = 10\nmost = 25\n"
        '[late.days]\nzhou01 = 2\n"王 伟" = 0.5\n'
    )

    policy = read_policy(path)

    assert policy == replace(DUE, days={"zhou01": 2, "王 伟": 0.5})
    path.write_text(policy.text())
    assert read_policy(path) == policy
    path.write_text("public = 0.3\n")
    assert read_policy(path) == LatePolicy()
    assert LatePolicy().text() == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("late = 1", r"\[late\] has due, grace"),
        ("[late]\ncolour = 1", r"\[late\] has due, grace"),
        ("[late]\ndue = 2026-10-01", "give a date with a time"),
        ("[late]\ndue = 'soon'", "give a date with a time"),
        ("[late]\npercent = 101", "percent = 101: give a number from 0 to 100"),
        ("[late]\ndays = 3", "write .late.days., and below it"),
        ("[late.days]\nzhou01 = -1", "zhou01 = -1: give a number from 0"),
        ("[late", "no TOML"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "points.toml").write_text(text)

    with pytest.raises(ValueError, match=words):
        read_policy(tmp_path / "points.toml")


def test_adjustments_are_begun_once_and_read_from_then_on(tmp_path: Path) -> None:
    path = tmp_path / "adjustments.csv"
    assert read_adjustments(path) == {}
    assert path.read_text() == "submission,points,comment\n"
    path.write_text("submission;points;comment\nzoe;-1,5;late by mail\nbob;;well done\n")
    assert read_adjustments(path) == {
        "zoe": Adjustment(-1.5, "late by mail"),
        "bob": Adjustment(0, "well done"),
    }
    path.write_text("submission,points\nzoe,many\n")
    with pytest.raises(ValueError, match="points many of zoe: give a number"):
        read_adjustments(path)


# --- what is alike -----------------------------------------------------------------------------------

WORK = '''
def train(iterator, params, lr):
    """Train."""
    total, count = 0.0, 0
    for data, label in iterator:
        inputs = prepare(data, 10)
        with autograd.record():
            outputs = network(inputs, params)
            loss = -nd.pick(nd.log_softmax(nd.concat(*outputs, dim=0)), label.T.reshape((-1,))).mean()
        loss.backward()
        norm = sum(float((p.grad ** 2).sum().asscalar()) for p in params) ** 0.5
        for p in params:
            if norm > 5:
                p.grad[:] = p.grad * 5 / norm
            p[:] = p - lr * p.grad
        total, count = total + float(loss.asscalar()) * data.size, count + data.size
    return total / count


def sample(first, how_many, params):
    state, written = start(1), [first]
    while len(written) < how_many:
        scores, state = step(one(written[-1]), state, params)
        shares = nd.softmax(scores[0] / 0.8).asnumpy()
        best = [i for i in range(len(shares)) if shares[i] > 0.1 * max(shares)]
        written.append(best[len(written) * 7919 % len(best)])
    return "".join(letters[i] for i in written)
'''
NAMES = {"params": "weights", "total": "s", "norm": "length", "written": "out"}
RENAMED = reduce(lambda text, pair: text.replace(*pair), NAMES.items(), WORK).replace(
    '"""Train."""', "# mine"
)
OTHER = """
def train(batches, w, rate):
    return sum(update(x, y, w, rate) for x, y in batches)


def sample(prefix, n, w):
    text = prefix
    for _ in range(n):
        text += next_letter(text, w)
    return text
"""


def test_a_copy_with_other_names_and_order_is_found() -> None:
    copy = "\n\n\n".join(reversed(RENAMED.split("\n\n\n")))
    texts = {"ann": WORK, "bob": copy, "carol": OTHER, "dave": "def f(:"}
    prints = {name: prints_of(text) for name, text in texts.items()}

    assert [(p.submission, p.other, p.share) for p in pairs_of(prints)] == [("ann", "bob", 1.0)]
    assert pairs_of(prints)[0].where == "train, sample"
    assert prints["dave"] == {}


def test_what_is_in_the_course_is_no_likeness_of_two_students() -> None:
    ours = lessons(4, 6, 8, 9)
    prints = {name: parsed_prints(ours) for name in ("ann", "bob")}

    assert {pair.other for pair in pairs_of(prints)} == {OURS}
    (ann, bob) = pairs_of(prints)
    assert (ann.submission, bob.submission, ann.share) == ("ann", "bob", 1.0)
    assert "names too: " in ann.where
    assert pairs_of({"ann": parsed_prints(OTHER)}) == []


def test_what_many_have_is_no_likeness() -> None:
    prints = {f"student{i}": parsed_prints(WORK) for i in range(20)}

    assert pairs_of(prints) == []


@pytest.mark.parametrize(
    "text", ["-" * 500_000 + "1", "(" * 100_000, "x = " + "[" * 90 + "]" * 90, "\0", "\ud800"]
)
def test_a_source_that_is_too_much_for_the_parser_costs_its_prints(text: str) -> None:
    assert prints_of(text) == {}


# --- pages and tables --------------------------------------------------------------------------------


def test_the_table_says_whose_it_is_and_who_is_missing() -> None:
    late = Standing(
        Student("=周杰伦", "7"), 2, "2026-10-03T12:00:00", 2, 0.2, Adjustment(-1, "x;=y"), ROSTER[0]
    )
    anonymous = replace(late, is_anonymous=True)

    text = report.grades_csv(
        [marks("zhou", True, False), marks("s-1", True, True)], POINTS, {"zhou": late, "s-1": anonymous},
        ROSTER[1:2],
    )  # fmt: skip

    zhou, other, missing = csv.DictReader(io.StringIO(text))
    assert (zhou["score"], zhou["max_score"], zhou["f"], zhou["adjustment"]) == ("2.2", "10", "4", "-1")
    assert (zhou["name"], zhou["id"], zhou["section"], zhou["attempt"]) == ("'=周杰伦", "2026001", "A", "2")
    assert zhou["comment"] == "x;'=y"
    assert {other[column] for column in ("name", "id", "email", "section", "roster_name")} == {""}
    assert (missing["submission"], missing["status"], missing["roster_name"]) == (
        "2026002",
        "missing",
        "王伟",
    )


def test_changes_are_listed(tmp_path: Path) -> None:
    before = report.grades_csv([marks("a", True, False), marks("b", True, True)], POINTS)
    now = report.grades_csv([marks("a", True, True), marks("c", False, False)], POINTS)
    (tmp_path / "before.csv").write_text(before)
    (tmp_path / "now.csv").write_text(now)

    found = report.changes(
        report.read_grades(tmp_path / "before.csv"), report.read_grades(tmp_path / "now.csv")
    )

    assert ("a", "score", "4", "10") in found
    assert ("a", "f", "4", "10") in found
    assert ("b", "score", "10", "") in found
    assert ("c", "score", "", "0") in found
    assert report.read_grades(tmp_path / "nowhere.csv") == {}


def test_the_page_of_a_class_shows_what_is_there_and_fetches_nothing() -> None:
    script = "<script>alert(1)</script>"
    all_marks = [marks("ann", True, True), marks("bob", True, False), marks(script, False, False)]
    all_marks.append(Marks("dave", "", "unreadable", (), note="dave.py is empty"))
    late = {"bob": Standing(days_late=1, taken=0.1)}

    text = class_html(all_marks, POINTS, late, ROSTER[:1], [Pair("ann", script, 0.9, 50, "train")])

    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 1
    assert "default-src 'none'" in text
    assert "0 to 10 %: 2, 30 to 40 %: 1, 90 to 100 %: 1" in text
    assert text.count("<rect") == 3
    assert "dave.py is empty" in text
    assert "周 杰伦" in text
    assert '<td class="n">2<td>f<td>f with x = 1: too small' in text.replace("\n", "")
    assert "90%" in text
    assert "Missing: 1" in text
    assert class_html([], POINTS, {}, [], [])


def test_the_commonest_messages_are_whole_and_without_their_questions() -> None:
    cases = [case for case in CASES if ": " in question(case, case.example)][:3]
    said = [f"{question(case, case.example)}: the norm: too small" for case in cases] + [NOTHING_DONE]
    outcomes = [
        Outcome(c.function, c.name, c.lesson, False, False, text) for c, text in zip([*cases, CASES[0]], said)
    ]

    text = class_html(
        [Marks("ann", "ann.py", "graded", tuple(outcomes))], read_points(POINTS_FILE, CASES), {}, [], []
    )

    messages = text.partition("Commonest messages")[2]
    assert re.findall("<td>([^<]*)</tr>", messages) == ["the norm: too small", NOTHING_DONE]


# --- the folder of results -----------------------------------------------------------------------------


def submission(name: str, text: str = "x = 1\n", **about: object) -> Submission:
    return Submission(name, f"{name}.py", (Cell(0, text),), student=Student(name), **about)


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks come from a function instead of a jail: they are all right where a text says so."""

    def mark(submission: Submission, exam: Exam, jail: object) -> Marks:
        if "fails" in submission.source:
            raise RecursionError("too deep")
        right = "right" in submission.source
        outcomes = tuple(Outcome(c.function, c.name, c.lesson, right, right) for c in exam.cases)
        return Marks(submission.name, submission.file, "graded", outcomes, "", submission.digest, (), "best")

    monkeypatch.setattr(pool.Pool, "ask", asking_with(None))
    monkeypatch.setattr(pool, "ask_examples", lambda s, exam, jail: Shown(s, mark(s, exam, jail)))
    monkeypatch.setattr(pool, "ask_hidden", lambda shown, exam, jail: shown.marks)
    monkeypatch.setattr(Exam, "prepare", lambda self, jobs: None)


def run(out: Path, *submissions: Submission, **options: object) -> dict[str, dict[str, str]]:
    graded = Results(out, "7", None, **options)
    exam = Exam(CASES[:3], 7)
    graded.grade(submissions, exam, "best", 1)
    graded.report(exam)
    return report.read_grades(out / "grades.csv")


@pytest.mark.slow
@pytest.mark.usefixtures("marked")
class TestFolder:
    def test_another_text_is_another_attempt_and_the_last_counts(self, tmp_path: Path) -> None:
        texts = ["# right\n", "# wrong\n", "# right\n", "# right\n"]

        found = [run(tmp_path, submission("ann", text))["ann"] for text in texts]

        assert [row["attempt"] for row in found] == ["1", "2", "1", "1"]
        assert [row["score"] == row["max_score"] for row in found] == [True, False, True, True]
        assert (tmp_path / "changes.csv").read_text() == "submission,what,before,now\n"  # of the last run

    def test_the_best_attempt_counts_where_it_is_wanted(self, tmp_path: Path) -> None:
        attempts = [
            submission("ann", f"# {text}\n", attempt=i) for i, text in enumerate(("right", "wrong"), 1)
        ]

        last = run(tmp_path / "last", *attempts[1:])["ann"]
        best = run(tmp_path / "best", *attempts, best=True)["ann"]

        assert (last["score"], last["attempt"]) == ("0", "2")
        assert (best["score"], best["attempt"]) == (best["max_score"], "1")

    def test_what_cannot_be_graded_is_one_line_and_tried_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class_ = submission("ann", "# right\n"), submission("bob", "# fails\n")
        found = run(tmp_path, *class_)

        assert found["ann"]["status"] == "graded"
        assert found["bob"]["status"] == "failed"
        assert "RecursionError: too deep" in found["bob"]["note"]
        again = Marks("bob", "bob.py", "graded", (), "again", class_[1].digest, (), "best")
        monkeypatch.setattr(pool, "ask_examples", lambda s, exam, jail: Shown(s, again))
        found = run(tmp_path, *class_)
        assert {name: row["note"] for name, row in found.items()} == {"ann": "", "bob": "again"}

    def test_a_roster_and_adjustments_reach_all_reports(self, tmp_path: Path) -> None:
        (tmp_path / "roster.csv").write_text("id,name\n1,ann\n2,bob\n")
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "adjustments.csv").write_text("submission,points,comment\nann,-1,too long\n")

        for _ in range(2):  # also when it was graded before
            found = run(tmp_path / "out", submission("ann", "# right\n"), roster=str(tmp_path / "roster.csv"))

        assert float(found["ann"]["score"]) == float(found["ann"]["max_score"]) - 1
        assert found["2"]["status"] == "missing"
        page = (tmp_path / "out/feedback/ann/feedback.html").read_text()
        assert "-1 points by hand" in page
        assert "too long" in page
        assert json.loads((tmp_path / "out/feedback/ann/results.json").read_text())["score"] == float(
            found["ann"]["score"]
        )
        moodle = (tmp_path / "out/imports/moodle.csv").read_text()
        assert "ann" in moodle
        assert "bob" not in moodle
        assert (tmp_path / "out/adjustments.csv").read_text().startswith("submission,points,comment\nann,-1")

    def test_anonymous_reports_hold_no_name(self, tmp_path: Path) -> None:
        names = ("周杰伦", "zoe", "Ann_Lee")
        for _ in range(2):
            graded = Results(tmp_path, "7", None)
            hidden = graded.anonymised([submission(name, f"# right {i}\n") for i, name in enumerate(names)])
            exam = Exam(CASES[:3], 7)
            graded.grade(hidden, exam, "best", 1)
            graded.report(exam)

        assert len(report.read_grades(tmp_path / "grades.csv")) == 3
        for file in tmp_path.rglob("*"):
            if file.is_file() and file.name != "names.csv":
                assert not [name for name in names if name in file.read_text()], file
            assert not [name for name in names if name in str(file.relative_to(tmp_path))]
        assert all(name in (tmp_path / "names.csv").read_text() for name in names)
        assert (tmp_path / "names.csv").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_process_that_is_killed_costs_one_submission(
    jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real pool, without jails: the marking of one kills its process, that of another once."""

    def ask(submission: Submission, exam: Exam, jail: object) -> Shown:
        once = tmp_path / submission.name
        if "kill" in submission.source or ("once" in submission.source and not once.exists()):
            once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        marks = Marks(submission.name, submission.file, "graded", (), "", submission.digest, (), "best")
        return Shown(submission, marks)

    monkeypatch.setattr(pool, "ask_examples", ask)
    monkeypatch.setattr(pool, "Jail", lambda isolation: nullcontext())
    texts = {1: "# kill\n", 4: "# once\n", 9: "# kill\n"}
    class_ = [submission(f"s{i}", texts.get(i, "x = 1\n")) for i in range(12)]

    opened = pool.Pool(Exam([], 7), "best", jobs, {1})
    found = {class_[i].name: one.marks for i, one in opened.ask(pool.examples, class_)}

    assert len(found) == 12
    assert {name for name, marks in found.items() if marks.status == "failed"} == {"s1", "s9"}
    assert "was killed" in found["s1"].note
    assert not multiprocessing.active_children()


def test_a_fault_of_ours_with_hidden_inputs_is_told_to_the_instructor_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def ask(shown: Shown, exam: Exam, jail: object) -> Marks:
        raise ValueError("the answer to 12345")

    monkeypatch.setattr(pool, "ask_hidden", ask)
    monkeypatch.setattr(pool.Pool, "ask", asking_with(None))
    exam, ann = Exam([], 7), submission("ann")
    shown = Shown(ann, Marks("ann", "ann.py", "graded", (), "", ann.digest))

    ((_, found),) = pool.Pool(exam, "best", 1, {1}).ask(pool.hidden, [shown])

    assert found.marks.status == "failed"
    assert "12345" not in found.marks.note
    assert ["12345" in suspicion.what for suspicion in found.marks.suspicions] == [True]
