"""What people and platforms read: the terminal, grades.csv, feedback.html, Gradescope's results.json, a log.

Much of the text comes from submissions: it is cleaned and escaped here, once, for the place where it goes.
About hidden inputs the reports say only whether they were answered correctly, and they give no times: a
submission could send out information through either.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import CHAPTERS
from ..cli import one_line
from ..messages import fill, translated, width
from .marking import Marks, Outcome, Points, Suspicion, by_function
from .policy import Standing
from .roster import Member
from .tables import number, table

Grades = dict[str, dict[str, str]]  # submission -> column of grades.csv -> cell
UNKNOWN: Mapping[str, Standing] = {}
NO_SCORES = {"submission", "note", *Standing().columns()} - {"attempt", "days_late", "adjustment"}
COLOURS, PLAIN = {"right": "\033[32m", "wrong": "\033[31m", "missing": "\033[2m"}, "\033[0m"
SIGNS = {"right": "✓", "wrong": "✗", "missing": "·"}
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; --right: #1a7f37; --wrong: #cf222e; --dim: #6e7781; --line: #d0d7de }
@media (prefers-color-scheme: dark) {
  :root { --right: #3fb950; --wrong: #ff7b72; --dim: #9198a1; --line: #3d444d }
}
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
h2 { font-size: 1.1rem; margin: 2rem 0 0; border-bottom: 1px solid var(--line) }
h3 { font: 600 1rem ui-monospace, monospace; margin: 1rem 0 .2rem; display: flex }
h3 span { margin-left: auto; font-weight: 400 }
ul { list-style: none; margin: 0; padding: 0 }
li { padding: .1rem 0 .1rem 1.6rem; text-indent: -1.6rem }
li p { margin: 0 0 .3rem; text-indent: 0; overflow-wrap: anywhere }
b { display: inline-block; width: 1.6rem; text-indent: 0 }
.right b { color: var(--right) } .wrong b { color: var(--wrong) } .missing, small { color: var(--dim) }
"""


def line(text: str, length: int = 500) -> str:
    """text for one line of a terminal or of a log that a CI reads: nothing in it is a command."""
    return re.sub("([#:])(?=\\1)", r"\1 ", one_line(text, length))


def state(outcome: Outcome) -> str:
    """One of "right", "wrong", "missing"."""
    if outcome.missing:
        return "missing"
    return "right" if outcome.right else "wrong"


def function_state(outcomes: Sequence[Outcome]) -> str:
    """Of a whole function. "missing" if nothing in it is right and it says that it is not written."""
    states = {state(outcome) for outcome in outcomes}
    if "missing" in states and "right" not in states:
        return "missing"
    return "right" if states == {"right"} else "wrong"


def isolation(marks: Marks) -> str:
    """How the worker was sandboxed, and what this machine could not do."""
    lacking = (
        f" (lacking: {', '.join(marks.lacking)})" if marks.lacking and "lacking" not in marks.tier else ""
    )
    return f"{marks.tier}{lacking}"


# --- the terminal ---------------------------------------------------------------------------------


def check_report(marks: Marks, *, colour: bool = False) -> str:
    """Function by function: right, or what is not; at the end, what is not written yet."""
    lines = [line(translated(marks.note))] if marks.note else []
    if marks.status != "graded":
        return lines[0]
    missing, num_right = [], 0
    groups = by_function(marks.outcomes)
    for function, outcomes in groups.items():
        wrong = [outcome for outcome in outcomes if state(outcome) != "right"]
        if function_state(outcomes) == "missing":
            missing.append(function)
            continue
        found = "wrong" if wrong else "right"
        text = translated(f"{SIGNS[found]} {function:22} {len(outcomes) - len(wrong)} of {len(outcomes)}")
        lines.append(f"{COLOURS[found]}{text}{PLAIN}" if colour else text)
        for outcome in wrong:
            lines += [_filled(translated(outcome.case), 4), _filled(line(translated(_said(outcome))), 8)]
        num_right += not wrong
    if missing:
        text = _filled(translated(f"{SIGNS['missing']} not written yet: {', '.join(missing)}"), 0)
        lines.append(f"{COLOURS['missing']}{text}{PLAIN}" if colour else text)
    num_written = len(groups) - len(missing)
    total = f"{num_right} of {num_written} written functions are right"
    lines.append(translated(total if num_written else "nothing is written yet"))
    return "\n".join(lines)


