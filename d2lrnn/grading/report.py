"""What people and platforms read: the terminal, grades.csv, feedback.html, Gradescope's results.json, a log.

Much of the text comes from submissions: it is cleaned and escaped here, once, for the place where it goes.
Nothing is said about hidden inputs but whether they were answered rightly, and no times are given: a
submission could speak through either.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

from .. import CHAPTERS
from ..cli import one_line
from ..messages import fill, translated, width
from .marking import Marks, Outcome, Points, Suspicion, by_function

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
    """Of a whole function. One that does nothing right and says that it is not written is not written."""
    states = {state(outcome) for outcome in outcomes}
    if "missing" in states and "right" not in states:
        return "missing"
    return "right" if states == {"right"} else "wrong"


def number(value: float) -> str:
    """A score without needless digits."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def isolation(marks: Marks) -> str:
    """How the worker was locked in, and what this machine could not do."""
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


def class_table(all_marks: Sequence[Marks], points: Points) -> str:
    """A line for every submission, then one for every lesson: how many have each of its functions right."""
    rows = [("submission", "score", "", "note")]
    for marks in all_marks:
        score, best = points.score(marks.outcomes), points.max_score(marks.outcomes)
        percent = f"{100 * score / best:.0f} %" if best else ""
        status = [] if marks.status == "graded" or marks.note else [marks.status]
        number_of = len(marks.suspicions)
        suspicions = [f"{number_of} suspicion{'s' if number_of > 1 else ''}"] if number_of else []
        note = "; ".join([*status, *filter(None, [marks.note]), *suspicions])
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
    """What the class can do, and what it has not yet understood."""
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


def grades_csv(all_marks: Sequence[Marks], points: Points) -> str:
    """submission, score, max_score, status, then a column for every function, then a note."""
    functions = list(dict.fromkeys(outcome.function for marks in all_marks for outcome in marks.outcomes))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["submission", "score", "max_score", "status", *functions, "note"])
    for marks in all_marks:
        groups = by_function(marks.outcomes)
        writer.writerow(
            [
                _cell(marks.submission),
                number(points.score(marks.outcomes)),
                number(points.max_score(marks.outcomes)),
                marks.status,
                *[number(points.score(groups[name])) if name in groups else "" for name in functions],
                _cell(marks.note),
            ]
        )
    return out.getvalue()


def _cell(text: str) -> str:
    """A cell that a spreadsheet does not take for a formula."""
    text = line(text)
    return f"'{text}" if re.match(r"\s*[=+\-@＝＋－＠]", text) else text


def results_json(marks: Marks, points: Points) -> dict[str, Any]:
    """What Gradescope expects in /autograder/results/results.json."""
    return {
        "score": points.score(marks.outcomes),
        "output": one_line(" ".join(filter(None, [marks.note, f"Isolation: {isolation(marks)}."])), 1000),
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


def feedback_html(marks: Marks, points: Points) -> str:
    """A page that stands alone: no script, nothing fetched."""
    score, best = points.score(marks.outcomes), points.max_score(marks.outcomes)
    parts = [
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{_escaped(marks.submission)}: {number(score)} of {number(best)} points</title>",
        f"<style>{STYLE}</style>",
        f"<h1>{number(score)} of {number(best)} points</h1>",
        f"<p>{_escaped(marks.submission)}{f', {_escaped(marks.file)}' if marks.file else ''}</p>",
        f"<p>{_escaped(marks.note)}</p>" if marks.note else "",
    ]
    lesson = 0
    for function, outcomes in by_function(marks.outcomes).items() if marks.status == "graded" else []:
        if outcomes[0].lesson != lesson:
            lesson = outcomes[0].lesson
            parts.append(f"<h2>Lesson {lesson}, {CHAPTERS[lesson][0]}</h2>")
        had, could = number(points.score(outcomes)), number(points.max_score(outcomes))
        parts.append(f"<h3>{_escaped(function)} <span>{had} of {could}</span></h3>")
        if all(outcome.missing for outcome in outcomes):
            parts.append(f'<p class="missing">{_escaped(outcomes[0].message)}</p>')
        else:
            parts += ["<ul>", *(_item(outcome) for outcome in outcomes), "</ul>"]
    parts.append(
        "<p><small>Each case was asked with the example of the course and with hidden inputs. Of these it is "
        "only said whether all were answered rightly; the example alone earns "
        f"{100 * points.public:.0f} % of a case. "
        f"Isolation: {_escaped(isolation(marks))}.</small></p>\n</html>\n"
    )
    return "\n".join(filter(None, parts))


def _item(outcome: Outcome) -> str:
    found = state(outcome)
    said = _said(outcome)
    text = f"<p>{_escaped(said)}</p>" if said else ""
    return f'<li class="{found}"><b>{SIGNS[found]}</b>{_escaped(outcome.case)}{text}</li>'


def _said(outcome: Outcome) -> str:
    if outcome.example and outcome.hidden is False:
        return outcome.message or "The example is answered correctly, hidden inputs are not."
    return outcome.message


def _escaped(text: str) -> str:
    return html.escape(one_line(text, 1000))
