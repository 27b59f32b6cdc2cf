"""A case: one question to a submission, how its answer is judged, and what a good tutor would say.

Answers are plain values: None, numbers, strings, containers, numpy arrays. Their structure is never trusted.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .jail import Reply
from .lent_code import program
from .mistakes import load, mistakes_in, told
from .wire import plain

ATOL, RTOL = 1e-6, 1e-4  # MXNet's log_softmax is no finer
MAX_NUMBERS, MAX_TIMES = 20_000, 10  # an answer may have, and as many times as ours
Check = Callable[[Any, Any, dict], "str | None"]


def differs(
    answer: Any, expected: Any, *, atol: float = ATOL, rtol: float = RTOL, where: str = ""
) -> str | None:
    """None when the answer is the expected one; else one sentence about the first difference.

    Type, length, keys, shape and kind of dtype must be equal, and floats as near as atol + rtol |expected|.
    A NaN never equals. The sentence names what kind of answer is expected, never its value.
    """
    if isinstance(expected, np.ndarray):
        return _array_differs(answer, expected, atol, rtol, where)
    if isinstance(expected, float):
        return _float_differs(answer, expected, atol, rtol, where)
    if type(answer) is not type(expected):
        wanted = "a text" if isinstance(expected, str) else _kind(expected)
        return f"{_at(where)}{wanted} is expected, not {_kind(answer)}"
    if isinstance(expected, dict):
        if set(answer) != set(expected):
            return (
                f"{_at(where)}{sorted(expected, key=str)} are expected, not {short(sorted(answer, key=str))}"
            )
        parts = [(f"{key}", answer[key], expected[key]) for key in expected]
    elif isinstance(expected, (list, tuple)):
        if len(answer) != len(expected):
            return f"{_at(where)}{len(expected)} items are expected, not {len(answer)}"
        parts = [(f"{where}[{i}]", answer[i], expected[i]) for i in range(len(expected))]
    else:
        return None if answer == expected else f"{_at(where)}{short(answer)} is wrong"
    return next(filter(None, (differs(a, e, atol=atol, rtol=rtol, where=w) for w, a, e in parts)), None)


def floats(values: Any) -> np.ndarray:
    """values as an array of float32, which is what MXNet works with."""
    return np.array(values, dtype=np.float32)


def within(*, atol: float = ATOL, rtol: float = RTOL) -> Check:
    """A check like `same` with other bounds."""
    return lambda answer, expected, inputs: differs(answer, expected, atol=atol, rtol=rtol)


def same(answer: Any, expected: Any, inputs: dict) -> str | None:
    """The check of most cases: the expected answer to rel 1e-4."""
    return differs(answer, expected)


def refused(error: str) -> Check:
    """A check of what a driver's refusal() has caught: this error, or one derived from it, is expected."""

    def check(answer: Any, expected: Any, inputs: dict) -> str | None:
        if error in answer:
            return None
        return f"{error} is expected, not {unquoted(answer[0]) if answer else 'an answer'}"

    return check


class Mistake(NamedTuple):
    """A mistake that an answer shows, even if it is not exactly the answer of a file of mistakes/.

    message: of such a file, or the case's own; shows(answer, expected, inputs) says if the mistake was made.
    """

    message: str
    shows: Callable[[Any, Any, dict], Any]


@dataclass(frozen=True)
class Case:
    """One thing that can be wrong with one function. name: a sentence that can be false.

    drive(s, **inputs) asks a submission's namespace s; its source goes to the worker, so it holds no answers.
    draw(rng): hidden inputs. example: the public ones, the smallest that show the point. expect(inputs): the
    right answer; without it, what drive gets from our own package. mistakes: the first that fits speaks. If
    none does, that file of mistakes/ speaks, in which function is wrong, whose answer it is, if there is one.
    """

    name: str
    function: str
    lesson: int
    drive: Callable[..., Any]
    draw: Callable[[np.random.Generator], dict[str, Any]]
    example: dict[str, Any]
    check: Check = same
    expect: Callable[[dict], Any] | None = None
    mistakes: tuple[Mistake, ...] = ()
    seconds: float = 10.0

    def __str__(self) -> str:
        return f"{self.function}: {self.name}"

    @property
    def driver(self) -> str:
        """drive and all it leans on, as text that runs alone."""
        return program(self.drive)

    def expected(self, inputs: dict[str, Any]) -> Any:
        """The right answer, made in this process: by expect, or by our own package."""
        if self.expect:
            return self.expect(deepcopy(inputs))
        return run_drive(self.drive, _Package({}), inputs)


