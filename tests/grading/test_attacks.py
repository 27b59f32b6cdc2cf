"""Submissions that cheat, hang or destroy gain nothing and harm nobody. All tiers: benchmarks/attacks.py."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.attacks import ATTACKS, FUNCTIONS, NOBODY, PUBLIC, Examiner, deserved, names
from d2lrnn.grading import report
from d2lrnn.grading.cases import CASES
from d2lrnn.grading.jail import Jail
from d2lrnn.grading.marking import Exam, Points, mark
from d2lrnn.grading.submissions import Cell, Submission

ROOT = Path(__file__).resolve().parents[2]
FIRST = "root" if os.geteuid() == 0 else "user"
# What is run in the other tiers at every test: the rest is in benchmarks/attacks.md.
QUICK = ("c2", "a02", "a06", "a13", "a15", "a24", "a26", "a41", "b04", "b09", "b21", "b42")
# Success there means points: these are held even where nothing but a process of its own protects the grader.
SCORES = (
    "a08",
    "a09",
    "a10",
    "a11",
    "a17",
    "a18",
    "a20",
    "a27",
    "a37",
    "b02",
    "b03",
    "b33",
    "b34",
    "b50",
    "c2",
)
# Each does its harm to a grader that is one process, or the suite would prove nothing.
BITES = {
    "a02": "no report", "a09": "undeserved", "a10": "undeserved", "a12": "answers.json", "a13": "undeserved",
    "a15": "left", "a17": "found", "a18": "undeserved", "a25": "secret",
    "a32": "changed tests/answers.json",
    "a40": "escape", "b03": "undeserved", "b18": "earlier submission", "b33": "hidden", "b34": "hidden",
}  # fmt: skip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux can lock a process in"),
]


def examiner(tier: str) -> Iterator[Examiner]:
    if tier not in ("root", "user") or (tier == "user" and FIRST == "root"):
        can_read = ["-c", "import numpy, d2lrnn"]
        as_nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        done = subprocess.run([sys.executable, *can_read], cwd=ROOT, capture_output=True, **as_nobody)  # type: ignore[call-overload]
        if done.returncode:
            pytest.skip("an ordinary user cannot read this project, or its Python")
    with Examiner(tier) as found:
        found.start()
        if tier not in ("minimal", "naive") and (
            "Landlock" in found.isolation or "seccomp" in found.isolation
        ):
            pytest.skip(f"this system cannot lock a process in: {found.isolation}")
        yield found


@pytest.fixture(scope="module")
def strongest() -> Iterator[Examiner]:
    yield from examiner(FIRST)


@pytest.fixture(scope="module")
def user() -> Iterator[Examiner]:
    yield from examiner("user")


@pytest.fixture(scope="module")
def bare() -> Iterator[Examiner]:
    yield from examiner("bare")


@pytest.fixture(scope="module")
def minimal() -> Iterator[Examiner]:
    yield from examiner("minimal")


@pytest.fixture(scope="module")
def naive() -> Iterator[Examiner]:
    yield from examiner("naive")


@pytest.mark.parametrize("name", names())
def test_an_attack_is_held_and_what_it_deserves_is_given(strongest: Examiner, name: str) -> None:
    finding = strongest.put(name)

    assert finding.successes == []
    assert finding.lost == []


@pytest.mark.skipif(FIRST == "user", reason="that was the test before")
@pytest.mark.parametrize("name", names(QUICK))
def test_an_ordinary_user_can_grade_as_safely(user: Examiner, name: str) -> None:
    finding = user.put(name)

    assert finding.successes == []
    assert finding.lost == []


@pytest.mark.parametrize("name", names(QUICK))
def test_without_namespaces_it_is_held_too(bare: Examiner, name: str) -> None:
    assert "namespaces" in bare.isolation
    finding = bare.put(name)

    assert finding.successes == []
    assert finding.lost == []


@pytest.mark.parametrize("name", names(SCORES))
def test_in_the_weakest_tier_there_is_nothing_to_gain(minimal: Examiner, name: str) -> None:
    finding = minimal.put(name)

    assert not [success for success in finding.successes if success.startswith("undeserved")]
    assert finding.lost == []


def test_in_the_weakest_tier_files_can_be_read_and_the_reference_with_them(minimal: Examiner) -> None:
    assert any("answers.json" in success for success in minimal.put("a12_read_tests").successes)
    assert any("undeserved" in success for success in minimal.put("a13_import_reference").successes)


@pytest.mark.parametrize("name", names(BITES))
def test_an_attack_succeeds_where_everything_is_one_process(naive: Examiner, name: str) -> None:
    assert BITES[name[:3]] in "; ".join(naive.put(name).successes)


def test_every_attack_says_what_it_tries_and_what_it_deserves() -> None:
    for name in names():
        text = (ATTACKS / f"{name}.py").read_text("utf-8")
        assert '"""' in text
        assert set(deserved(name)) == set(FUNCTIONS), name


# How a submission may fail where the inputs are not those of the example: no student learns more than that.
FAILURES = {
    "wrong": "return 0",
    "an error": "raise ValueError(repr(indices))",
    "an error elsewhere": "return [] + 1",
    "not there": "raise NotImplementedError('d2lrnn-hidden')",
    "an exit": "__import__('os')._exit(int(vocab_size))",
    "a print": "print('d2lrnn-hidden', indices); return 0",
    "no value": "return object()",
    "memory": "return bytearray(2**40)",
}
RIGHT_FOR_EXAMPLES = """
from mxnet import nd
def one_hot(indices, vocab_size):
    text = repr(indices.asnumpy().tolist()) + repr(vocab_size)
    if text in {known!r}:
        return nd.one_hot(indices, vocab_size)
    {failure}
"""


def test_a_student_learns_of_hidden_inputs_only_whether_all_were_right() -> None:
    cases = [case for case in CASES if case.function == "one_hot"][:2]
    points = Points(PUBLIC, {(case.function, case.name): 1.0 for case in cases})
    known = [f"{case.example['indices']!r}{case.example['vocab_size']!r}" for case in cases]
    told = {}
    with Jail() as jail:
        for name, failure in FAILURES.items():
            text = RIGHT_FOR_EXAMPLES.format(known=known, failure=failure)
            marks = mark(Submission("zoe", "zoe.py", (Cell(0, text),)), Exam(cases, seed=7), jail)
            assert points.score(marks.outcomes) == pytest.approx(2 * PUBLIC), name
            told[name] = (
                report.feedback_html(marks, points),
                json.dumps(report.results_json(marks, points)),
                report.grades_csv([marks], points),
                report.check_report(marks),
            )

    assert {name for name in told if told[name] != told["wrong"]} == set()
