"""The cases are fair and sharp: right work in any style gets all, no work nothing, a mistake its message."""

import ast
import inspect
import re
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import d2lrnn
from d2lrnn import CHAPTERS
from d2lrnn.grading import case as case_module
from d2lrnn.grading.case import Case, Verdict, brief, differs, fault_of, question, run_drive, verdict
from d2lrnn.grading.cases import CASES, GRADED
from d2lrnn.grading.jail import Call, Jail, Reply
from d2lrnn.grading.lent_code import bound, support
from d2lrnn.grading.mistakes import FILES, load, mistakes_in, told
from d2lrnn.grading.mistakes import HERE as MISTAKES

import numpy as np
import pytest
from in_process import EXAM, answer, reference, verdicts

from audits.draws import Draws, by_luck, draws_of, taken_for_right

HERE = Path(__file__).parent
VARIANTS = sorted((HERE / "variants").glob("*.py"))
LESSONS = sorted(set(GRADED.values()))
UNGRADED = {"Workers", "load_results"}  # they need processes and a network, or what was measured here

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.function}: {case.name}")


def _defined(source: str) -> set[str]:
    return {name for statement in ast.parse(source).body for name in bound(statement)}


# What the cases are


def test_every_name_of_every_lesson_is_graded() -> None:
    names = {name: number for number, (_, names) in CHAPTERS.items() for name in names.split()}

    assert {name: number for name, number in names.items() if name not in UNGRADED} == GRADED


def test_the_cases_of_a_function_stand_together_and_none_has_the_name_of_another() -> None:
    assert [function for function, _ in groupby(CASES, attrgetter("function"))] == list(GRADED)
    assert [case.lesson for case in CASES] == sorted(case.lesson for case in CASES)
    assert len({(case.function, case.name) for case in CASES}) == len(CASES)


@each_case
def test_hidden_inputs_hang_on_the_seed_alone_and_vary(case) -> None:
    first, again, other = (case.draw(np.random.default_rng(seed)) for seed in (1, 1, 2))

    assert differs(first, again, atol=0, rtol=0) is None
    assert not case.example or differs(first, other, atol=0, rtol=0) is not None
    assert set(first) >= set(inspect.signature(case.drive).parameters) - {"s", "options"}


@each_case
def test_a_driver_runs_alone_and_knows_no_answers(case) -> None:
    for node in ast.walk(ast.parse(case.driver)):
        if isinstance(node, ast.ImportFrom):
            assert node.module and not node.level
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            assert "d2lrnn" not in ast.unparse(node)
    assert not _defined(case.driver) & set(GRADED)


@each_case
def test_messages_do_not_give_the_code_away(case) -> None:
    code = inspect.getsource(getattr(d2lrnn, case.function))
    lines = {line.strip() for line in code.splitlines() if len(line.strip()) > 20}

    messages = [told(mistake) for mistake in mistakes_in(case.lesson, case.function)]
    for message in [*messages, *(mistake.message for mistake in case.mistakes)]:
        assert message and not [line for line in lines if line in message]


# Right work, and none


@pytest.mark.slow
@each_case
def test_our_own_lessons_get_full_marks_and_an_empty_file_none(case) -> None:
    assert [v.message for v in verdicts(reference(CHAPTERS[case.lesson][0]), case)] == [""] * 3

    nothing = verdict(case, case.example, answer("", case, case.example), None)
    assert (nothing.ok, nothing.message) == (False, "not written yet")


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda path: path.stem)
def test_right_work_in_another_style_gets_full_marks(variant: Path) -> None:
    source = variant.read_text("utf-8")
    written = _defined(source) & set(GRADED)

    assert written
    for case in CASES:
        if case.function in written:
            assert [v.message for v in verdicts(source, case)] == [""] * 3


def test_every_function_is_written_in_several_styles() -> None:
    written = [name for variant in VARIANTS for name in _defined(variant.read_text("utf-8"))]

    assert {name for name in GRADED if written.count(name) < 2} == set()


# Wrong work


@pytest.mark.slow
@pytest.mark.parametrize("mistake", [path.stem for path in FILES])
def test_a_mistake_loses_in_the_functions_that_it_breaks_alone_and_is_told(mistake: str) -> None:
    source = (MISTAKES / f"{mistake}.py").read_text("utf-8")
    broken = {name for name, lesson in GRADED.items() if mistake in mistakes_in(lesson, name)}

    lost: dict[str, list[str]] = {}
    for case in CASES:
        if case.lesson == int(mistake[:2]):
            inputs, expected = EXAM.question(case, 0)
            found = verdict(case, inputs, answer(source, case, inputs), expected)
            if not found.ok:
                lost.setdefault(case.function, []).append(found.message)

    assert broken and set(lost) == broken
    for messages in lost.values():
        assert [message for message in messages if message.endswith(f": {told(mistake)}")], messages