@dataclass(frozen=True)
class Verdict:
    """ok, or why not, in the words for the student. Only the public example's message may be shown."""

    ok: bool
    message: str = ""


def verdict(case: Case, inputs: dict[str, Any], reply: Reply, expected: Any) -> Verdict:
    """Judge a Reply of the jail. No answer, however odd, raises an error here."""
    if not reply.ok:
        return Verdict(False, _failure(case, inputs, reply))
    fault = fault_of(case, inputs, reply.value, expected)
    if fault is None:
        return Verdict(True)
    is_huge = _is_huge(reply.value, expected)
    message = fault if is_huge else _known(case, inputs, reply.value, expected) or fault
    return Verdict(False, f"{question(case, inputs)}: {message}")


def fault_of(case: Case, inputs: dict[str, Any], answer: Any, expected: Any) -> str | None:
    """What is wrong with an answer, in one sentence; None if it is right."""
    if _is_huge(answer, expected):
        return f"far more numbers than expected: {_size(answer):,}, where ours has {_size(expected):,}"
    try:
        return case.check(answer, expected, inputs)
    except Exception:
        return f"the answer has the wrong structure: {short(answer)}"


def _is_huge(answer: Any, expected: Any) -> bool:
    """Whether an answer is so much larger than ours that nothing should be computed with it."""
    return _size(answer) > MAX_NUMBERS + MAX_TIMES * _size(expected)


