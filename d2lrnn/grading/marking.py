"""One submission and all cases become marks: what `check` shows a student, and `grade` turns into points.

The submission itself is only ever handed to the jail. Each case is asked with its public example. Once all
that a student will read is decided, and if there is a seed, hidden inputs drawn from it are asked: of these,
one bit a case comes out. What comes back is judged here.
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
from difflib import get_close_matches
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from .. import LESSON_OF
from ..cli import one_line
from . import cutting, drivers, sandbox
from .case import Case, Verdict, brief, doing, fault_of, verdict
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
# How often a function, and a submission, may fail to answer in time: a class does not wait for one student.
# (The note that more was not asked tells a student that some question, perhaps a hidden one, timed out.)
WAITS_OF_A_FUNCTION, WAITS = 3, 6
_exam: Exam  # of a process that makes answers
ALIKE = 0.85  # how alike two names must be for one to be meant by the other
NOT_WRITTEN = "not written yet"
WITH_OWN = "with your own versions of earlier functions"
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
    own: bool = False  # the example is right with the student's own versions of earlier functions only

    @property
    def right(self) -> bool:
        """Whether every question was answered correctly."""
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
    """The cases, with inputs and right answers made once for a whole class. seed None: examples only.

    attempt: of the submissions, from 1; another attempt gets other hidden inputs, the same one the same.
    """

    cases: Sequence[Case]
    seed: int | None = None
    attempt: int = 1
    _answers: dict[tuple[str, int], tuple[dict, Any]] = field(default_factory=dict)
    _coming: dict[tuple[str, int], Future] = field(default_factory=dict)
    _little: dict[str, bool] = field(default_factory=dict)
    _others: dict[int, Exam] = field(default_factory=dict)

    def of(self, attempt: int) -> Exam:
        """The same cases with the hidden inputs of another attempt."""
        if attempt == self.attempt:
            return self
        return self._others.setdefault(attempt, Exam(self.cases, self.seed, attempt))

    def inputs(self, case: Case, k: int) -> dict[str, Any]:
        """The k-th inputs of a case: 0 is the public example, the others follow from seed and attempt."""
        if k == 0:
            return case.example
        assert self.seed is not None
        drawn = [self.seed, zlib.crc32(str(case).encode()), k, self.attempt]
        return case.draw(np.random.default_rng(drawn))

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
        """Whether a function that does nothing answers the example correctly."""
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
        """While this is open, other processes compute the answers; a question waits only for its own."""
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
    """In a process that makes answers: a terminal's signals are left to the parent."""
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


@dataclass(frozen=True)
class Shown:
    """All that a student will read, but for one bit a case: whether it is right for hidden inputs, too.

    submission: as it is asked, without what was cut out of it. marks: an outcome's hidden is False as yet.
    """

    submission: Submission
    marks: Marks


def mark(submission: Submission, exam: Exam, jail: Asked) -> Marks:
    """Ask a submission everything. The same submission and the same exam give the same outcomes."""
    return ask_hidden(ask_examples(submission, exam, jail), exam, jail)


def ask_examples(submission: Submission, exam: Exam, jail: Asked) -> Shown:
    """Load a submission and ask it the examples. No hidden input is asked, or even drawn, in here."""
    return _Examples(submission, exam, jail).shown()


def ask_hidden(shown: Shown, exam: Exam, jail: Asked) -> Marks:
    """Ask the hidden inputs of each case whose example is right: one bit a case is added, and suspicions.

    The processes that have answered the examples have ended. How many hidden inputs one process gets makes no
    difference to what comes out: a bit a case.
    """
    return _Hidden(shown, exam, jail).marks()