def _filled(text: str, indent: int) -> str:
    """text in lines as wide as the terminal."""
    columns, blanks = max(40, shutil.get_terminal_size().columns), " " * indent
    return fill(text, columns, blanks, f"{blanks}  ")


def class_table(
    all_marks: Sequence[Marks], points: Points, standings: Mapping[str, Standing] = UNKNOWN
) -> str:
    """A line for every submission, then one for every lesson: how many have each of its functions right."""
    rows = [("submission", "score", "", "note")]
    for marks in all_marks:
        standing = standings.get(marks.submission, Standing())
        score, best = standing.total(points.score(marks.outcomes)), points.max_score(marks.outcomes)
        percent = f"{100 * score / best:.0f} %" if best else ""
        status = [] if marks.status == "graded" or marks.note else [marks.status]
        number_of = len(marks.suspicions)
        suspicions = [f"{number_of} suspicion{'s' if number_of > 1 else ''}"] if number_of else []
        note = "; ".join([*status, *standing.notes(), *filter(None, [marks.note]), *suspicions])
        rows.append(
            (line(marks.submission, 40), f"{number(score)} / {number(best)}", percent, line(note, 120))
        )
    widths = [max(width(row[i]) for row in rows) for i in range(3)]
    lines = [
        f"{_padded(name, widths[0])}  {score:>{widths[1]}}  {percent:>{widths[2]}}  {note}".rstrip()
        for name, score, percent, note in rows
    ]
    return "\n".join([*lines, *_progress([marks for marks in all_marks if marks.status == "graded"])])


def _progress(graded: Sequence[Marks]) -> Iterator[str]:
    """How far the class has got: what it can do and what it has yet to understand."""
    right: dict[int, dict[str, int]] = {}
    for marks in graded:
        for function, outcomes in by_function(marks.outcomes).items():
            of_lesson = right.setdefault(outcomes[0].lesson, {})
            of_lesson[function] = of_lesson.get(function, 0) + (function_state(outcomes) == "right")
    if right:
        yield f"right in how many of {len(graded)}:"
    for lesson, functions in sorted(right.items()):
        counts = ", ".join(f"{function} {count}" for function, count in functions.items())
        yield _filled(f"lesson {lesson}, {CHAPTERS[lesson][0]}: {counts}", 2)


def _padded(text: str, columns: int) -> str:
    return text + " " * (columns - width(text))


# --- files ----------------------------------------------------------------------------------------


def grades_csv(
    all_marks: Sequence[Marks],
    points: Points,
    standings: Mapping[str, Standing] = UNKNOWN,
    missing: Sequence[Member] = (),
) -> str:
    """submission, score, max_score, status, then a column for every function, then a note, then whose it is.

    A member of the roster who handed in nothing has a line with the status "missing".
    """
    functions = list(dict.fromkeys(outcome.function for marks in all_marks for outcome in marks.outcomes))
    about = list(Standing().columns()) if standings else []
    rows: list[list[str | float]] = []
    for marks in all_marks:
        groups, standing = by_function(marks.outcomes), standings.get(marks.submission, Standing())
        said = standing.columns()
        rows.append(
            [
                line(marks.submission),
                standing.total(points.score(marks.outcomes)),
                points.max_score(marks.outcomes),
                marks.status,
                *[points.score(groups[name]) if name in groups else "" for name in functions],
                line(marks.note),
                *[said[name] for name in about],
            ]
        )
    for member in missing:
        said = Standing(member=member, attempt=0).columns()
        blank = ["" for _ in [*functions, "note"]]
        rows.append([line(member.id or member.name), 0, "", "missing", *blank, *[said[n] for n in about]])
    return table(["submission", "score", "max_score", "status", *functions, "note", *about], rows)


def read_grades(file: Path) -> Grades:
    """Submission -> column -> what an earlier grades.csv says; nothing if there is none."""
    try:
        rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8"))))
        return {row["submission"]: {name: row[name] or "" for name in row if name} for row in rows}
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return {}


def changes(before: Grades, now: Grades) -> list[tuple[str, str, str, str]]:
    """(submission, what, before, now) of each score that differs, of a function too, and of each status."""
    found = []
    for name in dict.fromkeys([*before, *now]):
        old, new = before.get(name, {}), now.get(name, {})
        for what in [w for w in dict.fromkeys([*old, *new]) if w not in NO_SCORES]:
            if old.get(what, "") != new.get(what, ""):
                found.append((name, what, old.get(what, ""), new.get(what, "")))
    return found