SEEDS = range(1, 7)  # audits/draws.py has 200


@pytest.mark.slow
@pytest.mark.parametrize("lesson", [lesson for lesson in LESSONS if lesson <= 12 and lesson != 9])
def test_no_mistake_passes_and_none_is_noticed_by_luck(lesson: int) -> None:
    draws = [found for case in CASES if case.lesson == lesson for found in draws_of(case, SEEDS)]

    assert taken_for_right(draws) == {}
    assert [(found.mistake, str(found.case)) for found in by_luck(draws, len(SEEDS))] == []


def test_the_audit_sees_what_passes_and_what_is_noticed_by_luck() -> None:
    def passing(name: str, *seeds: int) -> Draws:
        return Draws("it", replace(CASES[0], name=name), frozenset(seeds))

    always, sometimes, never = passing("a", 1, 2, 3), passing("b", 1, 3), passing("c")
    function = CASES[0].function

    assert taken_for_right([always, sometimes]) == {("it", function): {1, 3}}
    assert taken_for_right([always, sometimes, never]) == {}
    assert by_luck([always, sometimes, never], 3) == [sometimes]


ONE_LOSES_ITS_LAST_BATCH = next(case for case in CASES if case.name.startswith("row r of a batch goes on"))


def test_a_draw_that_leaves_something_over_by_chance_is_luck() -> None:
    def draw(rng: np.random.Generator) -> dict:
        return {**ONE_LOSES_ITS_LAST_BATCH.example, "corpus": np.arange(int(rng.integers(30, 34)))}

    lucky = replace(
        ONE_LOSES_ITS_LAST_BATCH, draw=draw, example={**draw(np.random.default_rng(0)), "corpus": range(31)}
    )
    found = draws_of(lucky, SEEDS, "consecutive_forgets_the_last_batch")

    assert len(by_luck(found, len(SEEDS))) == 1


# How answers are compared


NAN, INF = float("nan"), float("inf")
ARRAY = np.float32([[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (1.00005, 1.0),
        (1, 1.0),
        (np.array(1.0), 1.0),
        (INF, INF),
        (3, 3),
        ("分开", "分开"),
        (None, None),
        ([1, (2.0, "x")], [1, (2.0, "x")]),
        ({"a": ARRAY}, {"a": ARRAY + 1e-5}),
        (ARRAY.astype("float64"), ARRAY),
        (np.array([1, 2], "int32"), np.array([1, 2])),
        (np.array([INF, 1.0]), np.array([INF, 1.0])),
    ],
)
def test_what_is_right_within_bounds_does_not_differ(answer, expected) -> None:
    assert differs(answer, expected) is None


@pytest.mark.parametrize(
    ("answer", "expected", "sentence"),
    [
        (1.0003, 1.0, "1.0003 is wrong"),
        (NAN, NAN, "nan is wrong"),
        (NAN, 1.0, "nan is wrong"),
        (1e300, INF, "1e\\+300 is wrong"),
        (True, 1.0, "a number is expected, not bool"),
        (None, 1.0, "a number is expected, not None"),
        (True, 1, "int is expected, not bool"),
        ([1], (1,), "tuple is expected, not list"),
        ([1], "分开", "a text is expected, not list"),
        ([1, 2], [1], "1 items are expected, not 2"),
        ([[1.0], [2.0]], [[1.0], [3.0]], r"\[1\]\[0\]: 2 is wrong"),
        ({"a": 1}, {"b": 1}, r"\['b'\] are expected, not \['a'\]"),
        ({"a": [1.0]}, {"a": [2.0]}, r"a\[0\]: 1 is wrong"),
        ([1.0], np.float32([1]), r"an array of shape \(1,\) is expected, not list"),
        (ARRAY.T[:1], ARRAY, r"an array of shape \(2, 2\) is expected, not \(1, 2\)"),
        (ARRAY.astype(int), ARRAY, "float32 values are expected, not int64"),
        (ARRAY * NAN, ARRAY * NAN, r"4 of 4 numbers are wrong, the first at \[0, 0\]: nan"),
        (
            ARRAY + np.float32([[0, 0], [0, 1]]),
            ARRAY,
            r"1 of 4 numbers are wrong, the first at \[1, 1\]: 5.0",
        ),
        (np.array([1.0, 5.0]), np.array([1.0, INF]), "1 of 2 numbers are wrong"),
        (np.array(["a"]), np.array([1]), "int64 values are expected"),
    ],
)
def test_a_difference_is_told_in_one_sentence(answer, expected, sentence) -> None:
    found = differs(answer, expected)

    assert found and re.match(sentence, found), found


ODD = [
    None,
    7,
    "x",
    [],
    [[[]]],
    {},
    {"data": 3},
    {"data": [NAN], "label": []},
    ARRAY,
    b"",
    [{}, None],
    [[NAN]] * 2,
]


@pytest.mark.slow
@each_case
def test_an_odd_answer_is_wrong_and_never_an_error(case) -> None:
    inputs, expected = EXAM.question(case, 0)

    for odd in ODD:
        assert isinstance(fault_of(case, inputs, odd, expected), str), odd
    found = verdict(case, inputs, Reply(True, ODD[-1]), expected)

    assert not found.ok and found.message.startswith(case.function)


@pytest.mark.parametrize("stage", ["import", "call", "time", "memory", "output", "died", "wire"])
def test_every_failure_has_words(stage: str) -> None:
    case = next(case for case in CASES if case.function == "grad_clipping")
    reply = Reply(False, stage=stage, error="KeyError: 'x'")

    found = verdict(case, case.example, reply, None)

    assert not found.ok
    assert re.match(
        r"grad_clipping with gradients = \[\[3.0, 4.0\], |the file cannot be run: KeyError", found.message
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("KeyError: [1, 2]", "KeyError: [1, 2]"),
        (f"ValueError: bad {np.zeros((9, 9)).tolist()} here", "ValueError: bad […] here"),
        (f"ValueError:\n{np.zeros((9, 9))}\n<NDArray 9x9>", "ValueError: […] <NDArray 9x9>"),
        (
            'MXNetError: Traceback (most recent call last):\n  File "../src/dot.h", line 12\n'
            "MXNetError: Check failed: dot shape error: [2,2] X [1,2]\nStack trace:\n  [bt] (0) x",
            "MXNetError: Check failed: dot shape error: [2,2] X [1,2]",
        ),
    ],
)
def test_an_error_is_told_without_arrays_and_traces(error: str, said: str) -> None:
    assert brief(error) == said
    assert len(brief("a " * 2000)) <= 302


