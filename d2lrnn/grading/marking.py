"""One submission and all cases become marks: what `check` shows a student, and `grade` turns into points.

The submission itself is only ever handed to the jail. A case is asked with its public example and, where
there is a seed, with hidden inputs drawn from it; what comes back is judged here.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from ..cli import one_line
from . import drivers, sandbox
from .case import Case, Verdict, doing, fault_of, verdict
from .jail import Call, Reply
from .lent_code import program, support
from .submissions import Cell, Submission
from .wire import WireError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

POINTS_FILE = Path(__file__).with_name("points.toml")
HIDDEN_DRAWS = 2  # a case
# So often may a function, and a submission, fail to answer in time: a class does not wait for one student.
# (The note that more was not asked tells a student that some question, perhaps a hidden one, timed out.)
WAITS_OF_A_FUNCTION, WAITS = 3, 6
_exam: Exam  # of a process that makes answers
NOT_WRITTEN = "not written yet"
NOTHING_DONE = "a function that does nothing is right here, too: this counts once another case is right"
SAME_ANSWER = "the right answer is the same for all inputs: the rest counts once another case is right"


@dataclass(frozen=True)
class Outcome:
    """What came of one case. hidden: None where it was not asked with hidden inputs."""

    function: str
    case: str
    lesson: int
    example: bool
    hidden: bool | None
    message: str = ""  # about the example: it may be shown; nothing is ever said about hidden inputs
    missing: bool = False  # the function is not written yet

    @property
    def right(self) -> bool:
        """Whether all that was asked was answered rightly."""
        return self.example and self.hidden is not False


@dataclass(frozen=True)
class Suspicion:
    """What an instructor may want to look at; case is empty where it is about the whole function."""

    function: str
    case: str
    what: str


@dataclass(frozen=True)
class Marks:
    """What came of one submission. status: "graded", "error" (it cannot be run) or "unreadable"."""

    submission: str
    file: str
    status: str
    outcomes: tuple[Outcome, ...]
    note: str = ""
    digest: str = ""  # of its text
    suspicions: tuple[Suspicion, ...] = ()
    tier: str = ""
    lacking: tuple[str, ...] = ()


OfFunction = TypeVar("OfFunction", Case, Outcome)


@dataclass
class Exam:
    """The cases, with inputs and right answers made once for a whole class. seed None: examples only."""

    cases: Sequence[Case]
    seed: int | None = None
    _answers: dict[tuple[str, int], tuple[dict, Any]] = field(default_factory=dict)
    _coming: dict[tuple[str, int], Future] = field(default_factory=dict)
    _little: dict[str, bool] = field(default_factory=dict)

    def inputs(self, case: Case, k: int) -> dict[str, Any]:
        """The k-th inputs of a case: 0 is the public example, the others depend on nothing but the seed."""
        if k == 0:
            return case.example
        assert self.seed is not None
        return case.draw(np.random.default_rng([self.seed, zlib.crc32(str(case).encode()), k]))

    def question(self, case: Case, k: int) -> tuple[dict[str, Any], Any]:
        """The k-th inputs of a case and the right answer to them."""
        key = str(case), k
        if key not in self._answers:
            inputs, coming = self.inputs(case, k), self._coming.pop(key, None)
            self._answers[key] = inputs, coming.result() if coming else case.expected(inputs)
        return self._answers[key]

    @property
    def num_hidden(self) -> int:
        """How many hidden questions a case has."""
        return 0 if self.seed is None else HIDDEN_DRAWS

    def is_right(self, case: Case, k: int, answer: Any) -> bool:
        """Whether this is a right answer to the k-th inputs of a case."""
        inputs, expected = self.question(case, k)
        return fault_of(case, inputs, answer, expected) is None

    def asks_nothing(self, case: Case) -> bool:
        """Whether a function that does nothing answers the example rightly."""
        try:
            answer = doing(case.drive, **{case.function: lambda *args, **options: None})(case.example)
        except Exception:
            return False
        return self.is_right(case, 0, answer)

    def asks_little(self, case: Case) -> bool:
        """Whether doing nothing is right, or, for the hidden inputs, the right answer to the example."""
        if str(case) not in self._little:
            self._little[str(case)] = self.asks_nothing(case) or self._repeats_itself(case)
        return self._little[str(case)]

    def _repeats_itself(self, case: Case) -> bool:
        if not self.num_hidden:
            return False
        answer = doing(case.drive)(case.example)
        return all(self.is_right(case, k, answer) for k in range(1, self.num_hidden + 1))

    def pairs(self) -> Iterator[tuple[Case, int]]:
        """Every case with the numbers of its inputs, in order."""
        return ((case, k) for case in self.cases for k in range(self.num_hidden + 1))

    @contextlib.contextmanager
    def made_ahead(self, jobs: int = 1) -> Iterator[None]:
        """While this is open, other processes make the answers, in order; a question waits for its own."""
        with ProcessPoolExecutor(jobs, get_context("fork"), _begin_making, (self,)) as pool:
            try:
                for i, case in enumerate(self.cases):
                    for k in range(self.num_hidden + 1):
                        self._coming[str(case), k] = pool.submit(_answer, i, k)
                yield
            finally:
                self._coming.clear()
                pool.shutdown(cancel_futures=True)

    def prepare(self, jobs: int) -> None:
        """Have all answers now, before the first submission."""
        with self.made_ahead(jobs):
            for case, k in self.pairs():
                self.question(case, k)


def _begin_making(exam: Exam) -> None:
    """In a process that makes answers: a terminal's signals are the affair of the one that asked for them."""
    global _exam
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sandbox.end_with_parent()
    sandbox.keep_private()
    _exam = exam


