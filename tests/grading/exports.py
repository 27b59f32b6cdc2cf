"""Exports of learning platforms, as they lay them out: the same class in the layout of each."""

import io
import json
import zipfile
from typing import NamedTuple

from audits.fuzzing_classes import RawName


class Person(NamedTuple):
    """A student of the class, as every platform knows them."""

    name: str
    user: str
    number: int


CLASS = (
    Person("周杰伦", "zhou01", 100_101),
    Person("王伟", "wang_01", 100_102),
    Person("王伟", "wang_02", 100_103),  # another one
    Person("김민준", "kim01", 100_104),
    Person("Mary-Ann O'Neil 🎵", "mary01", 100_105),
    Person("Zoë Ångström", "zoe_99", 100_106),
)
LATE = CLASS[3]  # hands in late, and once more than the others
FIRST, LAST = "x = 'first'\n", "x = 'last'\n"
YAML = """\
submission_{number}:
  :submitters:
  - :name: {name}
    :sid: '{user}'
    :email: {user}@example.edu
  :created_at: 2026-10-0{day} 16:58:01.123456000 Z
  :score: 0.0
  :status: processed
  :results:
    tests:
    - name: 'a: submission_9:'
      score: 0
{history}"""
HISTORY = """\
  :history:
  - :id: 1
    :created_at: 2026-10-01 09:00:00.000000000 Z
    :score: 0.0
"""


def code(person: Person) -> str:
    """What this person hands in last."""
    return f"{LAST}name = {person.user!r}\n"


def notebook(text: str) -> str:
    """A notebook with one cell."""
    cell = {"cell_type": "code", "source": text, "metadata": {}, "outputs": []}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def canvas() -> dict[str, str]:
    """submissions.zip: the sortable name without blanks, in small letters."""
    files = {}
    for i, person in enumerate(CLASS):
        name = "".join(c for c in person.name.lower() if c.isalpha())
        late = "_LATE" if person is LATE else ""
        files[f"{name}{late}_{person.number}_{5_550_001 + 2 * i}_submission-1.py"] = code(person)
        files[f"{name}{late}_{person.number}_{5_550_002 + 2 * i}_report_1_2.pdf"] = "%PDF"
    return files


def moodle(*, folders: bool = True, anonymous: bool = False) -> dict[str, str]:
    """Download all submissions."""
    gap, files = "_/" if folders else "_", {}
    for person in CLASS:
        who = f"{'Participant' if anonymous else person.name}_{person.number}_assignsubmission"
        files[f"{who}_file{gap}submission.py"] = code(person)
        files[f"{who}_onlinetext{gap}onlinetext.html"] = "<p>Dear professor</p>"
    return files


def gradescope() -> dict[str, str]:
    """Export submissions; names outside the first 65,536 characters are escaped."""
    metadata, files = "---\n", {}
    for person in CLASS:
        name = '"Mary-Ann O\'Neil \\U0001F3B5"' if "🎵" in person.name else person.name
        history = HISTORY if person is LATE else "  :history: []\n"
        day = 3 if person is LATE else 1
        metadata += YAML.format(number=person.number, name=name, user=person.user, day=day, history=history)
        files[f"assignment_4711_export/submission_{person.number}/submission.py"] = code(person)
    return {"assignment_4711_export/submission_metadata.yml": metadata, **files}


def brightspace(*, folders: bool = True) -> dict[str, str]:
    """Download all: a folder for each attempt, and a page."""
    gap, files = "/" if folders else " - ", {"index.html": "<html></html>"}
    for person in CLASS:
        who = f"{person.number}-88001 - {person.name}"
        day = 3 if person is LATE else 1
        files[f"{who} - Oct {day}, 2026 1158 PM{gap}submission.py"] = code(person)
    files[f"{LATE.number}-88001 - {LATE.name} - Oct 1, 2026 926 AM{gap}submission.py"] = FIRST
    return files


def blackboard() -> dict[str, str]:
    """Assignment File Download, all attempts: a text beside each."""
    files = {}
    for person in CLASS:
        times = ["2026-10-01-09-26-00"] if person is LATE else []
        times.append(f"2026-10-0{3 if person is LATE else 1}-23-58-00")
        for time in times:
            who = f"Homework 1_RNN_{person.user}_attempt_{time}"
            text = (
                f"Name: {person.name} ({person.user})\nAssignment: Homework 1_RNN\nDate Submitted: Thursday\n"
            )
            files[f"{who}.txt"] = text
            files[f"{who}_my_submission.py"] = code(person) if time == times[-1] else FIRST
    return files


def github() -> dict[str, str]:
    """gh classroom clone student-repos."""
    files = {"homework-1-submissions/grades.csv": "assignment_name,github_username\n"}
    for person in CLASS:
        repository = f"homework-1-submissions/homework-1-{person.user}"
        files[f"{repository}/README.md"] = "# Homework"
        files[f"{repository}/.git/config"] = "[core]"
        files[f"{repository}/.github/classroom/autograding.json"] = "{}"
        files[f"{repository}/src/exercises.ipynb"] = notebook(code(person))
    return files


def zipped(files: dict[str, str], encoding: str = "utf-8", *, flagged: bool = True) -> bytes:
    """An archive; flagged: its names say that they are UTF-8."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            info = zipfile.ZipInfo(name) if flagged else RawName(name, name.encode(encoding))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, text)
    return out.getvalue()
