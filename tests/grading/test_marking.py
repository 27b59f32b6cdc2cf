"""From a submission and cases to marks and points; the reports say what they may, and nothing that harms.

A jail that answers as it is told stands in for the real one, which test_grade.py uses.
"""

import contextlib
import csv
import ctypes
import io
import json
import multiprocessing
import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import takewhile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from d2lrnn.grading import report
from d2lrnn.grading.case import Case, Mistake, doing, verdict
from d2lrnn.grading.cases import CASES, GRADED
from d2lrnn.grading.jail import Call, Reply
from d2lrnn.grading.marking import (
    POINTS_FILE,
    Exam,
    Marks,
    Outcome,
    Points,
    Suspicion,
    mark,
    read_points,
    write_points,
)  # fmt: skip
from d2lrnn.grading.submissions import Cell, Submission

import numpy as np
import pytest
from in_process import EXAM, OpenJail

SEED = 2**100 + 1
PR_GET_DUMPABLE, PR_SET_DUMPABLE = 3, 4


def drive_double(s: Any, x: float) -> Any:
    """Never called here."""


def case(function: str, name: str, factor: float) -> Case:
    return Case(
        name=name,
        function=function,
        lesson=5,
        drive=drive_double,
        draw=lambda rng: {"x": float(rng.integers(10, 10**9))},
        example={"x": 1.0},
        expect=lambda inputs: factor * inputs["x"],
        mistakes=(Mistake("that is half of it", lambda answer, expected, inputs: answer == expected / 2),),
    )


TWICE = case("cross_entropy", "it is doubled", 2.0)
THRICE = case("cross_entropy", "it is trebled", 3.0)
SQUARE = case("perplexity", "it is the same", 1.0)
CASES_HERE = [TWICE, THRICE, SQUARE]
POINTS = Points(0.25, {(c.function, c.name): 4.0 for c in CASES_HERE})


class Told:
    """A jail that answers a question of a case by answer(case's name, x)."""

    tier, lacking = "best (lacking: namespaces)", ("namespaces",)

    def __init__(
        self, answer: Callable[[str, float], Any], defined: Any = ("cross_entropy", "perplexity")
    ) -> None:
        self.answer, self.defined, self.calls = answer, defined, []

    def ask(self, call: Call) -> Reply:
        self.calls.append(call)
        if "cells" in call.inputs:
            return Reply(True, [[] for _ in call.inputs["cells"]])
        if "names" in call.inputs:
            return self.defined if isinstance(self.defined, Reply) else Reply(True, list(self.defined))
        if "questions" not in call.inputs:
            return self.reply(call.driver, call.inputs)
        asked = [[self.reply(name, x) for x in every] for name, every in call.inputs["questions"]]
        ended = [
            reply for replies in asked for reply in replies if reply.stage not in ("", "call", "missing")
        ]
        return ended[0] if ended else Reply(True, [self.values(replies) for replies in asked])

    def values(self, replies: list[Reply]) -> Any:
        """What comes back of one case that is asked together with others."""
        values = [reply.value for reply in takewhile(lambda reply: reply.ok, replies)]
        return "missing" if replies[0].stage == "missing" else values

    def reply(self, driver: str, inputs: dict[str, Any]) -> Reply:
        answer = self.answer(driver, inputs["x"])
        return answer if isinstance(answer, Reply) else Reply(True, answer)


