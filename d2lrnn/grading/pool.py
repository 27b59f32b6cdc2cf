"""The processes that ask the submissions of a class, each with a jail of its own; none ever imports one.

What goes wrong with one submission, up to a process that is killed, costs no other one anything.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.util
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import cache
from typing import NoReturn

from ..cli import one_line
from . import drivers, sandbox
from .jail import Call, Jail, JailError
from .lent_code import program
from .marking import Exam, Marks, Outcome, Shown, ask_examples, ask_hidden
from .outcomes import FAILED
from .submissions import Submission

Ask = Callable[[Shown, Exam, Jail], Shown]

# of a process of the pool: what it asks with, and what it closes at its end
_work: tuple[Exam, str]
_end = contextlib.ExitStack()


def begun(submission: Submission, exam: Exam) -> Shown:
    """A submission that has not been run yet."""
    return Shown(submission, _without_points(submission, exam, "not asked yet", ""))


def examples(shown: Shown, exam: Exam, jail: Jail) -> Shown:
    """The outcome of the examples."""
    return ask_examples(shown.submission, exam.of(shown.submission.attempt), jail)


def hidden(shown: Shown, exam: Exam, jail: Jail) -> Shown:
    """The outcome of the hidden inputs as well: those of the attempt."""
    marks = ask_hidden(shown, exam.of(shown.submission.attempt), jail)
    return replace(shown, marks=marks)


class Pool:
    """While it is open, it asks submissions: here, where jobs is 1, or in so many processes.

    attempts: numbers of those whose hidden inputs may be asked.

    Raises:
        JailError: this machine cannot isolate as it should.
    """

    def __init__(self, exam: Exam, isolation: str, jobs: int, attempts: set[int]) -> None:
        self.exam, self.isolation, self.jobs = exam, isolation, jobs
        self.attempts = attempts

    def __enter__(self) -> Pool:
        sandbox.keep_private()  # the hidden questions are in here
        with contextlib.ExitStack() as begun_here:
            for attempt in sorted(self.attempts):
                if self.jobs == 1:
                    begun_here.enter_context(self.exam.of(attempt).made_ahead())
                else:
                    self.exam.of(attempt).prepare(self.jobs)  # before the fork, so that it is done once
            if self.jobs == 1:
                self.jail = begun_here.enter_context(Jail(self.isolation))
            self.open = begun_here.pop_all()  # all is well
        return self

    def __exit__(self, *_: object) -> None:
        self.open.close()

    def ask(self, ask: Ask, things: Sequence[Shown]) -> Iterator[tuple[int, Shown]]:
        """The number of each with what came of it, as they get ready."""
        if self.jobs == 1:
            yield from ((i, _answered(ask, one, self.exam, self.jail)) for i, one in enumerate(things))
            return
        left = list(range(len(things)))
        while left:
            try:
                for i, answer in self._ask_in_pool(ask, things, left, self.jobs):
                    left.remove(i)
                    yield i, answer
            except BrokenProcessPool:  # by one of those that were begun, and these are the first ones
                suspects, left = left[: 2 * self.jobs + 1], left[2 * self.jobs + 1 :]
                yield from self._ask_one_by_one(ask, things, suspects)

    def _ask_in_pool(
        self, ask: Ask, things: Sequence[Shown], numbers: Sequence[int], jobs: int
    ) -> Iterator[tuple[int, Shown]]:
        context, work = multiprocessing.get_context("fork"), (self.exam, self.isolation)
        with ProcessPoolExecutor(jobs, context, _begin_worker, work) as pool:
            futures = {pool.submit(_ask_here, ask, things[i]): i for i in numbers}
            try:
                yield from ((futures[future], future.result()) for future in as_completed(futures))
            except BaseException:  # Ctrl-C: do not wait for what is being graded
                for process in multiprocessing.active_children():
                    process.terminate()
                pool.shutdown(cancel_futures=True)
                raise

    def _ask_one_by_one(
        self, ask: Ask, things: Sequence[Shown], numbers: Sequence[int]
    ) -> Iterator[tuple[int, Shown]]:
        """Which of them kills a process is seen where each has the pool for itself."""
        for i in numbers:
            try:
                yield from self._ask_in_pool(ask, things, [i], 1)
            except BrokenProcessPool:
                yield i, _failed(things[i], self.exam, "the process that graded it was killed")


def _answered(ask: Ask, one: Shown, exam: Exam, jail: Jail) -> Shown:
    try:
        return ask(one, exam, jail)
    except JailError as error:
        if not _is_well(jail):
            raise
        return _failed(one, exam, str(error))
    except Exception as error:  # of ours: the submission is named, and the others get their grades
        return _failed(one, exam, f"{type(error).__name__}: {error}")


def _is_well(jail: Jail) -> bool:
    """Whether a jail still answers: then it was the submission that it could not take."""
    try:
        return jail.ask(Call("", program(drivers.defined), {"names": []})).ok
    except JailError:
        return False


def _failed(one: Shown, exam: Exam, why: str) -> Shown:
    """No points, and the reason; the same command tries again."""
    problem = one_line(f"could not be graded ({why}): grade it again, or by hand", 300)
    return replace(one, marks=_without_points(one.submission, exam, problem, FAILED))


def _without_points(submission: Submission, exam: Exam, problem: str, status: str) -> Marks:
    bit = None if exam.seed is None else False
    outcomes = tuple(Outcome(c.function, c.name, c.lesson, False, bit, problem) for c in exam.cases)
    return Marks(submission.name, submission.file, status, outcomes, problem, submission.digest)


def _begin_worker(exam: Exam, isolation: str) -> None:
    """In a process of the pool: a terminal's signals are left to the parent, which sends SIGTERM."""
    global _work
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    _work = exam, isolation
    multiprocessing.util.Finalize(None, _end.close, exitpriority=1)


def _leave(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a pool that ends says it twice
    raise SystemExit


def _ask_here(ask: Ask, one: Shown) -> Shown:
    exam, isolation = _work
    try:
        return _answered(ask, one, exam, _own_jail(isolation))
    except SystemExit:  # the pool would take it for the result; and in the handler itself a lock may be held
        _end.close()
        os._exit(0)


@cache
def _own_jail(isolation: str) -> Jail:
    return _end.enter_context(Jail(isolation))