def results_json(marks: Marks, points: Points, standing: Standing = Standing()) -> dict[str, Any]:  # noqa: B008
    """What Gradescope expects in /autograder/results/results.json."""
    notes = [*standing.notes(), marks.note, f"Isolation: {isolation(marks)}."]
    return {
        "score": standing.total(points.score(marks.outcomes)),
        "output": one_line(" ".join(filter(None, notes)), 1000),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [
            {
                "name": f"{outcome.function}: {outcome.case}",
                "number": f"{outcome.lesson}.{i}",
                "score": points.earned(outcome),
                "max_score": points.worth(outcome),
                "status": "passed" if state(outcome) == "right" else "failed",
                "output": one_line(_said(outcome), 1000),
                "output_format": "text",
                "tags": [outcome.function, f"lesson {outcome.lesson}"],
                "visibility": "visible",
            }
            for i, outcome in enumerate(marks.outcomes, 1)
        ],
        "extra_data": {"isolation": isolation(marks), "status": marks.status},
    }


def suspicions_jsonl(all_marks: Sequence[Marks]) -> str:
    """One object a line: submission, function, case, what. For the instructor, not for students."""
    same_text: dict[str, list[str]] = {}
    for marks in all_marks:
        if any(outcome.example for outcome in marks.outcomes):
            same_text.setdefault(marks.digest, []).append(marks.submission)
    lines = []
    for marks in all_marks:
        suspicions = list(marks.suspicions)
        others = [name for name in same_text.get(marks.digest, []) if name != marks.submission]
        if others:
            suspicions.append(Suspicion("", "", f"the same text as {', '.join(others)}"))
        lines += [{"submission": marks.submission, **vars(suspicion)} for suspicion in suspicions]
    return "".join(json.dumps(entry) + "\n" for entry in lines)


def page(title: str, style: str = "") -> list[str]:
    """The beginning of a page that stands alone: no script, nothing fetched. title: escaped."""
    return [
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{title}</title>",
        f"<style>{STYLE}{style}</style>",
    ]


def feedback_html(marks: Marks, points: Points, standing: Standing = Standing()) -> str:  # noqa: B008
    """What a student gets."""
    score, best = standing.total(points.score(marks.outcomes)), points.max_score(marks.outcomes)
    parts = [
        *page(f"{escaped(marks.submission)}: {number(score)} of {number(best)} points"),
        f"<h1>{number(score)} of {number(best)} points</h1>",
        f"<p>{escaped(marks.submission)}{f', {escaped(marks.file)}' if marks.file else ''}</p>",
        *[f"<p>{escaped(note)}</p>" for note in [*standing.notes(), marks.note] if note],
    ]
    lesson = 0
    for function, outcomes in by_function(marks.outcomes).items() if marks.status == "graded" else []:
        if outcomes[0].lesson != lesson:
            lesson = outcomes[0].lesson
            parts.append(f"<h2>Lesson {lesson}, {CHAPTERS[lesson][0]}</h2>")
        had, could = number(points.score(outcomes)), number(points.max_score(outcomes))
        parts.append(f"<h3>{escaped(function)} <span>{had} of {could}</span></h3>")
        if all(outcome.missing for outcome in outcomes):
            parts.append(f'<p class="missing">{escaped(outcomes[0].message)}</p>')
        else:
            parts += ["<ul>", *(_item(outcome) for outcome in outcomes), "</ul>"]
    parts.append(
        "<p><small>Each case was asked with the example of the course and with hidden inputs. For these, the "
        "report only says whether all were answered correctly; the example alone earns "
        f"{100 * points.public:.0f} % of a case. "
        f"Isolation: {escaped(isolation(marks))}.</small></p>\n</html>\n"
    )
    return "\n".join(filter(None, parts))


def _item(outcome: Outcome) -> str:
    found = state(outcome)
    said = _said(outcome)
    text = f"<p>{escaped(said)}</p>" if said else ""
    return f'<li class="{found}"><b>{SIGNS[found]}</b>{escaped(outcome.case)}{text}</li>'


def _said(outcome: Outcome) -> str:
    if outcome.example and outcome.hidden is False:
        return outcome.message or "The example is answered correctly, hidden inputs are not."
    return outcome.message


def escaped(text: str) -> str:
    """text for a page: on one line, and no markup."""
    return html.escape(one_line(text, 1000))