class _Asking:
    """Questions to one submission, and what they cost and show.

    A function is asked with our versions of what comes before it in place of the submission's own, so that a
    mistake there does not spoil it; or, own=True, with the submission's, for which it may have been written.
    """

    def __init__(self, submission: Submission, exam: Exam, jail: Asked) -> None:
        self.submission, self.exam, self.jail = submission, exam, jail
        self.own = submission.defined
        self.suspicions: list[Suspicion] = []
        self.waits = 0  # how often it did not answer in time

    def _has_own(self, function: str) -> bool:
        """Whether own=True is another question than own=False."""
        return not self.own.isdisjoint(support(function)[1])

    def _call(self, function: str, driver: str, inputs: dict[str, Any], seconds: float, own: bool) -> Call:
        text, lent = support(function)
        if own:
            lent = tuple(name for name in lent if name not in self.own)
        return Call(self.submission.source, driver, inputs, text, lent, seconds)

    def _at_once(self, cases: Sequence[Case], ks: Sequence[int], *, own: bool) -> list[Any]:
        """Ask a function the k-th inputs of all its cases in one call, which is several times faster.

        The answers of each case, None if there are none. Only what is right, or not written, is settled by
        this: any other is asked again alone, since one that went wrong may have spoilt those after it.
        """
        nothing = [None] * len(cases)
        if self.waits >= WAITS or not cases:
            return nothing
        questions = [[case.driver, [self.exam.question(case, k)[0] for k in ks]] for case in cases]
        function, seconds = cases[0].function, max(case.seconds for case in cases)
        driver, inputs = program(drivers.all_answers), {"questions": questions}
        try:
            reply = self._ask(self._call(function, driver, inputs, seconds, own), function, "")
        except WireError:  # too much for one question
            return nothing
        good = reply.ok and isinstance(reply.value, list) and len(reply.value) == len(cases)
        return reply.value if good else nothing

    def _are_right(self, case: Case, ks: Sequence[int], answers: Any) -> bool:
        if not isinstance(answers, list) or len(answers) != len(ks):
            return False
        return all(self.exam.is_right(case, k, answer) for k, answer in zip(ks, answers))

    def _alone(self, case: Case, k: int, *, own: bool) -> tuple[Verdict, str]:
        """The verdict on the answer to the k-th inputs of a case, and the stage where there is none."""
        inputs, expected = self.exam.question(case, k)
        call = self._call(case.function, case.driver, inputs, case.seconds, own)
        reply = self._ask(call, case.function, case.name)
        return verdict(case, inputs, reply, expected), "" if reply.ok else reply.stage

    def _not_asked(self, function: str, before: int) -> str:
        """Why a function is not asked any more, or nothing. before: the waits before its first question."""
        if self.waits >= WAITS:
            return f"not asked: {WAITS} questions had no answer in time"
        if self.waits - before >= WAITS_OF_A_FUNCTION:
            return f"not asked: {function} had no answer in time too often"
        return ""

    def _ask(self, call: Call, function: str, case: str) -> Reply:
        reply = self.jail.ask(call)
        if case:  # one question, and not all of a function at once: that may take long
            self.waits += reply.stage in ("time", "memory", "output")
        found = list(reply.suspicions)
        if case and reply.stage in ("died", "wire", "memory", "output"):
            found.append(f"ended as «{reply.stage}»")
        for what in found:
            self._suspect(function, case, what)
        error = brief(
            re.sub(r" \(submission\.py, line \d+\)$", "", reply.error)
        )  # a SyntaxError says it, too
        if reply.line is None:
            return replace(reply, error=error)
        return replace(reply, line=None, error=f"{error} ({self.submission.place(reply.line)})")

    def _suspect(self, function: str, case: str, what: str) -> None:
        """Keep it, once a function."""
        what = one_line(what, 300)
        if not any((old.function, old.what) == (function, what) for old in self.suspicions):
            self.suspicions.append(Suspicion(function, case, what))


