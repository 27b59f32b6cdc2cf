"""Whose a file is: the exports of learning platforms, and plain folders, become a pile of files an attempt.

Canvas         NAME[_LATE]_USER_ATTACHMENT_FILE, all in one folder
Moodle         NAME_NUMBER_assignsubmission_file_/FILE, ..._onlinetext_/onlinetext.html, or without folders
Gradescope     submission_NUMBER/FILE, and submission_metadata.yml, which says whose they are
Brightspace    NUMBER-NUMBER - NAME - DATE/FILE, or all in one folder, and index.html
Blackboard     WORK_USER_attempt_DATE_FILE, and WORK_USER_attempt_DATE.txt, which says the name
GitHub         WORK-submissions/WORK-USER/FILE, as gh classroom clones them
elsewhere      a file or a folder for each student

Two students are never one: of equal names, the numbers of the platform decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from pathlib import PurePosixPath
from typing import NamedTuple

from ..cli import one_line
from ..corpora import Unreadable
from .archives import Budget, Entry

MAX_FILES_OF_STUDENT = 2_000
JUNK = re.compile(r"(^|/)(\.|__MACOSX/|__pycache__/|Thumbs\.db$|desktop\.ini$)")
# at the top of an export or of a repository: no student's
METADATA = re.compile(
    r"(index\.html?|submission_metadata\.yml|(grades|roster|classroom_roster)\.csv|README(\.\w+)?)", re.I
)
CANVAS = re.compile(r"(?P<name>[^/]+?)(?P<late>_LATE)?_(?P<id>\d{3,})_(?P<number>\d{4,})_(?P<file>[^/]+)")
ANONYMOUS_CANVAS = re.compile(r"(?P<name>anon_\w{5})(?P<late>_LATE)?_(?P<number>\d{4,})_(?P<file>[^/]+)")
MOODLE = re.compile(r"(?P<name>[^/]+?)_(?P<id>\d+)_assignsubmission_[a-z]+(?:_?/|_(?!/))(?P<file>.+)")
BRIGHTSPACE = re.compile(
    r"(?P<id>\d+-\d+) - (?P<name>[^/]+?) - (?P<when>[^/]*?\d{4}[^/]*?)(?:/| - )(?P<file>.+)"
)
BLACKBOARD = re.compile(
    r"(?P<work>[^/]+)_attempt_(?P<when>\d{4}(?:-\d\d){5})(?:_(?P<file>[^/]+)|(?P<told>\.txt))"
)
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


class Student(NamedTuple):
    """Who handed in, as an export tells: the name as it was, and the number or user name of the platform."""

    name: str = ""
    id: str = ""
    email: str = ""


NOBODY = Student()


@dataclass
class Pile:
    """The files of one attempt of a student. submitted: a time, ISO 8601, or "" if the export has none."""

    student: Student
    submitted: str = ""
    late: bool = False
    attempt: int = 0  # 0: to be counted
    note: str = ""
    files: list[Entry] = field(default_factory=list)
    num_files: int = 0

    def add(self, path: PurePosixPath, entry: Entry) -> None:
        """Count a file, and keep it if there are not too many."""
        self.num_files += 1
        if self.num_files <= MAX_FILES_OF_STUDENT:
            self.files.append(Entry(path, entry.read))


def piles_of(entries: Sequence[Entry], folder: str, budget: Budget) -> list[Pile]:
    """The files of a class, without JUNK, sorted out. folder: the name of what holds them."""
    wrapped = {entry.path.parts[0] for entry in entries if len(entry.path.parts) > 1}
    for inside, name in ((entries, folder), (_below(entries), wrapped.pop() if len(wrapped) == 1 else "")):
        for platform in (_gradescope, _blackboard, _moodle, _brightspace, _canvas, _github):
            found = platform(inside, name, budget) if inside else []
            if found:
                return found
    return []


def plain_piles(entries: Iterable[Entry]) -> list[Pile]:
    """A file or a folder for each student, and no platform."""
    piles: dict[str, Pile] = {}
    for entry in entries:
        parts = entry.path.parts
        if len(parts) == 1 and METADATA.fullmatch(parts[0]):
            continue
        name = parts[0] if len(parts) > 1 else stem(parts[0])
        piles.setdefault(name, Pile(Student(name))).add(entry.path, entry)
    return list(piles.values())


def stem(name: str) -> str:
    """A file's name without its last suffix: "..." of "....py", on every Python."""
    return re.sub(r"(?<=.)\.\w+$", "", name)


def _below(entries: Sequence[Entry]) -> list[Entry]:
    """The entries without the one folder that holds them all; none if there is no such folder."""
    if len({entry.path.parts[0] for entry in entries}) != 1 or any(len(e.path.parts) < 2 for e in entries):
        return []
    return [entry._replace(path=PurePosixPath(*entry.path.parts[1:])) for entry in entries]


