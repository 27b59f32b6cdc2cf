"""The processes that ask the submissions of a class, each with a jail of its own; none ever imports one.

What goes wrong with one submission, up to a process that is killed, costs no other one anything.
"""

from __future__ import annotations

import contextlib
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, NoReturn

from ..cli import one_line
from . import drivers, sandbox
from .jail import Call, Jail, JailError, forget_earlier_reads
from .lent_code import program
from .marking import Exam, Marks, Outcome, Shown, Suspicion, ask_examples, ask_hidden
from .outcomes import FAILED
from .submissions import Submission

Ask = Callable[[Any, Exam, Jail], Shown]  # of a Submission, or of what was Shown of one
TRIES = 2  # the kernel may have killed a process for the memory that another one took


def examples(submission: Submission, exam: Exam, jail: Jail) -> Shown:
    """What came of the examples."""
    return ask_examples(submission, exam.of(submission.attempt), jail)


def hidden(shown: Shown, exam: Exam, jail: Jail) -> Shown:
    """The outcome of the hidden inputs as well: those of the attempt."""
    marks = ask_hidden(shown, exam.of(shown.submission.attempt), jail)
    return replace(shown, marks=marks)


class Pool:
    """Asks submissions in so many processes. attempts: numbers of those whose hidden inputs may be asked."""

    def __init__(self, exam: Exam, isolation: str, jobs: int, attempts: Iterable[int]) -> None:
        sandbox.keep_private()  # the hidden questions are in here
        for attempt in sorted(attempts):
            exam.of(attempt).prepare(jobs)  # before the forks, so that it is done once
        forget_earlier_reads()
        self.exam, self.isolation, self.jobs = exam, isolation, jobs

    def ask(self, ask: Ask, things: Sequence[Any]) -> Iterator[tuple[int, Shown]]:
        """The number of each with what came of it, as they get ready. In the end no process or jail is left.

        Raises:
            JailError: this machine cannot isolate as it should.
        """
        left, tries = deque(range(len(things))), Counter[int]()
        idle: list[_Process] = []
        busy: dict[Any, tuple[_Process, int]] = {}  # by connection
        found: list[tuple[int, Shown]] = []
        try:
            while left or busy:
                while left and len(busy) < self.jobs:
                    process = idle.pop() if idle else _Process(self.exam, self.isolation)
                    i = left.popleft()
                    process.put(ask, things[i])
                    busy[process.connection] = process, i
                yield from found  # what is done with them takes time
                found = []
                for connection in wait([*busy]):
                    process, i = busy.pop(connection)
                    if answer := process.get():
                        idle.append(process)
                        found.append((i, answer))
                        continue
                    tries[i] += 1
                    if tries[i] < TRIES:
                        left.append(i)
                    else:
                        why = "the process that graded it was killed"
                        found.append((i, _failed(things[i], self.exam, why)))
            yield from found
        finally:
            for end in (_Process.terminate, _Process.join):
                for process in [*idle, *(process for process, _ in busy.values())]:
                    end(process)


class _Process:
    """A process with a jail, and the way to it."""

    def __init__(self, exam: Exam, isolation: str) -> None:
        fork = get_context("fork")  # what it asks with need not be sent
        self.connection, theirs = fork.Pipe()
        with theirs:
            self.process = fork.Process(target=_serve, args=(theirs, exam, isolation), daemon=True)
            self.process.start()

    def put(self, ask: Ask, one: Any) -> None:
        """Let it ask; if it has been killed, get says so."""
        with contextlib.suppress(OSError):
            self.connection.send((ask, one))

    def get(self) -> Shown | None:
        """What came of it. None: it was killed.

        Raises:
            JailError: what it says of its jail.
        """
        try:
            answer = self.connection.recv()
        except (OSError, EOFError):
            self.process.kill()
            self.process.join()
            return None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def terminate(self) -> None:
        """Let it end its jail, and itself."""
        self.process.terminate()

    def join(self) -> None:
        """Wait until it has."""
        self.process.join()


def _serve(connection: Connection, exam: Exam, isolation: str) -> None:
    """In a process of the pool: a terminal's signals are left to the parent, which sends SIGTERM."""
    signal.set_wakeup_fd(-1)  # it is the parent's
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    sandbox.end_with_parent()
    try:
        with Jail(isolation) as jail:
            while True:
                ask, one = connection.recv()
                connection.send(_answered(ask, one, exam, jail))
    except Exception as error:
        connection.send(error)


def _leave(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
    raise SystemExit


def _answered(ask: Ask, one: Any, exam: Exam, jail: Jail) -> Shown:
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


def _failed(one: Submission | Shown, exam: Exam, why: str) -> Shown:
    """No points, and the reason; the same command tries again.

    Of hidden inputs the reason, which might be made of an answer, is for the instructor alone.
    """
    is_new = isinstance(one, Submission)
    submission = one if isinstance(one, Submission) else one.submission
    problem = f"could not be graded{f' ({why})' if is_new else ''}: grade it again, or by hand"
    suspicions = () if is_new else (Suspicion("", "", one_line(why, 300)),)
    return Shown(submission, _without_points(submission, exam, one_line(problem, 300), suspicions))


def _without_points(
    submission: Submission, exam: Exam, problem: str, suspicions: tuple[Suspicion, ...]
) -> Marks:
    bit = None if exam.seed is None else False
    outcomes = tuple(Outcome(c.function, c.name, c.lesson, False, bit, problem) for c in exam.cases)
    return Marks(submission.name, submission.file, FAILED, outcomes, problem, submission.digest, suspicions)
