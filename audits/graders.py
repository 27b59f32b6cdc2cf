"""The graders that are attacked: this project's, and one of the usual kind.

arena.py starts them: `python -m audits.graders TIER ARENA` grades the files that are named on its stdin.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import sys
import tempfile
import types
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from d2lrnn.grading import report, sandbox
from d2lrnn.grading.case import Case
from d2lrnn.grading.cases import CASES
from d2lrnn.grading.jail import Call, Jail, JailError, Reply, descendants
from d2lrnn.grading.marking import Exam, Marks, Points, by_function, mark
from d2lrnn.grading.submissions import Cell, Submission, read_submissions

import numpy as np

from audits.arena import EARLIER, FUNCTIONS, MEMORY, PATIENT, PUBLIC, SECONDS, SECRET, written


def serve(tier: str, arena: str) -> None:
    """Grade the files named on stdin, and print each outcome as JSON."""
    sandbox.adopt_orphans()  # what outlives the grader's own care is found below this process
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        grader = Naive(channel, Path(arena)) if tier == "naive" else Ours(tier)
    except JailError as error:
        print(json.dumps({"error": str(error)}), file=channel, flush=True)
        return
    hello = {
        "error": "",
        "driven": published(grader.cases),
        "at_rest": len(descendants(os.getpid())),
        "isolation": grader.tier,
    }
    print(json.dumps(hello), file=channel, flush=True)
    for line in sys.stdin:
        print(json.dumps(grader.grade(*json.loads(line))), file=channel, flush=True)


def published(cases: Iterable[Case]) -> str:
    """The examples and their answers, as attacks/known.py reads them."""
    driven: dict[str, Any] = {}
    for case in cases:
        driven.setdefault(case.driver, []).append((case.example, case.expected(case.example)))
    return pickle.dumps(driven).hex()


def one_case_each() -> list[Case]:
    """The first case of each of the functions."""
    return [next(case for case in CASES if case.function == function) for function in FUNCTIONS]


MARK = 7_000_000  # attacks/covert.py shows what it found behind this


def number_of(indices: np.ndarray, vocab_size: int) -> int:
    """What attacks/covert.py makes of a hidden input of one_hot."""
    return 1 + (7 * int(indices.sum()) + vocab_size) % 60


class Ours:
    """The grader of this project: the real marking, jail and reports, on a few cases, in a hurry."""

    def __init__(self, tier: str) -> None:
        self.cases = one_case_each()
        self.exam = Exam(self.cases, seed=20240607)
        self.control = Exam(self.cases[:1], seed=20240608)
        self.points = Points(PUBLIC, {(case.function, case.name): 1.0 for case in self.cases})
        self.hidden = {number_of(**self.exam.inputs(self.cases[0], k)) for k in (1, 2)}
        isolation = {"root": "strict", "minimal": "minimal"}.get(tier, "best")
        self.jail = Jail(isolation, namespaces=tier != "bare")
        self.tier, self.lacking = self.jail.tier, self.jail.lacking
        self.replies: list[Reply] = []
        self.spoilt: set[str] = set()  # drivers of functions that need not answer
        self.text = written("c0_correct", {}).decode() + f"\n# {EARLIER}\n"
        if self._control():
            raise RuntimeError("a sound submission does not get full marks here")

    def ask(self, call: Call) -> Reply:
        """Pass a question on with little time and memory; with ample time if an answer is expected."""
        drivers = {question[0] for question in call.inputs.get("questions", ())} or {call.driver}
        seconds = SECONDS if drivers & self.spoilt else PATIENT
        self.replies.append(self.jail.ask(replace(call, seconds=seconds, memory=MEMORY)))
        return self.replies[-1]

    def grade(self, path: str, answering: list[str]) -> dict[str, Any]:
        """Mark a file in which these functions answer in time, report, and mark a sound file after it."""
        self.replies.clear()
        self.spoilt = {case.driver for case in self.cases if case.function not in answering}
        marks = mark(read_submissions([path])[0], self.exam, self)
        shares = {
            function: self.points.score(outcomes) / self.points.max_score(outcomes)
            for function, outcomes in by_function(marks.outcomes).items()
        }
        return {"points": shares, "successes": [*self._told(), *self._reported(marks), *self._control()]}

    def _told(self) -> list[str]:
        """What an attack itself claims to have achieved."""
        said = "\n".join(f"{reply.console}\n{reply.error}\n{reply.value!r:.10000}" for reply in self.replies)
        return sorted({line[:150] for line in said.splitlines() if "BEATEN" in line or SECRET in line})[:5]

    def _reported(self, marks: Marks) -> list[str]:
        """What the reports contain but must not."""
        texts = {
            "terminal": report.class_table([marks], self.points) + "\n" + report.check_report(marks),
            "grades.csv": report.grades_csv([marks], self.points),
            "results.json": json.dumps(report.results_json(marks, self.points), ensure_ascii=False),
            "feedback.html": report.feedback_html(marks, self.points),
        }
        everywhere = ["d2lrnn-hidden-", SECRET, EARLIER, *"\x1b\x07\x08\x7f\x9b\u202e\u2066\u200f"]
        also = {
            "terminal": ["##vso", "##[", "\n::"],
            "grades.csv": re.findall(r'(?:^|,)[" \t]*[=+@]', texts["grades.csv"], re.M),  # formulas
            "feedback.html": ["<script>", "<img", "</pre>"],
        }
        bad = [(where, word) for where in texts for word in everywhere + also.get(where, [])]
        found = [f"{where}: {word!r}" for where, word in bad if word in texts[where]]
        report.suspicions_jsonl([marks])
        shown = {str(MARK + number) for number in self.hidden}
        found += [f"{where}: a hidden input" for where in texts if any(n in texts[where] for n in shown)]
        return found + [
            f"{where}: {len(text)} characters" for where, text in texts.items() if len(text) > 10**5
        ]

    def _control(self) -> list[str]:
        """A sound submission in the same jail gets what it deserves, whatever was graded before it."""
        self.spoilt = set()
        marks = mark(Submission("sound", "sound.py", (Cell(0, self.text),)), self.control, self)
        right = all(outcome.example and outcome.hidden for outcome in marks.outcomes)
        return [] if right else [f"the next student loses points: {marks.note}"]


class Naive:
    """A grader of the usual kind: submission, tests and answers in one process, results in a file."""

    tier = "none"

    def __init__(self, channel: IO[str], arena: Path) -> None:
        self.channel, self.results = channel, arena / "results" / "results.json"
        self.cases = one_case_each()

    def grade(self, path: str, answering: list[str]) -> dict[str, Any]:
        """Grade in a child, so that at least the next submission finds a grader."""
        with tempfile.TemporaryFile() as console:
            child = os.fork()
            if child == 0:
                os.setsid()
                os.close(self.channel.fileno())
                os.dup2(console.fileno(), 1)
                os.dup2(console.fileno(), 2)
                try:
                    self.results.write_text(json.dumps(self._points(Path(path))), encoding="utf-8")
                    sys.stdout.flush()
                finally:
                    os._exit(0)
            os.waitpid(child, 0)
            console.seek(0)
            said = console.read(2**20).decode(errors="replace")
            printed = os.fstat(console.fileno()).st_size
        try:
            found = json.loads(self.results.read_text("utf-8"))
        except (OSError, ValueError):
            found = {}
        successes = sorted({line[:150] for line in said.splitlines() if "BEATEN" in line})[:5]
        signs = {
            "no report": not found,
            "a flood of prints": printed > 2**26,
            "escape sequences on the terminal": "\x1b" in said,
            "hidden inputs in the feedback": "d2lrnn-hidden-" in said,
        }
        points = {function: float(found.get(function, 0)) for function in FUNCTIONS}
        return {"points": points, "successes": successes + [name for name, seen in signs.items() if seen]}

    def _points(self, path: Path) -> dict[str, float]:
        import d2lrnn

        module = types.ModuleType("submission")
        vars(module).update({name: getattr(d2lrnn, name) for name in ("adam", "init_adam_states")})
        exam, points = Exam(self.cases, seed=1), dict.fromkeys(FUNCTIONS, 0.0)
        try:
            exec(compile(path.read_bytes(), "submission.py", "exec"), vars(module))
        except Exception as error:
            print(error)
            return points
        for case in self.cases:
            right = []
            for k in (0, 1, 2):
                inputs, expected = exam.question(case, k)
                try:
                    right.append(_alike(case.drive(module, **inputs), expected))
                except Exception as error:
                    print(f"{type(error).__name__}: {error}")
                    right.append(False)
            points[case.function] = 1.0 if all(right) else PUBLIC if right[0] else 0.0
        return points


def _alike(answer: Any, expected: Any) -> bool:
    if isinstance(expected, list):
        return len(answer) == len(expected) and all(map(_alike, answer, expected))
    answer = answer.asnumpy() if hasattr(answer, "asnumpy") else answer
    return bool(np.allclose(answer, expected, rtol=1e-4, atol=1e-5))


if __name__ == "__main__":
    serve(*sys.argv[1:])