class _Examples(_Asking):
    def __init__(self, submission: Submission, exam: Exam, jail: Asked) -> None:
        super().__init__(submission, exam, jail)
        self.digest = submission.digest
        self.notes = [submission.note] if submission.note else []
        self.defined: set[str] = set()  # the graded names that are there

    def shown(self) -> Shown:
        status, problem = "unreadable", self.submission.problem
        if not problem:
            problem = self._load()
            status = "error" if problem else "graded"
        if problem:
            outcomes = [self._without_asking(case, problem) for case in self.exam.cases]
        else:
            outcomes = list(self._outcomes())
            self.notes += self._nearly_there({o.function for o in outcomes} - self.defined)
            own = dict.fromkeys(outcome.function for outcome in outcomes if outcome.own)
            if own:
                self.notes.append(f"graded as {', '.join(own)} need: {WITH_OWN}")
        marks = Marks(
            submission=self.submission.name,
            file=self.submission.file,
            status=status,
            outcomes=tuple(outcomes),
            note=one_line("; ".join(filter(None, [problem, *self.notes])), 1000),
            digest=self.digest,
            suspicions=tuple(self.suspicions),
            tier=self.jail.tier,
            lacking=tuple(self.jail.lacking),
        )
        return Shown(self.submission, marks)

    def _load(self) -> str:
        """Why the submission cannot be run at all, or nothing."""
        self._cut()
        names = list(by_function(self.exam.cases))
        reply = self._ask(Call(self.submission.source, program(drivers.defined), {"names": names}), "", "")
        if reply.ok and isinstance(reply.value, list):
            self.defined = {name for name in reply.value if isinstance(name, str)}
        return "" if reply.ok else _cannot_run(reply)

    def _cut(self) -> None:
        """Leave out what defines nothing, and what fails; if it cannot be run at all, then by its looks."""
        texts, graded = [cell.text for cell in self.submission.cells], list(LESSON_OF)
        text, _ = support(graded[-1])
        for run in (True, False):
            inputs = {"cells": texts, "graded": graded, "run": run}
            try:
                reply = self.jail.ask(Call("", program(cutting.cuts), inputs, text))
            except WireError:  # too many cells
                return
            if reply.ok and isinstance(reply.value, list) and len(reply.value) == len(texts):
                break
        else:
            return
        found = [cutting.cuts_in(value, text) for value, text in zip(reply.value, texts)]
        if self.submission.cells[0].number == 0 and cutting.is_everything(found[0], texts[0]):
            return  # a file that cannot be parsed: the error says more
        self.notes += map(one_line, cutting.told(self.submission.cells, found))
        pairs = zip(self.submission.cells, found)
        cells = tuple(Cell(cell.number, cutting.without(cell.text, cuts)) for cell, cuts in pairs)
        self.submission = replace(self.submission, cells=cells)
        self.own = self.submission.defined

    def _nearly_there(self, missing: Iterable[str]) -> Iterator[str]:
        """For a function that is missing: a name that differs little, or one that is not at the top."""
        top, inner = (
            set(re.findall(rf"^{indent}(?:def|class) (\w+)", self.submission.source, re.M))
            for indent in ("", "[ \t]+")
        )
        for name in sorted(missing, key=[*LESSON_OF].index):
            if name in inner:
                yield f"{name} is inside of something else: define it at the beginning of a line"
            elif close := get_close_matches(name, top - LESSON_OF.keys(), 1, ALIKE):
                yield f"{name} is not there, but {close[0]} is: is it this?"
        if not self.defined:
            yield "no function that is graded is there"

    def _outcomes(self) -> Iterator[Outcome]:
        for function, cases in by_function(self.exam.cases).items():
            if function in self.defined:
                yield from self._outcomes_of(function, cases)
            else:
                yield from (self._without_asking(case, NOT_WRITTEN, missing=True) for case in cases)

    def _outcomes_of(self, function: str, cases: Sequence[Case]) -> Iterator[Outcome]:
        """Whichever is better, with our versions of earlier functions or with the submission's own."""
        before, has_own = self.waits, self._has_own(function)
        ours = self._at_once(cases, [0], own=False)
        left = [case for case, answers in zip(cases, ours) if not self._are_right(case, [0], answers)]
        is_asked = has_own and any(answers is not None for answers in ours)
        theirs = self._at_once(left if is_asked else [], [0], own=True)
        right_with_own = {
            case.name for case, answers in zip(left, theirs) if self._are_right(case, [0], answers)
        }
        for case, answers in zip(cases, ours):
            if isinstance(answers, str) and answers == "missing":
                yield self._without_asking(case, NOT_WRITTEN, missing=True)
            elif self._are_right(case, [0], answers):
                yield self._outcome(case, Verdict(True))
            elif case.name in right_with_own:
                yield self._outcome(case, Verdict(True), own=True)
            elif why := self._not_asked(function, before):
                yield self._without_asking(case, why)
            else:
                yield self._asked_alone(case, has_own)

    def _asked_alone(self, case: Case, has_own: bool) -> Outcome:
        found, stage = self._alone(case, 0, own=False)
        if found.ok or not has_own or stage not in ("", "call"):
            return self._outcome(case, found, missing=stage == "missing")
        with_own, own_stage = self._alone(case, 0, own=True)
        if with_own.ok or (stage == "call" and own_stage in ("", "call") and with_own != found):
            # where ours do not fit what the function expects, its error would be about ours
            message = with_own.message and f"{with_own.message} ({WITH_OWN}, since ours cause an error)"
            return self._outcome(case, Verdict(with_own.ok, message), own=with_own.ok)
        return self._outcome(case, found)

    def _outcome(self, case: Case, found: Verdict, *, missing: bool = False, own: bool = False) -> Outcome:
        hidden = False if self.exam.num_hidden else None
        return Outcome(case.function, case.name, case.lesson, found.ok, hidden, found.message, missing, own)

    def _without_asking(self, case: Case, message: str, *, missing: bool = False) -> Outcome:
        return self._outcome(case, Verdict(False, message), missing=missing)