def _size(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return sum(map(_size, value))
    return value.size if isinstance(value, np.ndarray) else 1


def question(case: Case, inputs: dict[str, Any]) -> str:
    """The function and the inputs, as a student may read them."""
    asked = {name: v for name, v in inputs.items() if not (isinstance(v, str) and v == case.function)}
    shown = ", ".join(f"{name} = {short(value)}" for name, value in asked.items())
    return f"{case.function} with {shown}" if shown else case.function


def short(value: Any, width: int = 60) -> str:
    """A value in a few characters: arrays as nested lists, rounded, the middle of long things left out."""
    text = repr(_rounded(value))
    if len(text) <= width:
        return text
    head, tail = text[: width // 2], text[-width // 3 :]
    return f"{head.rpartition(' ')[0] or head} … {tail.partition(' ')[2] or tail}"


def unquoted(value: Any) -> str:
    """The same, where a value is a name."""
    return short(value).strip("'")


def brief(error: str) -> str:
    """An error message without the whole arrays, and the stack traces, that some have in them."""
    error = error.partition("Stack trace:")[0].strip()
    error = re.sub(r'Traceback \(most recent call last\):\s+File "[^"]*", line \d+\s+\w+: ', "", error)
    depth, kept = 0, ""
    for char in error:
        depth -= char == "]" and depth > 0
        kept += char if not depth else ""
        depth += char == "["
    if len(error) - len(kept) > 60:  # much stands in brackets
        error = kept.replace("[]", "[…]")
    error = " ".join(error.split())
    return error if len(error) <= 300 else f"{error[:300].rpartition(' ')[0] or error[:300]} …"


def _rounded(value: Any) -> Any:
    """As a person would write it, and never long: an answer can be enormous."""
    if isinstance(value, np.ndarray) and value.size > 200:
        return f"array of shape {value.shape}"
    if isinstance(value, np.ndarray):
        return np.round(value.astype(np.float64), 4).tolist() if value.dtype.kind == "f" else value.tolist()
    if isinstance(value, (str, bytes)):
        return value[:200]
    if isinstance(value, dict):
        return {_rounded(key): _rounded(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_rounded(v) for v in value)
    return value


def run_drive(drive: Callable[..., Any], subject: Any, inputs: dict[str, Any]) -> Any:
    """Ask a namespace that is trusted, in this process, with generators seeded."""
    import mxnet as mx

    mx.random.seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    return plain(drive(subject, **deepcopy(inputs)))


def doing(drive: Callable[..., Any], **wrong: Any) -> Callable[[dict], Any]:
    """What drive gets from our own package when these names are replaced by wrong ones."""
    return lambda inputs: run_drive(drive, _Package(wrong), inputs)


class _Package:
    """Our own package, with some names replaced."""

    def __init__(self, names: dict[str, Any]) -> None:
        vars(self).update(names)

    def __getattr__(self, name: str) -> Any:
        import d2lrnn

        return getattr(d2lrnn, name)


def _known(case: Case, inputs: dict, answer: Any, expected: Any) -> str | None:
    """What a good teaching assistant says of a wrong answer, if the mistake is known."""
    own = next((m.message for m in case.mistakes if _shows(m, answer, expected, inputs)), None)
    if (
        own or fault_of(case, inputs, expected, expected) is not None
    ):  # a law judges: answers are not compared
        return own
    mistakes = mistakes_in(case.lesson, case.function)
    found = {told(mistake) for mistake in mistakes if _is_answer_of(mistake, case, inputs, answer)}
    return found.pop() if len(found) == 1 else None  # of several, each would be a guess


def _is_answer_of(mistake: str, case: Case, inputs: dict, answer: Any) -> bool:
    try:
        wrong = run_drive(case.drive, load(mistake), inputs)
        return case.check(answer, wrong, inputs) is None or differs(answer, wrong) is None
    except Exception:
        return False


def _shows(mistake: Mistake, answer: Any, expected: Any, inputs: dict) -> bool:
    try:
        return bool(mistake.shows(answer, expected, inputs))
    except Exception:
        return False


def _failure(case: Case, inputs: dict[str, Any], reply: Reply) -> str:
    if reply.stage == "missing":
        return "not written yet"
    line = f" (line {reply.line})" if reply.line else ""
    if reply.stage == "import":
        return f"the file cannot be run: {reply.error}{line}"
    what = {
        "call": f"{reply.error}{line}",
        "time": f"no answer within {case.seconds:g} seconds: does a loop never end?",
        "memory": "it asked for more memory than a submission may use",
        "died": "the process ended before it had answered",
        "wire": f"the answer cannot be read: {reply.error}",
    }.get(reply.stage, reply.error)
    return f"{question(case, inputs)}: {what}"


def _at(where: str) -> str:
    return f"{where}: " if where else ""


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    return {"NoneType": "None", "str": f"the text {short(value)}"}.get(
        type(value).__name__, type(value).__name__
    )


def _float_differs(answer: Any, expected: float, atol: float, rtol: float, where: str) -> str | None:
    if isinstance(answer, np.ndarray) and answer.ndim == 0:
        answer = answer.item()
    if type(answer) not in (float, int):
        return f"{_at(where)}a number is expected, not {_kind(answer)}"
    if answer == expected or abs(answer - expected) <= atol + rtol * abs(expected) < math.inf:
        return None
    return f"{_at(where)}{answer:g} is wrong"


def _array_differs(answer: Any, expected: np.ndarray, atol: float, rtol: float, where: str) -> str | None:
    if not isinstance(answer, np.ndarray):
        return f"{_at(where)}an array of shape {expected.shape} is expected, not {_kind(answer)}"
    if answer.shape != expected.shape:
        return f"{_at(where)}an array of shape {expected.shape} is expected, not {answer.shape}"
    if answer.dtype.kind != expected.dtype.kind:
        return f"{_at(where)}{expected.dtype} values are expected, not {answer.dtype}"
    if expected.dtype.kind == "f":
        with np.errstate(all="ignore"):
            found, wanted = answer.astype(np.float64), expected.astype(np.float64)
            near = abs(found - wanted) <= atol + rtol * abs(wanted)
            right = (found == wanted) | (near & np.isfinite(wanted))
    else:
        right = answer == expected
    if right.all():
        return None
    first = tuple(int(i) for i in np.argwhere(~right)[0])
    spot = f" at [{', '.join(map(str, first))}]" if first else ""
    how_many = f"{int((~right).sum())} of {right.size} numbers are wrong"
    return f"{_at(where)}{how_many}, the first{spot}: {short(answer[first].item())}"
