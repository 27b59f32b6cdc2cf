"""The roster of a course: its members, those who are missing, and what learning platforms import."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

from .platforms import Student
from .tables import read_table, table

COLUMNS = {
    "id": (
        "student id",
        "studentid",
        "sid",
        "sis user id",
        "orgdefinedid",
        "username",
        "user",
        "login",
        "学号",
    ),
    "name": ("full name", "fullname", "student", "student name", "display name", "姓名", "이름"),
    "email": ("email address", "e-mail", "mail", "邮箱"),
    "section": ("group", "class", "班级"),
    "extension": ("extension days", "days"),
    "first": ("first name", "firstname", "given name"),
    "last": ("last name", "lastname", "surname", "family name"),
}

NOT_MEMBERS = ("points possible", "student, test")  # rows of the gradebook that Canvas exports


class Member(NamedTuple):
    """A row of the roster. extension: days that may be handed in later."""

    id: str
    name: str
    email: str
    section: str
    extension: float = 0


def read_roster(path: Path) -> list[Member]:
    """The members of a course from a .csv file with some of the columns id, name, email, section, extension.

    Raises:
        ValueError: it is no table, has no id, name or email, lists an id twice, or an extension is no number.
        OSError: it cannot be read.
    """
    members: list[Member] = []
    for number, row in enumerate(read_table(path, COLUMNS), 2):
        name = row["name"] or f"{row['first']} {row['last']}".strip()
        if name.casefold() in NOT_MEMBERS:
            continue
        try:
            extension = float(row["extension"].replace(",", ".") or 0)
        except ValueError:
            raise ValueError(
                f"{path}, row {number}: extension {row['extension']}: give a number of days"
            ) from None
        if not 0 <= extension <= 1000:
            raise ValueError(
                f"{path}, row {number}: extension {extension:g}: give a number of days from 0 up"
            )
        if not (row["id"] or name or row["email"]):
            raise ValueError(f"{path}, row {number}: give an id, a name or an email")
        members.append(Member(row["id"], name, row["email"], row["section"], extension))
    ids = [member.id for member in members if member.id]
    if len(set(ids)) < len(ids):
        twice = next(one for one in ids if ids.count(one) > 1)
        raise ValueError(f"{path}: the id {twice} is there twice")
    return members


def find_members(students: Mapping[str, Student], members: Sequence[Member]) -> dict[str, Member]:
    """Submission -> its row of the roster: by id, else by email or user name, else by name.

    students: submission -> who handed it in. What fits several equally well is left out.
    """
    found: dict[str, Member] = {}
    for keys_of in (_ids, _users, _names):
        left = [member for member in members if member not in found.values()]
        index: dict[str, list[Member]] = {}
        for member in left:
            for key in keys_of(Student(member.name, member.id, member.email)):
                index.setdefault(key, []).append(member)
        fits: dict[Member, list[str]] = {}
        for submission, student in students.items():
            matching = {member for key in keys_of(student) for member in index.get(key, [])}
            if submission not in found and len(matching) == 1:
                fits.setdefault(matching.pop(), []).append(submission)
        found |= {names[0]: member for member, names in fits.items() if len(names) == 1}
    return found


def _ids(student: Student) -> set[str]:
    return {student.id.casefold()} - {""}


def _users(student: Student) -> set[str]:
    """Also the name, where files are called by student numbers, and what stands before the @."""
    email = student.email.casefold()
    return {email, email.partition("@")[0], student.id.casefold(), student.name.casefold()} - {""}


def _names(student: Student) -> set[str]:
    """The words of a name in any order: Canvas joins last and first, other exports have them reversed."""
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", student.name).casefold())[:5]
    return {"".join(order) for order in permutations(words)} - {""}


# --- what platforms import ------------------------------------------------------------------------


class Grade(NamedTuple):
    """What a platform is told about a student. number: of the platform, from its export."""

    member: Member
    number: str
    score: float
    most: float
    comment: str


def imports(grades: Iterable[Grade], title: str) -> dict[str, str]:
    """File -> text: the grades as Canvas, Moodle, Brightspace and Blackboard import them, under a title."""
    grades = list(grades)
    canvas = [
        (g.member.name, g.number, g.member.id, g.member.email, g.member.section, g.score) for g in grades
    ]
    most = max((grade.most for grade in grades), default=0)
    return {
        "canvas.csv": table(
            ("Student", "ID", "SIS User ID", "SIS Login ID", "Section", title),
            [("    Points Possible", "", "", "", "", most), *canvas],
        ),
        "moodle.csv": table(
            ("Identifier", "Full name", "ID number", "Email address", "Grade", "Maximum Grade",
             "Feedback comments"),
            [
                (f"Participant {g.number}" if g.number else "", g.member.name, g.member.id, g.member.email,
                 g.score, g.most, g.comment)
                for g in grades
            ],
        ),
        "brightspace.csv": table(
            ("OrgDefinedId", "Username", f"{title} Points Grade", "End-of-Line Indicator"),
            [(g.member.id, g.member.email.partition("@")[0], g.score, "#") for g in grades],
        ),
        "blackboard.csv": table(
            ("Username", title, "Feedback to Learner"),
            [(g.member.id, g.score, g.comment) for g in grades],
        ),
    }  # fmt: skip
