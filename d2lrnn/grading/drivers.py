"""The programs that the grader sends to a worker: what they ask of s, a submission's namespace.

Their source is sent (lent_code.program), so they import what they need, and they hold no answers.
"""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from typing import Any


def compiled(s: Any, source: str) -> bytes:
    """A submission's code, to be kept: it is compiled once, and not in each call."""
    return marshal.dumps(compile(source, "submission.py", "exec", dont_inherit=True))


def defined(s: Any, names: Sequence[str]) -> list[str]:
    """Those of the names that a submission has."""
    return [name for name in names if name in vars(s)]


def all_answers(s: Any, questions: Sequence[tuple[str, Sequence[dict[str, Any]]]]) -> list[Any]:
    """What each driver returns for each of its inputs, up to an error; "missing": it is not written."""
    answers = []
    for driver, all_inputs in questions:
        names: dict[str, Any] = {"__name__": "driver"}
        exec(compile(driver, "driver.py", "exec", dont_inherit=True), names)
        values: Any = []
        try:
            for inputs in all_inputs:
                values.append(names["drive"](s, **inputs))
        except NotImplementedError:
            values = values or "missing"
        except Exception:
            pass  # there are too few values now
        answers.append(values)
    return answers