@pytest.fixture(autouse=True)
def named_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the jail can tell the cases apart."""
    monkeypatch.setattr(Case, "driver", property(lambda self: self.name))


FACTORS = {"it is doubled": 2, "it is trebled": 3, "it is the same": 1}


def right(name: str, x: float) -> Any:
    return FACTORS[name] * x


def marks_of(
    answer: Callable[[str, float], Any], seed: Any = SEED, defined: Any = ("cross_entropy", "perplexity")
) -> Marks:
    submission = Submission("alice", "alice.py", (Cell(0, "x = 1\n"),))
    return mark(submission, Exam(CASES_HERE, seed), Told(answer, defined))


def earned(marks: Marks) -> list[float]:
    return [POINTS.earned(outcome) for outcome in marks.outcomes]


# --- marks -----------------------------------------------------------------------------------------


def test_right_answers_earn_everything_in_two_questions_a_function() -> None:
    jail = Told(right)
    submission = Submission("alice", "alice.py", (Cell(0, "x = 1\n"),))

    marks = mark(submission, Exam(CASES_HERE, SEED), jail)

    assert earned(marks) == [4, 4, 4]
    assert POINTS.score(marks.outcomes) == POINTS.max_score(marks.outcomes) == 12
    assert len(jail.calls) == 2 + 2 * 2
    assert marks.status == "graded"


def test_a_wrong_case_does_not_spoil_the_others() -> None:
    marks = marks_of(lambda name, x: x if name == "it is doubled" else right(name, x))

    assert earned(marks) == [0, 4, 4]
    assert marks.outcomes[0].message.endswith("that is half of it")


def test_the_example_alone_earns_its_share_and_is_suspected() -> None:
    marks = marks_of(lambda name, x: right(name, x) if x == 1.0 or name == "it is the same" else 0.0)

    assert earned(marks) == [1, 1, 4]
    assert [(s.function, s.what) for s in marks.suspicions] == [
        ("cross_entropy", "right for all 2 examples, wrong for hidden inputs")
    ]
    assert all(outcome.message == "" for outcome in marks.outcomes)


def test_nothing_is_shown_of_a_hidden_failure() -> None:
    def answer(name: str, x: float) -> Any:
        return right(name, x) if x == 1.0 else Reply(False, stage="call", error=f"ValueError: x was {x}")

    marks = marks_of(answer)
    hidden = [Exam(CASES_HERE, SEED).inputs(c, k)["x"] for c in CASES_HERE for k in (1, 2)]

    texts = [
        report.feedback_html(marks, POINTS),
        json.dumps(report.results_json(marks, POINTS)),
        report.grades_csv([marks], POINTS),
        report.class_table([marks], POINTS),
        report.check_report(marks),
        report.suspicions_jsonl([marks]),
    ]
    for text in texts:
        assert "ValueError" not in text
        assert not any(str(int(x)) in text for x in hidden)
        assert str(SEED) not in text


# What a submission may do with a hidden input, once it has told the examples from it.
AFTERWARDS = {
    "wrong": lambda x: 0.0,
    "an error": lambda x: Reply(False, stage="call", error=f"ValueError: x was {x}", line=1),
    "not written": lambda x: Reply(False, stage="missing", error=f"NotImplementedError: {x}"),
    "too slow": lambda x: Reply(False, stage="time", error=f"{x}"),
    "dead": lambda x: Reply(False, stage="died", error=f"{x}", suspicions=(f"said {x}",)),
    "unreadable": lambda x: Reply(False, stage="wire", error=f"{x}"),
}


def test_a_student_reads_the_same_whatever_is_done_with_hidden_inputs() -> None:
    read = {}
    for name in AFTERWARDS:
        marks = marks_of(lambda case, x, then=AFTERWARDS[name]: right(case, x) if x == 1.0 else then(x))
        read[name] = (
            report.feedback_html(marks, POINTS),
            json.dumps(report.results_json(marks, POINTS)),
            report.check_report(marks),
            report.grades_csv([marks], POINTS),
        )

    assert [name for name in read if read[name] != read["wrong"]] == []


def test_the_waits_for_hidden_answers_show_in_no_other_example() -> None:
    many = [case(name, f"case {i}", 2.0) for name in ("one_hot", "rnn", "cross_entropy") for i in range(4)]
    points = Points(0.25, {(c.function, c.name): 4.0 for c in many})

    def read(afterwards: Any) -> str:
        jail = Told(lambda name, x: 2 * x if x == 1.0 else afterwards, ("one_hot", "rnn", "cross_entropy"))
        marks = mark(Submission("a", "a.py", (Cell(0, ""),)), Exam(many, SEED), jail)
        return report.feedback_html(marks, points)

    assert read(Reply(False, stage="time")) == read(0.0)


def numbers_in(call: Call) -> set[float]:
    """The inputs that a call carries."""
    questions = call.inputs.get("questions", [(None, [call.inputs])])
    return {inputs["x"] for _, every in questions for inputs in every if "x" in inputs}


@pytest.mark.parametrize("factor", [1, 2])  # much is asked again alone, and little
def test_no_hidden_input_leaves_before_the_last_example(factor: int) -> None:
    jail = Told(lambda name, x: x if x > 1 and factor == 1 else right(name, x))

    mark(Submission("alice", "alice.py", (Cell(0, "x = 1\n"),)), Exam(CASES_HERE, SEED), jail)

    asked = [numbers_in(call) - {1.0} for call in jail.calls]
    first = next(i for i, hidden in enumerate(asked) if hidden)
    assert all(asked[first:])
    assert not any(1.0 in numbers_in(call) for call in jail.calls[first:])


def test_without_a_seed_only_examples_are_asked() -> None:
    marks = marks_of(lambda name, x: right(name, x) if x == 1.0 else pytest.fail("hidden"), seed=None)

    assert [(o.example, o.hidden) for o in marks.outcomes] == [(True, None)] * 3


def test_what_is_not_written_is_not_wrong() -> None:
    marks = marks_of(right, defined=("perplexity",))

    assert [o.missing for o in marks.outcomes] == [True, True, False]
    assert earned(marks) == [0, 0, 4]
    assert "· not written yet: cross_entropy\n1 of 1 written functions are right" in report.check_report(
        marks
    )


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (
            "def CrossEntropy():\n    pass\ndef crossentropy():\n    pass",
            "cross_entropy is not there, but crossentropy is",
        ),
        ("class A:\n    def perplexity(self):\n        pass", "perplexity is inside of something else"),
        ("def rnn():\n    pass", ""),
    ],
)
def test_a_function_that_is_nearly_there_is_named(text: str, note: str) -> None:
    submission = Submission("a", "a.py", (Cell(0, text),))

    marks = mark(submission, Exam(CASES_HERE, SEED), Told(right, defined=()))

    said = "no function that is graded is there"
    assert marks.note.startswith(f"{note}" if note else said)
    assert marks.note.endswith(said)


def test_a_file_that_cannot_be_run_says_where() -> None:
    reply = Reply(False, stage="import", error="SyntaxError: invalid syntax (submission.py, line 7)", line=7)

    marks = marks_of(right, defined=reply)

    assert marks.status == "error"
    assert marks.note == "cannot be run: SyntaxError: invalid syntax (line 7)"
    assert earned(marks) == [0, 0, 0]


def test_an_unreadable_file_is_not_run() -> None:
    jail = Told(right)

    marks = mark(Submission("bob", problem="bob.py is empty"), Exam(CASES_HERE, SEED), jail)

    assert (marks.status, marks.note, earned(marks)) == ("unreadable", "bob.py is empty", [0, 0, 0])
    assert jail.calls == []


def test_who_lets_us_wait_is_not_asked_for_ever() -> None:
    many = [case("cross_entropy", f"case {i}", 2.0) for i in range(20)] + [SQUARE]
    jail = Told(lambda name, x: Reply(False, stage="time") if name.startswith("case") else right(name, x))

    marks = mark(Submission("a", "a.py", (Cell(0, ""),)), Exam(many, SEED), jail)

    assert len(jail.calls) <= 8  # of these, 2 are for the other function
    assert [o.example for o in marks.outcomes] == [False] * 20 + [True]  # the other function is still asked
    assert "had no answer in time too often" in marks.outcomes[10].message


def test_what_fails_is_left_out_and_lines_are_found_in_their_cells() -> None:
    class Notebook(Told):
        def ask(self, call: Call) -> Reply:
            if "cells" in call.inputs:
                failing, idle = [1, 0, 2, 5, "NameError: oops", "pass"], [1, 0, 1, 7, "no definition", "pass"]
                return Reply(True, [[], [failing], [], [idle]])
            return super().ask(call)

    failing = Reply(False, stage="call", error="ValueError: no", line=4)
    jail = Notebook(lambda name, x: failing if name == "it is the same" else right(name, x))
    submission = Submission(
        "a",
        "a.ipynb",
        (Cell(1, "x = 1\ny = 2"), Cell(3, "def f():\n    1"), Cell(4, "z = 3"), Cell(5, "check()")),
    )

    marks = mark(submission, Exam(CASES_HERE, SEED), jail)

    assert marks.note == "code cell 3 cut out: NameError: oops; code cell 5 cut out: no definition"
    assert jail.calls[-1].source == "x = 1\ny = 2\npass\nz = 3\npass\n"
    assert marks.outcomes[2].message.endswith("ValueError: no (code cell 4, line 1)")
    assert earned(marks) == [4, 4, 0]


# --- with whose versions of earlier functions --------------------------------------------------------


class Leaning(Told):
    """What answers well or badly with ours in place of its own one_hot, and well or badly with its own."""

    def __init__(self, with_ours: Callable[[str, float], Any], with_own: Callable[[str, float], Any]) -> None:
        super().__init__(right)
        self.ways = {True: with_ours, False: with_own}

    def ask(self, call: Call) -> Reply:
        self.answer = self.ways["one_hot" in call.lent]
        return super().ask(call)


def leaning(with_ours: Callable[[str, float], Any], with_own: Callable[[str, float], Any]) -> Marks:
    submission = Submission("a", "a.py", (Cell(0, "one_hot, x = f, 1"),))
    return mark(submission, Exam(CASES_HERE, SEED), Leaning(with_ours, with_own))


def wrong(name: str, x: float) -> float:
    return -x


def raising(name: str, x: float) -> Reply:
    return Reply(False, stage="call", error="TypeError: one_hot() missing 1 required positional argument")


@pytest.mark.parametrize(("with_ours", "with_own"), [(wrong, right), (raising, right), (right, wrong)])
def test_a_function_may_lean_on_our_earlier_functions_or_on_its_own(
    with_ours: Callable[[str, float], Any], with_own: Callable[[str, float], Any]
) -> None:
    marks = leaning(with_ours, with_own)

    assert earned(marks) == [4, 4, 4]
    own = " as cross_entropy, perplexity need: with your own versions of earlier functions"
    assert marks.note == ("" if with_ours is right else f"graded{own}")


def test_an_error_that_ours_cause_is_not_told_as_the_submissions() -> None:
    marks = leaning(raising, wrong)

    assert earned(marks) == [0, 0, 0]
    assert all(
        "TypeError" not in o.message and "since ours cause an error" in o.message for o in marks.outcomes
    )
    assert leaning(wrong, raising).outcomes[0].message == leaning(wrong, wrong).outcomes[0].message


def test_hidden_inputs_may_be_right_the_other_way() -> None:
    marks = leaning(lambda name, x: right(name, x) if x == 1.0 else wrong(name, x), right)

    assert earned(marks) == [4, 4, 4]
    assert marks.note == ""  # it says no more than what the examples have shown


def test_suspicions_are_kept() -> None:
    marks = marks_of(lambda name, x: Reply(True, right(name, x), suspicions=("left 40 processes behind",)))
    assert marks.suspicions == ()  # the answers of Told.ask to many questions carry none

    died = marks_of(lambda name, x: Reply(False, stage="died", error="", suspicions=("killed its worker",)))
    assert {s.what for s in died.suspicions} == {"killed its worker", "ended as «died»"}
    lines = [json.loads(text) for text in report.suspicions_jsonl([died]).splitlines()]
    assert lines[0] == {
        "submission": "alice", "function": "cross_entropy", "case": "", "what": "killed its worker"
    }  # fmt: skip


def test_equal_texts_are_noticed() -> None:
    both = [marks_of(right), marks_of(right)]

    lines = report.suspicions_jsonl([both[0], replace(both[1], submission="bob")]).splitlines()

    assert [json.loads(text)["what"] for text in lines] == ["the same text as bob", "the same text as alice"]


# --- what shows little -----------------------------------------------------------------------------

LEFT_ALONE = replace(
    SQUARE,
    name="x is left alone",
    drive=lambda s, x: s.perplexity(x) or x,
    expect=lambda inputs: inputs["x"],
)
REFUSED = replace(
    SQUARE,
    name="it is refused",
    drive=lambda s, x: s.perplexity(x) and "ValueError",
    expect=lambda inputs: "ValueError",
)


def with_little(function: Callable[[str, float], Any]) -> list[float]:
    def answer(name: str, x: float) -> Any:
        return "ValueError" if name == "it is refused" else function(name, x)

    cases = [replace(TWICE, function="perplexity"), LEFT_ALONE, REFUSED]
    marks = mark(Submission("a", "a.py", (Cell(1, ""),)), Exam(cases, SEED), Told(answer))
    points = Points(0.25, {(c.function, c.name): 4.0 for c in cases})
    return [points.earned(outcome) for outcome in marks.outcomes]


def test_what_shows_little_counts_where_something_else_is_right() -> None:
    assert with_little(lambda name, x: x if name == "x is left alone" else 2 * x) == [4, 4, 4]


def test_and_else_doing_nothing_earns_nothing_and_a_constant_the_share_of_its_example() -> None:
    assert with_little(lambda name, x: x) == [0, 0, 1]


@pytest.mark.slow
def test_functions_that_do_nothing_have_no_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # drivers as they are
    source = "\n".join(f"def {name}(*args, **options):\n    pass\n" for name in GRADED)

    marks = mark(Submission("a", "a.py", (Cell(1, source),)), EXAM, OpenJail())

    assert [(o.function, o.case) for o in marks.outcomes if o.example] == []


@pytest.mark.slow
def test_the_answers_to_the_examples_have_the_share_of_the_examples(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Case, "driver", property(lambda self: f"{self.function}: {self.name}"))
    answers = {c.driver: doing(c.drive)(c.example) for c in CASES}
    monkeypatch.setattr(Told, "reply", lambda self, driver, inputs: Reply(True, answers[driver]))

    marks = mark(Submission("a", "a.py", (Cell(1, ""),)), EXAM, Told(right, GRADED))

    assert {o.function for o in marks.outcomes if o.right} == {"try_gpu"}  # whose answer is known anyway
    assert all(o.example for o in marks.outcomes)


# --- inputs ----------------------------------------------------------------------------------------


def test_hidden_inputs_depend_on_the_seed_the_attempt_and_the_case_alone() -> None:
    forth, back, *others = Exam(CASES, 7), Exam(CASES[::-1], 7), Exam(CASES, 8), Exam(CASES, 7, attempt=2)
    changed = [0, 0]
    for c in CASES:
        first, again = forth.inputs(c, 1), back.inputs(c, 1)
        np.testing.assert_equal(first, again)
        changed = [n + (repr(first) != repr(o.inputs(c, 1))) for n, o in zip(changed, others)]
    assert forth.inputs(TWICE, 1) != forth.inputs(THRICE, 1)
    assert forth.inputs(TWICE, 1) != forth.inputs(TWICE, 2)
    assert min(changed) > 0.8 * len(CASES)  # a few ask what has no inputs to draw


# --- answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer", [np.zeros((100_000, 1), np.float32), [[np.zeros(10_000)] * 3]], ids=["array", "list"]
)
def test_nothing_is_computed_with_an_answer_that_is_far_too_large(answer: Any) -> None:
    """0.4 MB become 2 GB where they are broadcast: sizes are compared before anything else."""

    def check(answer: Any, expected: Any, inputs: dict) -> str | None:
        pytest.fail("something was computed")

    asked = replace(TWICE, check=check, mistakes=(Mistake("halved", check),), lesson=5)
    expected = np.zeros((1, 100), np.float32)

    found = verdict(asked, {}, Reply(True, answer), expected)

    assert not found.ok
    assert "far more numbers than expected" in found.message
    with pytest.raises(pytest.fail.Exception):
        verdict(asked, {}, Reply(True, np.zeros((20, 100))), expected)


CASES_OF_ONEHOT = [c for c in CASES if c.function == "one_hot"]


def test_other_processes_make_the_same_answers_ahead() -> None:
    ahead, here = Exam(CASES_OF_ONEHOT, 7), Exam(CASES_OF_ONEHOT, 7)
    with ahead.made_ahead():
        for c, k in ahead.pairs():
            np.testing.assert_equal(ahead.question(c, k), here.question(c, k))


def test_what_makes_answers_is_another_process_and_closed_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def expected(case: Case, inputs: dict) -> tuple[int, int]:
        return os.getpid(), prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)

    prctl, exam = ctypes.CDLL(None).prctl, Exam(CASES_OF_ONEHOT, 7)
    monkeypatch.setattr(Case, "expected", expected)
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # as a process begins

    with exam.made_ahead():
        answers = {exam.question(c, k)[1] for c, k in exam.pairs()}

    assert expected(TWICE, {}) == (os.getpid(), 1)
    assert [pid != os.getpid() and not dumpable for pid, dumpable in answers] == [True]


def _has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _hold_answers_ahead(told: Connection) -> None:
    exam = Exam(CASES_OF_ONEHOT, 7)
    with exam.made_ahead():
        told.send([child.pid for child in multiprocessing.active_children()])
        time.sleep(60)


def test_what_makes_answers_ends_with_the_process_that_asked() -> None:
    context = multiprocessing.get_context("fork")
    hear, tell = context.Pipe(duplex=False)
    grader = context.Process(target=_hold_answers_ahead, args=[tell])
    grader.start()
    (maker,) = hear.recv()
    assert not _has_ended(maker)

    grader.kill()
    grader.join()

    try:
        while not _has_ended(maker):
            time.sleep(0.05)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(maker, signal.SIGKILL)


# --- points ----------------------------------------------------------------------------------------


def test_points_are_read_edited_and_written(tmp_path: Path) -> None:
    file = tmp_path / "points.toml"
    file.write_text('public = 0.5\n[perplexity]\n"it is the same" = 2.5\n')

    points = read_points(file, CASES_HERE)

    assert points.public == 0.5
    assert points.of_case == {
        ("cross_entropy", "it is doubled"): 1,
        ("cross_entropy", "it is trebled"): 1,
        ("perplexity", "it is the same"): 2.5,
    }
    file.write_text(write_points(points, CASES_HERE))
    assert read_points(file, CASES_HERE) == points


def test_the_points_of_the_course_fit_its_cases(tmp_path: Path) -> None:
    points = read_points(POINTS_FILE, CASES)
    (tmp_path / "all.toml").write_text(write_points(points, CASES))

    assert read_points(tmp_path / "all.toml", CASES) == points
    assert {function for function, _ in points.of_case} == set(GRADED)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("public = 2\n", r"public = 2: give a number from 0 to 1"),
        ("[perplexity]\n'it is the same' = -1\n", r"'it is the same' = -1: give a number from 0"),
        ("[perplexity]\n'it is the same' = true\n", r"= True: give a number"),
        (
            "[perplexity]\n'it is' = 1\n",
            r"\[perplexity\] has no case 'it is'; --write-points FILE shows them",
        ),
        ("[exp]\n", r"\[exp\] is not a graded function: give one of cross_entropy, perplexity"),
        ("perplexity = 1\n", r"perplexity is not a table"),
        ("= 1\n", r"no TOML"),
    ],
)
def test_points_that_cannot_be_are_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "points.toml").write_text(text)

    with pytest.raises(ValueError, match=message):
        read_points(tmp_path / "points.toml", CASES_HERE)


# --- reports ---------------------------------------------------------------------------------------

NASTY = (
    "<script>alert(1)</script>\x1b[31m\u202e::error::x\n::set-output name=a::b ##[error]x ###vso[task] :::x"
)


def nasty() -> Marks:
    outcomes = (Outcome("cross_entropy", "it is doubled", 5, False, False, NASTY),)
    return Marks(
        "=SUM(A1)", NASTY, "graded", outcomes, f"@{NASTY}", "", (Suspicion("", "", "x"),), "minimal", ("all",)
    )


def test_a_page_shows_text_as_text_and_fetches_nothing() -> None:
    page = report.feedback_html(nasty(), POINTS)

    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert not re.search(r"(src|href|url)\s*[=(]|@import|https?:", page)
    assert not {"\x1b", "\u202e"} & set(page)
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page
    assert "Isolation: minimal (lacking: all)" in page
    assert "0 of 4 points" in page


def test_a_spreadsheet_sees_no_formula() -> None:
    rows = list(csv.reader(io.StringIO(report.grades_csv([nasty()], POINTS))))

    assert rows[0] == ["submission", "score", "max_score", "status", "cross_entropy", "note"]
    assert rows[1][:5] == ["'=SUM(A1)", "0", "4", "graded", "0"]
    assert rows[1][5].startswith("'@<script>")
    assert len(rows) == 2
    every = [replace(nasty(), submission=f"{sign}1") for sign in "=+-@＝＋－＠1"]
    _, *rows = csv.reader(io.StringIO(report.grades_csv(every, POINTS)))
    assert [row[0] for row in rows] == [*(f"'{sign}1" for sign in "=+-@＝＋－＠"), "11"]


def test_no_line_is_a_command_of_a_ci_or_of_a_terminal() -> None:
    for text in (report.class_table([nasty()], POINTS), report.check_report(nasty())):
        assert not re.search(r"::|##|\x1b|\u202e", text)
        assert "alert(1)" in text


def test_results_are_as_gradescope_wants_them() -> None:
    marks = marks_of(lambda name, x: x if name == "it is doubled" else right(name, x))

    results = report.results_json(marks, POINTS)

    assert results["score"] == 8
    assert results["stdout_visibility"] == "hidden"
    assert results["extra_data"]["isolation"] == "best (lacking: namespaces)"
    assert [t["status"] for t in results["tests"]] == ["failed", "passed", "passed"]
    assert [(t["score"], t["max_score"]) for t in results["tests"]] == [(0, 4), (4, 4), (4, 4)]
    assert "half of it" in results["tests"][0]["output"]
    assert not any("execution_time" in t for t in [results, *results["tests"]])


def test_colour_is_for_terminals() -> None:
    marks = marks_of(right)

    assert "\x1b[" in report.check_report(marks, colour=True)
    assert report.check_report(marks) == re.sub(r"\x1b\[\d*m", "", report.check_report(marks, colour=True))


def test_columns_of_wide_characters_are_aligned() -> None:
    all_marks = [replace(nasty(), submission=name, note="") for name in ("周杰伦", "Jay")]

    lines = report.class_table(all_marks, POINTS).splitlines()[1:3]

    assert [text.encode("gbk").index(b" / ") for text in lines] == [13, 13]


def test_the_table_shows_what_the_class_can_do() -> None:
    good, half = marks_of(right), marks_of(lambda name, x: x if name == "it is doubled" else right(name, x))

    lines = report.class_table([good, half], POINTS).splitlines()

    assert lines[3:] == ["right in how many of 2:", "  lesson 5, loss: cross_entropy 1, perplexity 2"]


def test_a_report_is_as_wide_as_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    wrong = marks_of(lambda name, x: Reply(False, stage="call", error="ValueError: " + 20 * "no, never, "))

    assert max(map(len, report.check_report(wrong).splitlines())) <= 60
    assert report.check_report(marks_of(right, defined=())).endswith("\nnothing is written yet")