def _by_pattern(entries: Sequence[Entry], pattern: re.Pattern[str]) -> list[Pile]:
    """Piles by (number, name, time) in the paths. What does not match is a plain student's, or metadata."""
    piles: dict[tuple[str, str, str], Pile] = {}
    others = []
    for entry in entries:
        found = pattern.fullmatch(str(entry.path))
        if not found:
            others.append(entry)
            continue
        said = found.groupdict()
        when = time_of(said.get("when") or "")
        name, id_ = said["name"], said.get("id") or ""
        pile = piles.setdefault((id_, name, when), Pile(Student(name, id_), when))
        pile.late |= bool(said.get("late"))
        pile.add(PurePosixPath(said["file"]), entry)
    return [*piles.values(), *plain_piles(others)] if piles else []


def _moodle(entries: Sequence[Entry], folder: str, budget: Budget) -> list[Pile]:
    piles = _by_pattern(entries, MOODLE)
    for pile in piles:
        if re.fullmatch(r"Participant|参加者|学员|참가자", pile.student.name):  # submissions are anonymous
            pile.student = pile.student._replace(name=f"{pile.student.name} {pile.student.id}")
    return piles


def _brightspace(entries: Sequence[Entry], folder: str, budget: Budget) -> list[Pile]:
    return _by_pattern(entries, BRIGHTSPACE)


def _canvas(entries: Sequence[Entry], folder: str, budget: Budget) -> list[Pile]:
    """Only where all files are named so, each with a number of its own: other names could look like it."""
    for pattern in (ANONYMOUS_CANVAS, CANVAS):
        found = [pattern.fullmatch(str(e.path)) for e in entries if not METADATA.fullmatch(str(e.path))]
        numbers = [match["number"] for match in found if match]
        if numbers and len(set(numbers)) == len(found):
            return _by_pattern(entries, pattern)
    return []


def _blackboard(entries: Sequence[Entry], folder: str, budget: Budget) -> list[Pile]:
    """WORK_USER: what all have in common is the name of the work; user names may hold the same signs."""
    matched = {entry: BLACKBOARD.fullmatch(str(entry.path)) for entry in entries}
    works = sorted({found["work"] for found in matched.values() if found})
    if not works:
        return []
    common = takewhile(lambda pair: pair[0] == pair[1], zip(works[0], works[-1]))
    start = "".join(letter for letter, _ in common).rfind("_") + 1
    piles: dict[tuple[str, str], Pile] = {}
    told: dict[str, Student] = {}
    for entry, found in matched.items():
        if found:
            user, when = found["work"][start:], time_of(found["when"])
            pile = piles.setdefault((user, when), Pile(Student(user, user), when))
            if found["told"]:
                told[user] = _told(entry, pile.student, budget)
            else:
                pile.add(PurePosixPath(found["file"]), entry)
    for (user, _), pile in piles.items():
        pile.student = told.get(user, pile.student)
    return [*piles.values(), *plain_piles(entry for entry, found in matched.items() if not found)]


def _told(entry: Entry, student: Student, budget: Budget) -> Student:
    """The name in the text that Blackboard puts beside an attempt: "Name: 周杰伦 (zhou01)"."""
    try:
        text = entry.read(budget).decode("utf-8", "replace")
    except Unreadable:
        return student
    found = re.search(r"^\W*(?:Name|姓名|名称|이름)\s*[:：]\s*(.+?)\s*[(（]([^()（）]*)[)）]\s*$", text, re.M)
    return Student(found[1], found[2] or student.id) if found else student


def _github(entries: Sequence[Entry], folder: str, budget: Budget) -> list[Pile]:
    """Folders WORK-USER in WORK-submissions."""
    work = folder.removesuffix("-submissions")
    tops = {entry.path.parts[0] for entry in entries if len(entry.path.parts) > 1}
    if work == folder or not tops or not all(top.startswith(f"{work}-") for top in tops):
        return []
    piles: dict[str, Pile] = {}
    for entry in entries:
        if len(entry.path.parts) > 1:
            user = entry.path.parts[0].removeprefix(f"{work}-")
            path = PurePosixPath(*entry.path.parts[1:])
            piles.setdefault(user, Pile(Student(user, user))).add(path, entry)
    return list(piles.values())


# --- Gradescope -----------------------------------------------------------------------------------