def test_a_cause_is_told_only_where_no_other_has_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(c for c in CASES if c.function == "lstm" and c.name.startswith("gradients"))
    inputs, expected = EXAM.question(case, 0)
    reply = Reply(True, run_drive(case.drive, load("12_lstm_tanh_of_the_product"), inputs))
    assert verdict(case, inputs, reply, expected).message.endswith(told("12_lstm_tanh_of_the_product"))

    monkeypatch.setattr(case_module, "mistakes_in", lambda lesson, function: ("one", "another"))
    monkeypatch.setattr(case_module, "load", lambda mistake: load("12_lstm_tanh_of_the_product"))
    monkeypatch.setattr(case_module, "told", lambda mistake: mistake)

    assert "numbers are wrong" in verdict(case, inputs, reply, expected).message


BY_AUTOGRAD = """
from mxnet import nd, autograd, gluon
from mxnet.autograd import record
from d2lrnn import cross_entropy, rnn

def bptt(inputs, label, state, params):
    for param in params:
        param.attach_grad()
    with record():
        outputs, _ = rnn(inputs, state, params)
        loss = cross_entropy(nd.concat(*outputs, dim=0), label.T.reshape(-1))
    {backward}
    return loss, [param.grad for param in params]
"""


@pytest.mark.parametrize("backward", ["loss.backward()", "autograd.backward([loss])"])
def test_work_by_hand_is_not_done_by_autograd_under_another_name(backward: str) -> None:
    cases = [case for case in CASES if case.function == "bptt"]
    source = BY_AUTOGRAD.format(backward=backward)

    found = [verdict(c, c.example, answer(source, c, c.example), EXAM.question(c, 0)[1]) for c in cases]

    assert [v.ok for v in found] == [True, True, False]
    assert "autograd was asked" in found[2].message


def test_a_question_shows_its_inputs_rounded_and_the_long_ones_cut() -> None:
    case = next(case for case in CASES if case.function == "data_iter_random" and "once" in case.name)

    assert question(case, {"x": np.float32([[0.1, 2]]), "sampler": case.function}) == (
        "data_iter_random with x = [[0.1, 2.0]]"
    )
    assert len(question(case, {"corpus": list(range(1000))})) < 110


# In a worker


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS)
def test_a_worker_gives_our_own_lessons_full_marks_and_an_empty_file_none(lesson: int, jail: Jail) -> None:
    cases = [case for case in CASES if case.lesson == lesson]
    source = reference(CHAPTERS[lesson][0])

    def ask(source: str, case: Case) -> Reply:
        return jail.ask(Call(source, case.driver, case.example, *support(case.function), case.seconds))

    for case in cases:
        assert verdict(case, case.example, ask(source, case), EXAM.question(case, 0)[1]) == Verdict(True)
    assert verdict(case, case.example, ask("", case), None) == Verdict(False, "not written yet")