def _answer(i: int, k: int) -> Any:
    """In such a process: the right answer to case i, which came with the fork, for the k-th inputs."""
    case = _exam.cases[i]
    return case.expected(_exam.inputs(case, k))


def by_function(items: Iterable[OfFunction]) -> dict[str, list[OfFunction]]:
    """Cases or outcomes of every function, in order."""
    groups: dict[str, list[OfFunction]] = {}
    for item in items:
        groups.setdefault(item.function, []).append(item)
    return groups


class Asked(Protocol):
    """What puts a question to a submission: a jail, or what stands in for one."""

    tier: str
    lacking: tuple[str, ...]

    def ask(self, call: Call) -> Reply:
        """Whatever the submission does, there is a reply."""


def mark(submission: Submission, exam: Exam, jail: Asked) -> Marks:
    """Ask a submission everything. The same submission and the same seed give the same outcomes."""
    return _Marking(submission, exam, jail).marks()


class _Marking:
    def __init__(self, submission: Submission, exam: Exam, jail: Asked) -> None:
        self.submission, self.exam, self.jail = submission, exam, jail
        self.digest = submission.digest
        self.suspicions: list[Suspicion] = []
        self.notes = [submission.note] if submission.note else []
        self.waits = 0  # how often it did not answer in time
        self.defined: set[str] = set()  # the graded names that are there

    def marks(self) -> Marks:
        status, problem = "unreadable", self.submission.problem
        if not problem:
            problem = self._load()
            status = "error" if problem else "graded"
        if problem:
            outcomes = [self._without_asking(case, problem) for case in self.exam.cases]
        else:
            outcomes = list(self._outcomes())
            self._suspect_tables(outcomes)
        return Marks(
            submission=self.submission.name,
            file=self.submission.file,
            status=status,
            outcomes=tuple(outcomes),
            note=one_line("; ".join(filter(None, [problem, *self.notes])), 500),
            digest=self.digest,
            suspicions=tuple(self.suspicions),
            tier=self.jail.tier,
            lacking=tuple(self.jail.lacking),
        )

    def _load(self) -> str:
        """Why the submission cannot be run at all, or nothing. Cells of a notebook that fail are dropped."""
        if len(self.submission.cells) > 1:
            texts = [cell.text for cell in self.submission.cells]
            reply = self.jail.ask(Call("", program(drivers.errors_of_cells), {"cells": texts}))
            if reply.ok and isinstance(reply.value, list) and len(reply.value) == len(texts):
                self._leave_out(reply.value)
        names = list(by_function(self.exam.cases))
        reply = self._ask(Call(self.submission.source, program(drivers.defined), {"names": names}), "", "")
        if reply.ok and isinstance(reply.value, list):
            self.defined = {name for name in reply.value if isinstance(name, str)}
        return "" if reply.ok else _cannot_run(reply)

    def _leave_out(self, errors: list[Any]) -> None:
        kept: list[Cell] = []
        for cell, error in zip(self.submission.cells, errors):  # of cells that only try things out, no word
            if error and re.search(r"^(def|class) ", cell.text, re.M):
                self.notes.append(one_line(f"code cell {cell.number} is left out: {error}"))
            if not error:
                kept.append(cell)
        self.submission = replace(self.submission, cells=tuple(kept) or (Cell(1, "pass"),))

    def _outcomes(self) -> Iterator[Outcome]:
        for function, cases in by_function(self.exam.cases).items():
            if function in self.defined:
                yield from self._proved(cases, list(self._outcomes_of(function, cases)))
            else:
                yield from (self._without_asking(case, NOT_WRITTEN, missing=True) for case in cases)

    def _outcomes_of(self, function: str, cases: Sequence[Case]) -> Iterator[Outcome]:
        before = self.waits
        at_once = self._ask_at_once(cases) if self.waits < WAITS else [None] * len(cases)
        for case, known in zip(cases, at_once):
            if known:
                yield known
            elif self.waits >= WAITS:
                yield self._without_asking(case, f"not asked: {WAITS} questions had no answer in time")
            elif self.waits - before >= WAITS_OF_A_FUNCTION:
                yield self._without_asking(case, f"not asked: {function} had no answer in time too often")
            else:
                yield self._outcome(case)

    def _ask_at_once(self, cases: Sequence[Case]) -> list[Outcome | None]:
        """Ask a function all its questions in one call, which is several times faster.

        Only a case that is right throughout, or not written, is settled by this: any other is asked again
        alone, for its message, and because one that went wrong may have spoilt those after it.
        """
        ks = range(self.exam.num_hidden + 1)
        questions = [[case.driver, [self.exam.question(case, k)[0] for k in ks]] for case in cases]
        text, lent = support(cases[0].function)
        seconds = max(case.seconds for case in cases)
        driver, inputs = program(drivers.all_answers), {"questions": questions}
        call = Call(self.submission.source, driver, inputs, text, lent, seconds)
        try:
            reply = self._ask(call, cases[0].function, "")
        except WireError:  # too much for one question
            return [None] * len(cases)
        if not reply.ok or not isinstance(reply.value, list) or len(reply.value) != len(cases):
            return [None] * len(cases)
        return [self._settled(case, answers) for case, answers in zip(cases, reply.value)]

    def _settled(self, case: Case, answers: Any) -> Outcome | None:
        if isinstance(answers, str) and answers == "missing":
            return self._without_asking(case, NOT_WRITTEN, missing=True)
        if not isinstance(answers, list) or len(answers) != self.exam.num_hidden + 1:
            return None
        if not all(self.exam.is_right(case, k, answer) for k, answer in enumerate(answers)):
            return None
        return Outcome(case.function, case.name, case.lesson, True, True if self.exam.num_hidden else None)

    def _proved(self, cases: Sequence[Case], outcomes: list[Outcome]) -> list[Outcome]:
        """Where no case that shows something is right, those that show little do not count in full.

        Else a list of answers to the examples, or a function that does nothing, would have points.
        """
        if all(outcome.right for outcome in outcomes):
            return outcomes
        telling = [outcome for case, outcome in zip(cases, outcomes) if not self.exam.asks_little(case)]
        if not telling or any(outcome.right for outcome in telling):
            return outcomes
        return [self._unproved(case, o) if o.right else o for case, o in zip(cases, outcomes)]

    def _unproved(self, case: Case, outcome: Outcome) -> Outcome:
        hidden = None if outcome.hidden is None else False
        if self.exam.asks_nothing(case):
            return replace(outcome, example=False, hidden=hidden, message=NOTHING_DONE)
        return replace(outcome, hidden=hidden, message=SAME_ANSWER)

    def _without_asking(self, case: Case, message: str, *, missing: bool = False) -> Outcome:
        hidden = None if self.exam.seed is None else False
        return Outcome(case.function, case.name, case.lesson, False, hidden, message, missing)

    def _outcome(self, case: Case) -> Outcome:
        """Hidden questions are asked only where the example is right, and until one of them is not."""
        found, stage = self._answer(case, 0)
        hidden: bool | None = None
        if self.exam.num_hidden:
            hidden = found.ok and all(self._answer(case, k)[0].ok for k in range(1, self.exam.num_hidden + 1))
        return Outcome(
            function=case.function,
            case=case.name,
            lesson=case.lesson,
            example=found.ok,
            hidden=hidden,
            message=found.message,
            missing=stage == "missing",
        )

    def _answer(self, case: Case, k: int) -> tuple[Verdict, str]:
        inputs, expected = self.exam.question(case, k)
        text, lent = support(case.function)
        call = Call(self.submission.source, case.driver, inputs, text, lent, seconds=case.seconds)
        reply = self._ask(call, case.function, case.name)
        return verdict(case, inputs, reply, expected), "" if reply.ok else reply.stage

    def _ask(self, call: Call, function: str, case: str) -> Reply:
        reply = self.jail.ask(call)
        if case:  # one question, and not all of a function at once: that may take long
            self.waits += reply.stage in ("time", "memory", "output")
        found = list(reply.suspicions)
        if case and reply.stage in ("died", "wire", "memory", "output"):
            found.append(f"ended as «{reply.stage}»")
        self.suspicions += [
            Suspicion(function, case, one_line(what, 300))
            for what in found
            if not any((old.function, old.what) == (function, what) for old in self.suspicions)
        ]
        if reply.line is None:
            return reply
        error = re.sub(r" \(submission\.py, line \d+\)$", "", reply.error)  # a SyntaxError's own words
        return replace(reply, line=None, error=f"{error} ({self.submission.place(reply.line)})")

    def _suspect_tables(self, outcomes: Iterable[Outcome]) -> None:
        """Right for all examples, which everybody can read, but for no hidden case: a list of answers?"""
        for function, asked in by_function(outcomes).items():
            if all(outcome.example and outcome.hidden is False for outcome in asked):
                what = f"right for all {len(asked)} examples, wrong for hidden inputs"
                self.suspicions.append(Suspicion(function, "", what))