class _Hidden(_Asking):
    def __init__(self, shown: Shown, exam: Exam, jail: Asked) -> None:
        super().__init__(shown.submission, exam, jail)
        self.shown = shown.marks
        self.suspicions = list(shown.marks.suspicions)
        self.ks = range(1, exam.num_hidden + 1)

    def marks(self) -> Marks:
        outcomes: list[Outcome] = []
        shown = by_function(self.shown.outcomes)
        for function, cases in by_function(self.exam.cases).items():
            outcomes += self._proved(cases, self._outcomes_of(function, cases, shown[function]))
        self._suspect_tables(outcomes)
        return replace(self.shown, outcomes=tuple(outcomes), suspicions=tuple(self.suspicions))

    def _outcomes_of(self, function: str, cases: Sequence[Case], shown: Sequence[Outcome]) -> list[Outcome]:
        """As they were shown, with the bit of each case whose example is right."""
        if not self.ks:
            return list(shown)
        before, bits = self.waits, dict.fromkeys((case.name for case in cases), False)
        for own in (False, True):
            asked = [case for case, outcome in zip(cases, shown) if outcome.example and outcome.own == own]
            for case, answers in zip(asked, self._at_once(asked, self.ks, own=own)):
                bits[case.name] = self._are_right(case, self.ks, answers) or self._are_right_alone(
                    case, before, own
                )
        return [replace(outcome, hidden=bits[outcome.case]) for outcome in shown]

    def _are_right_alone(self, case: Case, before: int, own: bool) -> bool:
        """Ask until one answer is wrong; first as the example was right, then the other way."""
        return any(
            not self._not_asked(case.function, before)
            and all(self._alone(case, k, own=way)[0].ok for k in self.ks)
            for way in (own, not own)
            if way == own or self._has_own(case.function)
        )

    def _proved(self, cases: Sequence[Case], outcomes: list[Outcome]) -> list[Outcome]:
        """If no telling case is right, the less telling ones do not count in full.

        Otherwise a list of answers to the examples, or a function that does nothing, would score. This
        follows from the bits: it shows a student nothing that they do not show.
        """
        if len({outcome.right for outcome in outcomes}) == 1:
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

    def _suspect_tables(self, outcomes: Iterable[Outcome]) -> None:
        """Right for all examples, which are public, but for no hidden case: a list of answers?"""
        for function, asked in by_function(outcomes).items():
            if all(outcome.example and outcome.hidden is False for outcome in asked):
                self._suspect(function, "", f"right for all {len(asked)} examples, wrong for hidden inputs")


def _cannot_run(reply: Reply) -> str:
    what = {
        "import": reply.error,
        "time": f"{reply.error}; put what is not a definition under if __name__ == '__main__'",
        "memory": "it asks for more memory than a submission may use",
        "died": "the process ended while it was run",
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
        """The highest possible score."""
        return round(sum(self.worth(outcome) for outcome in outcomes), 6)


def read_toml(path: Path) -> dict[str, Any]:
    """What a .toml file holds.

    Raises:
        ValueError: it is no TOML.
        OSError: it cannot be read.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: no TOML ({error})") from None


def read_points(path: Path, cases: Iterable[Case]) -> Points:
    """The points of cases from a .toml file: a table for every function, a line for every case (default 1).

    Raises:
        ValueError: it is no TOML, names what is not there, or a value is not a number from 0 up.
        OSError: it cannot be read.
    """
    tables = read_toml(path)
    public = _number(path, "public", tables.pop("public", 0.3), 1)
    tables.pop("late", None)  # which policy.read_policy reads
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
