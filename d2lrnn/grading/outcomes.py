"""What came of each attempt, in a file of its own: under which exam, of which text, and who handed it in.

The files are ours: they hold no points, which are computed when reports are written.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from .. import CHAPTERS
from ..checkpoint import write_atomically
from ..corpora import PACKAGE
from .lent_code import needed_by, source
from .marking import Exam, Marks, Outcome, Suspicion
from .platforms import NOBODY, Student
from .submissions import Cell, Submission

FAILED = "failed"  # the submission of an outcome that is no outcome: it is graded again


class Kept(NamedTuple):
    """A stored outcome.

    prints: what similarity compares. unasked: its cells, as long as the hidden inputs have not been asked.
    """

    exam: str
    submission: str
    marks: Marks
    attempt: int = 1
    student: Student = NOBODY
    submitted: str = ""
    late: bool = False
    prints: Mapping[str, Sequence[int]] = {}
    unasked: Sequence[Cell] | None = None


class Outcomes:
    """The stored outcomes in a folder of results, read once.

    last: of each submission, the attempt handed in last.
    """

    def __init__(self, results: Path) -> None:
        self.path, self.attempts = results / "outcomes", results / "attempts.json"
        self.path.mkdir(exist_ok=True)
        self.last = _read_numbers(self.attempts)
        self._found = {file.name: read_kept(file) for file in self.path.glob("*.json")}

    def all(self) -> Iterator[tuple[str, Kept | None]]:
        """Every stored name of a submission with its outcome: None if that is damaged."""
        for file, kept in sorted(self._found.items()):
            yield file.removesuffix(".json").partition("+")[0], kept

    def file(self, submission: Submission) -> Path:
        """Where the outcome of this attempt is stored."""
        attempt = f"+{submission.attempt}" if submission.attempt > 1 else ""
        return self.path / f"{submission.name}{attempt}.json"

    def numbered(self, submissions: Iterable[Submission]) -> list[Submission]:
        """The submissions with the numbers of their attempts: another text is another attempt.

        An export tells attempts apart, or it has the last one only; then they are counted here.
        """
        texts = {(name, kept.attempt): kept.marks.digest for name, kept in self.all() if kept}
        result = []
        for submission in submissions:
            number, digest = submission.attempt, submission.digest
            while texts.get((submission.name, number), digest) != digest:
                number += 1
            texts[submission.name, number] = digest
            self.last[submission.name] = number
            result.append(replace(submission, attempt=number))
        write_atomically(self.attempts, json.dumps(self.last, indent=1).encode())
        return result

    def find(self, submission: Submission, exam: Exam, isolation: str) -> Kept | None:
        """The outcome of this text under this exam, if there is one."""
        kept = self._found.get(self.file(submission).name)
        key = exam_key(exam), _submission_key(submission, isolation)
        return kept if kept is not None and kept[:2] == key else None

    def keep(
        self,
        submission: Submission,
        marks: Marks,
        exam: Exam,
        isolation: str,
        prints: Mapping[str, Sequence[int]],
        unasked: Sequence[Cell] | None = None,
    ) -> None:
        """Store an outcome; one that failed for a reason of ours will be tried again."""
        key = FAILED if marks.status == FAILED else _submission_key(submission, isolation)
        handed_in = (submission.attempt, submission.student, submission.submitted, submission.late)
        kept = Kept(exam_key(exam), key, marks, *handed_in, prints, unasked)
        text = json.dumps({**kept._asdict(), "marks": dataclasses.asdict(marks)}, indent=1)
        file = self.file(submission)
        write_atomically(file, text.encode())
        self._found[file.name] = kept


def read_kept(file: Path) -> Kept | None:
    """What was stored; None if the file is missing or damaged."""
    try:
        kept = json.loads(file.read_text("utf-8"))
        marks = kept["marks"]
        marks["outcomes"] = tuple(Outcome(**outcome) for outcome in marks["outcomes"])
        marks["suspicions"] = tuple(Suspicion(**suspicion) for suspicion in marks["suspicions"])
        marks["lacking"] = tuple(marks["lacking"])
        if kept["unasked"] is not None:
            kept["unasked"] = tuple(Cell(number, text) for number, text in kept["unasked"])
        return Kept(**{**kept, "marks": Marks(**marks), "student": Student(*kept["student"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _read_numbers(file: Path) -> dict[str, int]:
    try:
        numbers = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return numbers if isinstance(numbers, dict) else {}


def exam_key(exam: Exam) -> str:
    """Another seed, other cases, another version of this package: other outcomes."""
    names = "\n".join(map(str, exam.cases))
    return hashlib.sha256(f"{exam.seed}\n{_package_key()}\n{names}".encode()).hexdigest()


@cache
def _package_key() -> str:
    return hashlib.sha256("\0".join(map(source, sorted(deciding_modules()))).encode()).hexdigest()


def deciding_modules() -> set[str]:
    """The modules that decide the outcome of a submission: of the lessons, the cases and the marking."""
    lessons = [lesson for lesson, _ in CHAPTERS.values()]
    files = [file.relative_to(PACKAGE).with_suffix("") for file in (PACKAGE / "grading").glob("*/*.py")]
    cases = [file.as_posix().replace("/", ".") for file in files]
    return needed_by(["__init__", *lessons, *cases, "grading.marking", "grading.worker"])


def _submission_key(submission: Submission, isolation: str) -> str:
    parts = submission.digest, submission.file, submission.note, isolation, str(submission.attempt)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