def _cannot_run(reply: Reply) -> str:
    what = {
        "import": reply.error,
        "time": "it never ends; put what is not a definition under if __name__ == '__main__'",
        "memory": "it asks for more memory than there is",
        "output": "it prints far too much",
        "died": "it ends the process",
    }.get(reply.stage, reply.error or reply.stage)
    return f"cannot be run: {what}"


# --- points ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Points:
    """What a case is worth. public: the share of it that is earned by the public example alone."""

    public: float
    of_case: dict[tuple[str, str], float]

    def earned(self, outcome: Outcome) -> float:
        """The points for what came of a case."""
        worth = self.of_case[outcome.function, outcome.case]
        if not outcome.example:
            return 0.0
        return worth if outcome.hidden else worth * self.public

    def worth(self, outcome: Outcome) -> float:
        """The points for a case without a fault."""
        return self.of_case[outcome.function, outcome.case]

    def score(self, outcomes: Iterable[Outcome]) -> float:
        """The sum, without the dust of floating point."""
        return round(sum(self.earned(outcome) for outcome in outcomes), 6)

    def max_score(self, outcomes: Iterable[Outcome]) -> float:
        """What could have been had."""
        return round(sum(self.worth(outcome) for outcome in outcomes), 6)


def read_points(path: Path, cases: Iterable[Case]) -> Points:
    """The points of cases from a .toml file: a table for every function, a line for every case (default 1).

    Raises:
        ValueError: it is no TOML, names what is not there, or a value is not a number from 0 up.
        OSError: it cannot be read.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: no TOML ({error})") from None
    public = _number(path, "public", tables.pop("public", 0.3), 1)
    known = {function: [case.name for case in group] for function, group in by_function(cases).items()}
    for function, table in tables.items():
        if function not in known:
            raise ValueError(f"{path}: [{function}] is not a graded function: give one of {', '.join(known)}")
        if not isinstance(table, dict):
            raise ValueError(f"{path}: {function} is not a table: write [{function}] above its cases")
        for name in table:
            if name not in known[function]:
                raise ValueError(
                    f"{path}: [{function}] has no case {name!r}; --write-points FILE shows them all"
                )
    values = {
        (function, name): _number(path, f"[{function}] {name!r}", tables.get(function, {}).get(name, 1))
        for function, names in known.items()
        for name in names
    }
    return Points(public, values)


def _number(path: Path, name: str, value: Any, largest: float = 1e6) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= largest:
        raise ValueError(f"{path}: {name} = {value!r}: give a number from 0 to {largest:g}")
    return float(value)


def write_points(points: Points, cases: Iterable[Case]) -> str:
    """A file that an instructor can edit and read_points can read."""
    lines = [
        "# Points of every case. `public`: the share that is earned when only the public example is right."
    ]
    lines += [f"public = {points.public:g}"]
    function = ""
    for case in cases:
        if case.function != function:
            function = case.function
            lines += ["", f"[{function}]  # lesson {case.lesson}"]
        lines.append(f"{json.dumps(case.name, ensure_ascii=False)} = {points.of_case[function, case.name]:g}")
    return "\n".join([*lines, ""])
