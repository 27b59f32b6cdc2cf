"""Ask a submission that we wrote ourselves, without a worker: what tests of cases do, many times a second."""

import random
import sys
import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from types import ModuleType

from d2lrnn import CHAPTERS
from d2lrnn.grading import pool
from d2lrnn.grading.case import Case, Verdict, plain, verdict
from d2lrnn.grading.cases import CASES
from d2lrnn.grading.jail import Call, Reply
from d2lrnn.grading.lent_code import NEVER_LENT, source_of, support
from d2lrnn.grading.marking import Exam, Shown

import mxnet as mx
import numpy as np
import pytest

ALL = [(lesson, name) for lesson, names in CHAPTERS.values() for name in names.split()]
EXAM = Exam(CASES, 1)  # which makes each right answer once, for all tests


@cache
def reference(lesson: str) -> str:
    """A lesson of ours, and those before it, as one file."""
    lessons = [of for of, _ in CHAPTERS.values()]
    earlier = lessons[: lessons.index(lesson)]
    text = source_of(
        (of, name) for of, name in ALL if of == lesson or (of in earlier and name not in NEVER_LENT)
    )
    return text.replace("Path(__file__)", 'Path("corpora.py")')  # a submission has no file


@cache
def _code(text: str):
    return compile(text, "<text>", "exec", dont_inherit=True)


def _namespace(text: str) -> dict:
    module = sys.modules["submission"] = ModuleType("submission")  # where dataclasses look
    exec(_code(text), vars(module))
    return vars(module)


class OpenJail:
    """Answers as a worker would, in this process: for submissions that we wrote ourselves."""

    tier, lacking = "none", ()

    def ask(self, call: Call) -> Reply:
        """What came of the call, without line or console."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as in a worker
            try:
                return Reply(True, _value(call))
            except (Missing, NotImplementedError) as error:
                return Reply(False, stage="missing", error=str(error))
            except Exception as error:
                return Reply(False, stage="call", error=f"{type(error).__name__}: {error}")


def _value(call: Call):
    names, ours = _namespace(call.source), _namespace(call.support)
    names.update({name: ours[name] for name in call.lent})
    mx.random.seed(1)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    return plain(_namespace(call.driver)["drive"](_Subject(names), **deepcopy(call.inputs)))


def answer(source: str, case: Case, inputs: dict) -> Reply:
    """What a worker would reply to one question of a case."""
    return OpenJail().ask(Call(source, case.driver, inputs, *support(case.function)))


class Missing(Exception):
    """As a worker's: no NotImplementedError, which a driver may meet elsewhere."""


class _Subject:
    def __init__(self, names: dict) -> None:
        self.__dict__ = names

    def __getattr__(self, name: str):
        raise Missing(name)


def verdicts(source: str, case: Case) -> list[Verdict]:
    """The verdicts on the public example and on hidden inputs."""
    asked = [EXAM.question(case, k) for k in range(EXAM.num_hidden + 1)]
    return [verdict(case, inputs, answer(source, case, inputs), expected) for inputs, expected in asked]


def asking_with(jail: object) -> Callable[..., Iterator[tuple[int, Shown]]]:
    """What stands in for Pool.ask: it asks one after another, here, with this jail."""
    return lambda self, ask, things: (
        (i, pool._answered(ask, one, self.exam, jail)) for i, one in enumerate(things)
    )


def lessons(*numbers: int) -> str:
    """Our own code of these lessons, as a student would hand it in."""
    return source_of((CHAPTERS[n][0], name) for n in numbers for name in CHAPTERS[n][1].split())


def refusal(main: Callable[..., int], arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command says to a mistake of its user: one line after its name, with exit code 2."""
    try:
        code = main(arguments)
    except SystemExit as exit_:
        code = exit_.code
    (line,) = capsys.readouterr().err.splitlines()
    assert code == 2
    return line.partition(": ")[2]
