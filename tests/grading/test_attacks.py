"""Submissions that cheat, hang or destroy gain nothing and harm nobody: see audits/arena.py."""

import ast
import contextlib
import json
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from d2lrnn.grading import report
from d2lrnn.grading.cases import CASES
from d2lrnn.grading.jail import Jail
from d2lrnn.grading.marking import Exam, Points, mark
from d2lrnn.grading.submissions import Cell, Submission

import pytest

from audits.arena import (
    ATTACKS,
    FUNCTIONS,
    PUBLIC,
    TIERS,
    Examiner,
    Finding,
    LackingError,
    deserved,
    names,
)

# Each does its harm to a grader that is one process, or the suite would prove nothing.
BITES = {
    "a02": "no report", "a09": "undeserved", "a10": "undeserved", "a12": "BEATEN: read", "a13": "undeserved",
    "a15": "left", "a17": "found", "a18": "undeserved", "a25": "secret",
    "a32": "changed tests/answers.json",
    "a40": "escape", "b18": "earlier submission", "b33": "hidden", "b34": "hidden",
}  # fmt: skip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux can lock a process in"),
]


@contextlib.contextmanager
def examiners(*tiers: str) -> Iterator[list[Examiner]]:
    """Those of the tiers that can be had here."""
    found: list[Examiner] = []
    with contextlib.ExitStack() as stack:
        for tier in tiers:
            with contextlib.suppress(LackingError):
                found.append(stack.enter_context(Examiner(tier)))
        yield found


@pytest.fixture(scope="module")
def strong() -> Iterator[list[Examiner]]:
    with examiners("root", "user", "bare") as found:
        yield [each for each in found if not re.search("Landlock|seccomp", each.isolation)]  # lacking


@pytest.fixture(scope="module")
def minimal() -> Iterator[list[Examiner]]:
    with examiners("minimal") as found:
        yield found


@pytest.fixture(scope="module")
def naive() -> Iterator[list[Examiner]]:
    with examiners("naive") as found:
        yield found


def put(graders: list[Examiner], name: str) -> list[Finding]:
    """Let the graders grade an attack, all at a time."""
    if not graders:
        pytest.skip("this system has no such tier")
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda grader: grader.put(name), graders))


@pytest.mark.parametrize("tier", ["root", "user", "bare"])
def test_the_attacks_are_put_to_this_tier(strong: list[Examiner], tier: str) -> None:
    if tier not in {grader.tier for grader in strong}:
        pytest.skip(f"this system has no {tier}: {TIERS[tier]}")


@pytest.mark.parametrize("name", names())
def test_an_attack_is_held_and_what_it_deserves_is_given(strong: list[Examiner], name: str) -> None:
    for finding in put(strong, name):
        assert (finding.tier, finding.successes, finding.lost) == (finding.tier, [], [])


@pytest.mark.parametrize("name", names())
def test_in_the_weakest_tier_nothing_but_the_reference_gains_points(
    minimal: list[Examiner], name: str
) -> None:
    for finding in put(minimal, name):
        gains = [success for success in finding.successes if success.startswith("undeserved")]
        assert bool(gains) is name.startswith("a13")  # that imports the reference
        assert finding.lost == []


@pytest.mark.parametrize("name", names(BITES))
def test_an_attack_succeeds_where_everything_is_one_process(naive: list[Examiner], name: str) -> None:
    for finding in put(naive, name):
        assert BITES[name[:3]] in "; ".join(finding.successes)


def test_every_attack_says_what_it_tries_and_what_it_deserves() -> None:
    for name in names():
        assert ast.get_docstring(ast.parse((ATTACKS / f"{name}.py").read_text("utf-8"))), name
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


def test_a_student_learns_of_hidden_inputs_only_whether_all_were_right(jail: Jail) -> None:
    cases = [case for case in CASES if case.function == "one_hot"][:2]
    points = Points(PUBLIC, {(case.function, case.name): 1.0 for case in cases})
    known = [f"{case.example['indices']!r}{case.example['vocab_size']!r}" for case in cases]
    told = {}
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
