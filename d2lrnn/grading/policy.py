"""What is added to the points and taken from them: late work, extensions, an instructor's own adjustments.

    [late]                          # in points.toml
    due = 2026-10-01T23:59:00       # without a zone: the time of this machine
    grace = 15                      # minutes
    percent = 10                    # of what was earned, for each day that has begun
    most = 50                       # percent, at most

    [late.days]                     # extensions, by submission, id or email
    zhou01 = 2

DIR/adjustments.csv has the columns submission, points, comment. It is written once, and is the instructor's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from ..cli import one_line
from .marking import read_toml
from .platforms import NOBODY, Student
from .roster import Member
from .tables import read_table, table

NUMBERS = {"grace": 1e6, "percent": 100, "most": 100}  # the largest each may be
ADJUSTMENTS = ("submission", "points", "comment")


@dataclass(frozen=True)
class LatePolicy:
    """When work is due, and what each day that has begun after it costs, in percent of the points earned."""

    due: datetime | None = None
    grace: float = 0.0  # minutes
    percent: float = 0.0
    most: float = 100.0
    days: dict[str, float] = field(default_factory=dict)  # extensions

    def days_late(self, submitted: str, is_late: bool, extension: float = 0) -> int:
        """Days that have begun since the work was due; 1 if all that is known is that it is_late."""
        if not submitted or self.due is None:
            return int(is_late and not extension)
        when, due = datetime.fromisoformat(submitted), self.due
        if when.tzinfo is None or due.tzinfo is None:  # one of them is the time of this machine
            when, due = _local(when), _local(due)
        over = (when - due - timedelta(days=extension)) / timedelta(days=1)
        return max(0, math.ceil(over)) if over > self.grace / (24 * 60) else 0

    def share(self, days: int) -> float:
        """The share of the points that is taken."""
        return min(self.most, days * self.percent) / 100

    def text(self) -> str:
        """The table of points.toml, or nothing."""
        if self == LatePolicy():
            return ""
        lines = ["", "[late]", *([f"due = {self.due.isoformat()}"] if self.due else [])]
        lines += [f"{name} = {getattr(self, name):g}" for name in NUMBERS]
        if self.days:
            quoted = (
                f'"{who.translate({34: None, 92: None})}" = {days:g}' for who, days in self.days.items()
            )
            lines += ["", "[late.days]", *quoted]
        return "\n".join([*lines, ""])


def _local(when: datetime) -> datetime:
    return when.astimezone().replace(tzinfo=None) if when.tzinfo else when


def read_policy(path: Path) -> LatePolicy:
    """The table [late] of a file of points; without it, nothing is late.

    Raises:
        ValueError: it is no TOML, or a value is not what it should be.
        OSError: it cannot be read.
    """
    said = read_toml(path).get("late", {})
    if not isinstance(said, dict) or set(said) - {"due", "days", *NUMBERS}:
        raise ValueError(
            f"{path}: [late] has due, {', '.join(NUMBERS)} and a table [late.days], nothing else"
        )
    due, days = said.get("due"), said.get("days", {})
    if due is not None and not isinstance(due, datetime):
        raise ValueError(f"{path}: [late] due = {due}: give a date with a time, 2026-10-01T23:59:00")
    if not isinstance(days, dict):
        raise ValueError(
            f"{path}: [late] days = {days!r}: write [late.days], and below it a line for each student"
        )
    numbers = {name: _number(path, name, said[name], NUMBERS[name]) for name in NUMBERS if name in said}
    return LatePolicy(
        due, days={who: _number(path, who, value, 1000) for who, value in days.items()}, **numbers
    )


def _number(path: Path, name: str, value: Any, largest: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= largest:
        raise ValueError(f"{path}: [late] {name} = {value!r}: give a number from 0 to {largest:g}")
    return float(value)


# --- by hand --------------------------------------------------------------------------------------


class Adjustment(NamedTuple):
    """Points that an instructor adds or takes, and what the student is told."""

    points: float = 0.0
    comment: str = ""


NONE = Adjustment()


def read_adjustments(path: Path) -> dict[str, Adjustment]:
    """Submission -> what was added by hand; the file is begun if there is none.

    Raises:
        ValueError: it is no such table, or points is not a number.
        OSError: it cannot be read or begun.
    """
    if not path.exists():
        path.write_text(table(ADJUSTMENTS, []), "utf-8")
    found = {}
    for row in read_table(path, dict.fromkeys(ADJUSTMENTS, ())):
        try:
            points = float(row["points"].replace(",", ".") or 0)
        except ValueError:
            points = math.nan
        if not math.isfinite(points):
            raise ValueError(f"{path}: points {row['points']} of {row['submission']}: give a number")
        found[row["submission"]] = Adjustment(points, row["comment"])
    return found


# --- together -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """What a report says of a submission beside its marks."""

    student: Student = NOBODY
    attempt: int = 1
    submitted: str = ""
    days_late: int = 0
    taken: float = 0.0  # the share of the points
    adjustment: Adjustment = NONE
    member: Member | None = None
    is_anonymous: bool = False  # then no report says whose it is

    def total(self, earned: float) -> float:
        """The final score of what was earned: less what being late costs, plus what was added by hand."""
        return round(max(0.0, earned * (1 - self.taken) + self.adjustment.points), 6)

    def columns(self) -> dict[str, str | float]:
        """What grades.csv says of whose it is, and when it was handed in."""
        student, member = self.student, self.member or Member("", "", "", "")
        who = {
            "name": student.name,
            "id": member.id or student.id,
            "email": member.email or student.email,
            "section": member.section,
            "roster_name": member.name,
        }
        if self.is_anonymous:
            who = dict.fromkeys(who, "")
        return {
            **{what: one_line(text, 200) for what, text in who.items()},
            "attempt": self.attempt,
            "submitted": self.submitted,
            "days_late": self.days_late or "",
            "adjustment": self.adjustment.points or "",
            "comment": one_line(self.adjustment.comment),
        }

    def notes(self) -> Iterable[str]:
        """What a student is told about the score, beside the cases."""
        if self.days_late:
            days = f"{self.days_late} day{'s' if self.days_late > 1 else ''}"
            cost = f": {100 * self.taken:g} % of the points earned are taken" if self.taken else ""
            yield f"{days} late{cost}"
        if self.adjustment.points:
            yield f"{self.adjustment.points:+g} points by hand"
        if self.adjustment.comment:
            yield self.adjustment.comment
