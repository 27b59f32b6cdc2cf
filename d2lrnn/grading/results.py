"""The results of a class: a folder with its seed, points, the outcome of every submission, and reports.

What came of the examples is stored at once, and hidden inputs are asked when the examples of all submissions
are through: what one program hears, no other can pass on.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..checkpoint import write_atomically
from ..cli import progress_bar, show, warn
from . import report
from .cases import CASES
from .class_page import class_html
from .marking import POINTS_FILE, Exam, Marks, Shown, read_points, write_points
from .outcomes import FAILED, Kept, Outcomes, exam_key
from .platforms import NOBODY, Student
from .policy import NONE, Standing, read_adjustments, read_policy
from .pool import Pool, examples, hidden
from .report import Grades
from .roster import Grade, Member, find_members, imports, read_roster
from .similarity import Pair, pairs_of, prints_of
from .submissions import Cell, Submission
from .tables import read_table, table

Prints = Mapping[str, Sequence[int]]  # what similarity compares
Cells = Sequence[Cell] | None
NAMES = ("submission", *Student._fields)  # the columns of names.csv


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


def read_attempt(attempt: str) -> int:
    """The number itself, or one more than Gradescope's submission_metadata.json lists.

    Raises:
        ValueError: it is neither.
    """
    wrong = f"--attempt {attempt}: give a number from 1 up, or Gradescope's submission_metadata.json"
    if not os.path.isfile(attempt):
        if not attempt.isdecimal() or int(attempt) < 1:
            raise ValueError(wrong)
        return int(attempt)
    try:
        return 1 + len(json.loads(Path(attempt).read_text("utf-8"))["previous_submissions"])
    except (ValueError, KeyError, TypeError):
        raise ValueError(wrong) from None


class Results:
    """The folder of results: its seed and its points, what was graded before, and the reports.

    roster: a .csv file of the course. best: of several attempts the best counts, not the last. title: of the
    assignment, in the tables that learning platforms import.
    """

    def __init__(
        self,
        path: Path,
        seed: str | None,
        points: str | None,
        *,
        roster: str | None = None,
        best: bool = False,
        title: str = "d2lrnn",
    ) -> None:
        self.path, self.best, self.title = path, best, title
        kept = path / "points.toml"
        source = Path(points) if points else kept if kept.exists() else POINTS_FILE
        self.points, self.policy = read_points(source, CASES), read_policy(source)
        self.members = read_roster(Path(roster)) if roster else []
        for folder in (path, path / "feedback"):
            folder.mkdir(parents=True, exist_ok=True)
        self.outcomes = Outcomes(path)
        self.seed = self._keep_seed(None if seed is None else read_seed(seed))
        self.adjustments = read_adjustments(path / "adjustments.csv")
        self._write("points.toml", write_points(self.points, CASES) + self.policy.text())

    def grade(
        self, submissions: Sequence[Submission], exam: Exam, isolation: str, jobs: int, *, again: bool = False
    ) -> None:
        """Mark what was not marked before, or everything again, and store the outcomes."""
        submissions = self.outcomes.numbered(submissions)
        kept = [None if again else self.outcomes.find(one, exam, isolation) for one in submissions]
        new = [one for one, k in zip(submissions, kept) if not k]
        shown = [
            (one, Shown(replace(one, cells=tuple(k.unasked)), k.marks), k.prints)
            for one, k in zip(submissions, kept)
            if k and k.unasked is not None
        ]
        todo = len(new) + len(shown)
        if todo < len(submissions):
            show(f"{len(submissions) - todo} of {len(submissions)} were graded before")
        if shown:
            show(f"the examples of {len(shown)} of {len(submissions)} were asked before")
        if not todo:
            return
        attempts = {one.attempt for one in [*new, *(one for one, *_ in shown)]}
        with progress_bar(todo + len(new), unit=" steps", unit_scale=False) as bar:
            pool = Pool(exam, isolation, min(jobs, todo), attempts)

            def keep(submission: Submission, marks: Marks, prints: Prints, unasked: Cells = None) -> None:
                self.outcomes.keep(submission, marks, exam, isolation, prints, unasked)
                bar.set_postfix_str(submission.name, refresh=False)
                bar.update()

            for i, found in pool.ask(examples, new):
                submission = new[i]
                prints: Prints = prints_of(found.submission.source)  # what is graded
                if found.marks.status == FAILED:
                    keep(submission, found.marks, prints)
                    bar.update()  # its hidden inputs are not asked
                else:
                    keep(submission, found.marks, prints, found.submission.cells)
                    shown.append((submission, found, prints))
            for i, found in pool.ask(hidden, [one for _, one, _ in shown]):
                submission, _, prints = shown[i]
                keep(submission, found.marks, prints)

    def report(self, exam: Exam) -> None:
        """Write what people and platforms read, of all that was graded here under this exam."""
        kept = self._chosen(self._graded(exam))
        all_marks = [one.marks for one in kept]
        standings = self._standings(kept)
        for marks in all_marks:
            folder, standing = Path("feedback") / marks.submission, standings[marks.submission]
            (self.path / folder).mkdir(exist_ok=True)
            self._write(folder / "feedback.html", report.feedback_html(marks, self.points, standing))
            results = report.results_json(marks, self.points, standing)
            self._write(folder / "results.json", json.dumps(results, indent=1))
        found = {standing.member for standing in standings.values()}
        missing = [member for member in self.members if member not in found]
        pairs = pairs_of({one.marks.submission: one.prints for one in kept})
        before = report.read_grades(self.path / "grades.csv")
        self._write("grades.csv", report.grades_csv(all_marks, self.points, standings, missing))
        self._write("suspicions.jsonl", report.suspicions_jsonl(all_marks))
        self._write("similarity.csv", table(Pair._fields, pairs))
        self._write("class.html", class_html(all_marks, self.points, standings, missing, pairs))
        self._write_imports(all_marks, standings)
        show(report.class_table(all_marks, self.points, standings))
        self._tell_changes(before)
        self._tell(all_marks, standings, missing, pairs)

    def anonymised(self, submissions: Iterable[Submission]) -> list[Submission]:
        """The same under names that tell nothing; names.csv, for the instructor, says whose they are."""
        known, result = self._names(), []
        for submission in submissions:
            key = f"{self.seed}\n{submission.name}\n{submission.student.id}"
            name = f"student-{hashlib.sha256(key.encode()).hexdigest()[:10]}"
            known[name] = submission.student
            result.append(_without_names(submission, name))
        rows = [(name, *student) for name, student in sorted(known.items())]
        self._write("names.csv", table(NAMES, rows))
        (self.path / "names.csv").chmod(0o600)
        return result

    # --- what is reported -----------------------------------------------------------------------------

    def _graded(self, exam: Exam) -> list[Kept]:
        found, outdated = [], []
        for name, kept in self.outcomes.all():
            if kept is None:
                warn(f"an outcome of {name} is damaged, and not in grades.csv: give {name} again")
            elif kept.exam == exam_key(exam) and kept.unasked is None:
                found.append(kept)
            else:
                outdated.append(name)
        outdated = [
            name for name in dict.fromkeys(outdated) if name not in {k.marks.submission for k in found}
        ]
        if outdated:
            earlier = f"{len(outdated)} graded with other cases, by another version, or in part,"
            warn(f"{earlier} are not in grades.csv: give them again: {', '.join(outdated)}")
        return found

    def _chosen(self, kept: Iterable[Kept]) -> list[Kept]:
        """Of each submission the attempt that counts."""
        attempts: dict[str, list[Kept]] = {}
        for one in kept:
            attempts.setdefault(one.marks.submission, []).append(one)
        return [max(several, key=self._rank) for several in attempts.values()]

    def _rank(self, kept: Kept) -> tuple[float, bool, int]:
        standing = self._standing(kept, kept.student, None)
        score = standing.total(self.points.score(kept.marks.outcomes)) if self.best else 0
        return score, kept.attempt == self.outcomes.last.get(kept.marks.submission), kept.attempt

    def _standings(self, kept: Iterable[Kept]) -> dict[str, Standing]:
        of, names = {one.marks.submission: one for one in kept}, self._names()
        students = {name: names.get(name, one.student) for name, one in of.items()}
        members = find_members(students, self.members)
        unknown = sorted(set(self.adjustments) - set(of))
        if unknown:
            warn(f"{self.path / 'adjustments.csv'} names what was not graded: {', '.join(unknown)}")
        standings = {name: self._standing(one, students[name], members.get(name)) for name, one in of.items()}
        return {name: replace(s, is_anonymous=name in names) for name, s in standings.items()}

    def _standing(self, kept: Kept, student: Student, member: Member | None) -> Standing:
        name = kept.marks.submission
        keys = [name, student.id, student.email, *(member[:3] if member else ())]
        extension = max([member.extension if member else 0, *(self.policy.days.get(key, 0) for key in keys)])
        days = self.policy.days_late(kept.submitted, kept.late, extension)
        return Standing(
            student=student,
            attempt=kept.attempt,
            submitted=kept.submitted,
            days_late=days,
            taken=self.policy.share(days),
            adjustment=self.adjustments.get(name, NONE),
            member=member,
        )

    def _write_imports(self, all_marks: Sequence[Marks], standings: Mapping[str, Standing]) -> None:
        """With a roster: what Canvas, Moodle, Brightspace and Blackboard import."""
        if not self.members:
            return
        grades = []
        for marks in all_marks:
            standing = standings[marks.submission]
            if standing.member:
                score = standing.total(self.points.score(marks.outcomes))
                most, notes = self.points.max_score(marks.outcomes), "; ".join(standing.notes())
                grades.append(Grade(standing.member, standing.student.id, score, most, notes))
        (self.path / "imports").mkdir(exist_ok=True)
        for name, text in imports(grades, self.title).items():
            self._write(Path("imports") / name, text)

    def _tell_changes(self, before: Grades) -> None:
        if not before:
            return
        changes = report.changes(before, report.read_grades(self.path / "grades.csv"))
        self._write("changes.csv", table(("submission", "what", "before", "now"), changes))
        num_scores = sum(what == "score" for _, what, *_ in changes)
        if num_scores:
            show(f"scores that differ from the last run: {num_scores}, in changes.csv")

    def _tell(
        self,
        all_marks: Sequence[Marks],
        standings: Mapping[str, Standing],
        missing: Sequence[Member],
        pairs: Sequence[Pair],
    ) -> None:
        tiers = sorted(filter(None, {report.isolation(marks) for marks in all_marks}))
        show(f"isolation: {', '.join(tiers)}")
        if missing:
            names = ", ".join(member.name or member.id for member in missing)
            show(f"{len(missing)} of the roster handed in nothing: {names}")
        strangers = [name for name, one in standings.items() if self.members and not one.member]
        if strangers:
            show(f"not in the roster, or not clearly: {', '.join(strangers)}")
        if pairs:
            show(f"similar, for a person to judge: {len(pairs)} in similarity.csv")
        show(f"{self.path}/ holds grades.csv, class.html, suspicions.jsonl and feedback/")

    # --- files ----------------------------------------------------------------------------------------

    def _names(self) -> dict[str, Student]:
        """Of submissions that were made anonymous: whose they are."""
        file = self.path / "names.csv"
        rows = read_table(file, dict.fromkeys(NAMES, ())) if file.exists() else []
        return {row["submission"]: Student(row["name"], row["id"], row["email"]) for row in rows}

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

    def _write(self, name: str | Path, text: str) -> None:
        write_atomically(self.path / name, text.encode(errors="replace"))


def _without_names(submission: Submission, name: str) -> Submission:
    """Without the student's name, and without the names of files, which often hold it."""
    suffix = Path(submission.file).suffix
    problem = "cannot be read" if submission.problem else ""
    return replace(submission, name=name, file=f"file{suffix}", problem=problem, note="", student=NOBODY)