def _gradescope(entries: Sequence[Entry], folder: str, budget: Budget) -> list[Pile]:
    metadata = next((e for e in entries if str(e.path) == "submission_metadata.yml"), None)
    if metadata is None:
        return []
    try:
        owners = read_metadata(metadata.read(budget).decode("utf-8", "replace"))
    except Unreadable:
        return []
    others, found = [], list[Pile]()
    for entry in entries:
        top, *rest = entry.path.parts
        if rest and top in owners:
            for pile in owners[top]:
                pile.add(PurePosixPath(*rest), entry)
        else:
            others.append(entry)
    found += [pile for piles in owners.values() for pile in piles]
    return [*found, *plain_piles(others)]


def read_metadata(text: str) -> Mapping[str, list[Pile]]:
    """Folder -> a pile for each of its submitters, from submission_metadata.yml.

    Only the lines that are needed are read, in the layout in which Gradescope writes them: a key at the start
    of a line for each folder, below it lists of :submitters: and of earlier attempts (:history:).
    """
    piles: dict[str, list[Pile]] = {}
    for block in re.split(r"^(?=[^\s#-][^\n]*:[ ]*$)", text, flags=re.M):
        folder = _scalar(block.partition("\n")[0].strip().removesuffix(":"))
        parts = dict(re.findall(r"^ {2}:(\w+):(.*(?:\n(?: {2}-| {3,}).*)*)", block, re.M))
        people = re.split(r"^ {2}- ", parts.get("submitters", ""), flags=re.M)[1:]
        students = [_submitter(person) for person in people]
        earlier = len(re.findall(r"^ {2}- ", parts.get("history", ""), re.M))
        when = time_of(parts.get("created_at", ""))
        for student in students:
            others = [other.name for other in students if other is not student]
            note = one_line(f"handed in together with {', '.join(others)}", 200) if others else ""
            piles.setdefault(folder, []).append(Pile(student, when, attempt=earlier + 1, note=note))
    return piles


def _submitter(text: str) -> Student:
    said = {key: _scalar(value) for key, value in re.findall(r"^\s*:(\w+):[ ]*(.*)$", text, re.M)}
    return Student(said.get("name", ""), said.get("sid", ""), said.get("email", ""))


def _scalar(text: str) -> str:
    """A text as YAML writes it: plain, in single quotes, or in double quotes with escapes."""
    text = text.strip()
    if text[:1] == text[-1:] == "'" and len(text) > 1:
        return text[1:-1].replace("''", "'")
    if text[:1] == text[-1:] == '"' and len(text) > 1:
        return re.sub(r"\\(x..|u.{4}|U.{8}|.)", lambda found: _unescaped(found[1]), text[1:-1])
    return "" if text in ("null", "~") else text


def _unescaped(code: str) -> str:
    try:
        return chr(int(code[1:], 16)) if len(code) > 1 else {"n": "\n", "t": "\t"}.get(code, code)
    except (ValueError, OverflowError):
        return "\ufffd"


# --- times ----------------------------------------------------------------------------------------


def time_of(text: str) -> str:
    """A time as platforms write it, in ISO 8601; "" if it is none.

    "2026-10-01-23-58-01", "2026-10-01 23:58:01.5 -07:00", "Sep 24, 2026 926 PM", "24 September, 2026 2126",
    "2026年9月24日 2126".
    """
    iso = re.search(
        r"(\d{4})[-年./](\d{1,2})[-月./](\d{1,2})(?:\D+?(\d{1,2})\D?(\d\d)(?:\D(\d\d))?)?(?:\.\d+)?"
        r"\s*(Z|[+-]\d\d:?\d\d)?",
        text,
    )
    if iso:
        year, month, day, hour, minute, second, zone = iso.groups()
        return _iso([year, month, day, hour or 0, minute or 0, second or 0], zone or "")
    word = re.search(
        r"(?:([A-Za-z]{3})[a-z]*\.? (\d{1,2})|(\d{1,2}) ([A-Za-z]{3})[a-z]*),? (\d{4})"
        r"(?:,? (\d{1,2}):?(\d\d)(?::?\d\d)? ?([AP]M)?)?",
        text,
        re.I,
    )
    if not word or (word[1] or word[4]).lower() not in MONTHS:
        return ""
    month = MONTHS.index((word[1] or word[4]).lower()) + 1
    hour = int(word[6] or 0)
    if word[8]:
        hour = hour % 12 + 12 * (word[8].upper() == "PM")
    return _iso([word[5], month, word[2] or word[3], hour, word[7] or 0, 0])


def _iso(numbers: Sequence[str | int], zone: str = "") -> str:
    try:
        zone = re.sub(r"(\d\d)(\d\d)$", r"\1:\2", zone.replace("Z", "+00:00"))
        return datetime(*map(int, numbers)).isoformat() + zone  # type: ignore[arg-type]
    except ValueError:
        return ""
