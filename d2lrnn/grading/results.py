"""The results of a class: a folder with its seed, points, the result of every submission, and reports.

Several processes share the work; each has a jail of its own, and none ever imports a submission. What came of
a submission is kept as soon as it is known, without points: these are counted when the reports are written.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import multiprocessing
import multiprocessing.util
import os
import secrets
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import NamedTuple, NoReturn

from .. import CHAPTERS
from ..checkpoint import write_atomically
from ..cli import progress_bar, show, warn
from ..corpora import PACKAGE
from . import report, sandbox
from .cases import CASES
from .jail import Jail
from .lent_code import needed_by, source
from .marking import POINTS_FILE, Exam, Marks, Outcome, Suspicion, mark, read_points, write_points
from .submissions import Submission

# of a process of the pool: what it marks with, and what it closes at its end
_work: tuple[Exam, str]
_end = contextlib.ExitStack()


def new_seed() -> int:
    """A seed that nobody can guess."""
    return secrets.randbits(128)


def read_seed(seed: str) -> int:
    """The number in a file, or the number itself.

    Raises:
        ValueError: it is neither.
    """
    text = Path(seed).read_text("utf-8").strip() if os.path.isfile(seed) else seed
    if not text.isdecimal():
        raise ValueError(f"--seed {seed}: give a whole number from 0 up, or a file that holds one")
    return int(text)


class Kept(NamedTuple):
    """What came of a submission, as it is kept: under which exam, and of which text."""

    exam: str
    submission: str
    marks: Marks


class Results:
    """The folder of results: its seed and its points, what was graded before, and the reports."""

    def __init__(self, path: Path, seed: str | None, points: str | None) -> None:
        self.path = path
        kept = path / "points.toml"
        source = Path(points) if points else kept if kept.exists() else POINTS_FILE
        self.points = read_points(source, CASES)
        path.mkdir(parents=True, exist_ok=True)
        for folder in ("outcomes", "feedback"):
            (path / folder).mkdir(exist_ok=True)
        self.seed = self._keep_seed(None if seed is None else read_seed(seed))
        self._write("points.toml", write_points(self.points, CASES))

    def grade(self, submissions: Sequence[Submission], exam: Exam, isolation: str, jobs: int) -> None:
        """Mark what was not marked before, and keep what came of it."""
        todo = [submission for submission in submissions if not self._is_kept(submission, exam, isolation)]
        if len(todo) < len(submissions):
            show(f"{len(submissions) - len(todo)} of {len(submissions)} were graded before")
        with progress_bar(len(todo), unit=" submissions", unit_scale=False) as bar:
            for submission, marks in _mark_all(todo, exam, isolation, jobs):
                self._keep(submission, marks, exam, isolation)
                bar.set_postfix_str(marks.submission, refresh=False)
                bar.update()

    def report(self, exam: Exam) -> None:
        """grades.csv, suspicions.jsonl, and a feedback.html and a results.json for every submission."""
        all_marks, outdated = [], []
        for file in sorted((self.path / "outcomes").glob("*.json")):
            kept = _read_kept(file)
            if kept is None:
                warn(f"{file} is damaged, and not in grades.csv: give {file.stem} again")
            elif kept.exam == _exam_key(exam):
                all_marks.append(kept.marks)
            else:
                outdated.append(file.stem)
        for marks in all_marks:
            folder = Path("feedback") / marks.submission
            (self.path / folder).mkdir(exist_ok=True)
            self._write(folder / "feedback.html", report.feedback_html(marks, self.points))
            self._write(
                folder / "results.json", json.dumps(report.results_json(marks, self.points), indent=1)
            )
        self._write("grades.csv", report.grades_csv(all_marks, self.points))
        self._write("suspicions.jsonl", report.suspicions_jsonl(all_marks))
        show(report.class_table(all_marks, self.points))
        show(f"isolation: {', '.join(sorted({report.isolation(marks) for marks in all_marks}))}")
        if outdated:
            earlier = f"{len(outdated)} graded with other cases, or by another version,"
            warn(f"{earlier} are not in grades.csv: give them again: {', '.join(outdated)}")
        show(f"{self.path}/ holds grades.csv, suspicions.jsonl and feedback/")

    def _keep_seed(self, given: int | None) -> int:
        file = self.path / "seed"
        if file.exists():
            kept = read_seed(str(file))
            if given not in (None, kept):
                raise ValueError(
                    f"{self.path} was graded with another seed: omit --seed, or give another --out"
                )
            return kept
        seed = new_seed() if given is None else given
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(f"{seed}\n")
        return seed

    def _is_kept(self, submission: Submission, exam: Exam, isolation: str) -> bool:
        kept = _read_kept(self.path / "outcomes" / f"{submission.name}.json")
        return kept is not None and kept[:2] == (_exam_key(exam), _submission_key(submission, isolation))

    def _keep(self, submission: Submission, marks: Marks, exam: Exam, isolation: str) -> None:
        kept = Kept(_exam_key(exam), _submission_key(submission, isolation), marks)
        text = json.dumps({**kept._asdict(), "marks": dataclasses.asdict(marks)}, indent=1)
        self._write(Path("outcomes") / f"{submission.name}.json", text)

    def _write(self, name: str | Path, text: str) -> None:
        write_atomically(self.path / name, text.encode())


def _read_kept(file: Path) -> Kept | None:
    """What was kept, None if there is no such file or a damaged one."""
    try:
        kept = json.loads(file.read_text("utf-8"))
        marks = kept["marks"]
        marks["outcomes"] = tuple(Outcome(**outcome) for outcome in marks["outcomes"])
        marks["suspicions"] = tuple(Suspicion(**suspicion) for suspicion in marks["suspicions"])
        marks["lacking"] = tuple(marks["lacking"])
        return Kept(kept["exam"], kept["submission"], Marks(**marks))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _exam_key(exam: Exam) -> str:
    """Another seed, other cases, another version of this package: other outcomes."""
    names = "\n".join(map(str, exam.cases))
    return hashlib.sha256(f"{exam.seed}\n{_package_key()}\n{names}".encode()).hexdigest()


@cache
def _package_key() -> str:
    return hashlib.sha256("\0".join(map(source, sorted(deciding_modules()))).encode()).hexdigest()


def deciding_modules() -> set[str]:
    """The modules that decide what comes of a submission: of the lessons, the cases and the marking."""
    lessons = [lesson for lesson, _ in CHAPTERS.values()]
    files = [file.relative_to(PACKAGE).with_suffix("") for file in (PACKAGE / "grading").glob("*/*.py")]
    cases = [file.as_posix().replace("/", ".") for file in files]
    return needed_by(["__init__", *lessons, *cases, "grading.marking", "grading.worker"])


def _submission_key(submission: Submission, isolation: str) -> str:
    return hashlib.sha256(
        f"{submission.digest}\n{submission.file}\n{submission.note}\n{isolation}".encode()
    ).hexdigest()


def _mark_all(
    submissions: Sequence[Submission], exam: Exam, isolation: str, jobs: int
) -> Iterator[tuple[Submission, Marks]]:
    """Every submission with its marks, as they get ready: each of the processes has a jail of its own."""
    if not submissions:
        return
    sandbox.keep_private()  # the hidden questions are in here
    jobs = min(jobs, len(submissions))
    if jobs == 1:
        with exam.made_ahead(), Jail(isolation) as jail:
            yield from ((submission, mark(submission, exam, jail)) for submission in submissions)
        return
    exam.prepare(jobs)  # before the fork, so that it is done once
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(jobs, context, _begin_worker, (exam, isolation)) as pool:
        futures = {pool.submit(_mark_here, submission): submission for submission in submissions}
        try:
            yield from ((futures[future], future.result()) for future in as_completed(futures))
        except BaseException:  # Ctrl-C: do not wait for what is being graded
            for process in multiprocessing.active_children():
                process.terminate()
            pool.shutdown(cancel_futures=True)
            raise


def _begin_worker(exam: Exam, isolation: str) -> None:
    """In a process of the pool: a terminal's signals are the parent's affair, and it says so by SIGTERM."""
    global _work
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    _work = exam, isolation
    multiprocessing.util.Finalize(None, _end.close, exitpriority=1)


def _leave(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a pool that ends says it twice
    raise SystemExit


def _mark_here(submission: Submission) -> Marks:
    exam, isolation = _work
    try:
        return mark(submission, exam, _own_jail(isolation))
    except SystemExit:  # the pool would take it for the result; and in the handler itself a lock may be held
        _end.close()
        os._exit(0)


@cache
def _own_jail(isolation: str) -> Jail:
    return _end.enter_context(Jail(isolation))
