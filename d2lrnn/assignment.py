"""Write the functions of the course yourself, and see in seconds how far you have got.

    python -m d2lrnn.assignment new mine --lesson rnn   files to fill in
    python -m d2lrnn.assignment check mine              what is right so far

`check` takes a folder, a .py or an .ipynb, and tries your functions on the examples of the course; without
--lesson, on those of every lesson that your file has a part of. It exits with 0 if everything written so far
is right, and with 1 if not. Grading tries more: hidden inputs.

In a notebook one cell does it: `from d2lrnn.assignment import check; check()` takes the cells that were run.
`passes` is the same for the tests of otter-grader and nbgrader: see chapters/en/grading.md.
"""

from __future__ import annotations

if __name__ == "__main__":  # before what takes long to load
    from .cli import begin

    begin("python -m d2lrnn.assignment")

import argparse
import importlib
import json
import os
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING

from . import LESSON_OF
from .cli import Parser, command_line, complain, exit_code, interrupting, is_terminal, put, tell
from .compat import CannotLoad
from .grading.jail import Jail, JailError
from .grading.loading import load_mxnet
from .grading.skeleton import find_lessons, notebook, submission_text

if TYPE_CHECKING:
    from .grading.marking import Marks
    from .grading.submissions import Submission

PROG = "python -m d2lrnn.assignment"


def main(argv: Sequence[str] | None = None) -> int:
    """Begin or check an assignment. 0: done, 1: not all that is written is right, 2: a user's mistake."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.command == "new":
            return _new(Path(arguments.folder), arguments.lesson)
        with interrupting():  # there are processes to end
            return 0 if _show(_marks_of_lessons(arguments.path, arguments.lesson, alone=True)) else 1
    except (ValueError, OSError, CannotLoad, JailError, BrokenProcessPool) as error:
        complain(PROG, error)
        return 2
    except KeyboardInterrupt as interrupt:
        complain(PROG, "stopped")
        return exit_code(interrupt)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROG, description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    new = commands.add_parser(
        "new", help="write the files to fill in", description=f"    {PROG} new mine --lesson onehot rnn"
    )
    new.add_argument("folder", metavar="DIR", help="folder for submission.py and exercises.ipynb")
    check = commands.add_parser(
        "check", help="say what is right and what is not", description=f"    {PROG} check mine/submission.py"
    )
    check.add_argument(
        "path", metavar="DIR|FILE", nargs="?", default=".", help="your work (default: the current folder)"
    )
    for command in (new, check):
        command.add_argument(
            "--lesson",
            nargs="+",
            metavar="LESSON",
            help="only these lessons, by name or number (default: all)",
        )
    return parser


def _new(folder: Path, wanted: Sequence[str] | None) -> int:
    lessons = find_lessons(wanted)
    from .grading.cases import GRADED

    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "submission.py": submission_text(lessons, GRADED),
        "exercises.ipynb": notebook(lessons, GRADED, folder.resolve()),
    }
    for name in texts:
        if (folder / name).exists():
            raise ValueError(f"{folder / name} is there already: give another folder, or move it away")
    for name, text in texts.items():
        with (folder / name).open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    tell(f"{folder}/ holds submission.py and exercises.ipynb: write in one of them, then")
    tell(command_line("d2lrnn.assignment", "check", folder))
    return 0


def check(
    submission: str | os.PathLike[str] | None = None, *, lesson: str | int | Sequence[str] | None = None
) -> None:
    """Print what is right, what is not, and what is not written yet.

    submission: a .py, an .ipynb or a folder; None, in a notebook: its cells that were run. lesson: one, or
    several; by default those of which the submission has something.

    Raises:
        ValueError: there is no such lesson, or the submission cannot be read.
        FileNotFoundError: there is no such file.
    """
    _show(_marks_of_lessons(submission, [str(lesson)] if isinstance(lesson, (str, int)) else lesson))


def passes(
    function: str, submission: str | os.PathLike[str] | None = None, *, seed: int | None = None
) -> bool:
    """Whether a function is right; if not, print what is wrong. For otter and nbgrader.

    submission: as for check. seed: try hidden inputs, too; what is wrong with these is not printed.

    Raises:
        ValueError: no such function is graded, or the submission cannot be read.
    """
    from .grading.cases import GRADED
    from .grading.report import check_report, function_state

    if function not in GRADED:
        raise ValueError(f"{function!r} is not graded: give one of {', '.join(GRADED)}")
    marks = _marks(_given(submission), function=function, seed=seed)
    right = marks.status == "graded" and function_state(marks.outcomes) == "right"
    if not right:
        put(check_report(marks))
    return right


def _marks_of_lessons(
    path: str | os.PathLike[str] | None, wanted: Sequence[str] | None, *, alone: bool = False
) -> Marks:
    submission = _given(path)
    begun = [LESSON_OF[name] for name in submission.defined]
    return _marks(submission, lessons=find_lessons(wanted or begun), alone=alone)


def _given(path: str | os.PathLike[str] | None) -> Submission:
    from .grading.submissions import read_submissions

    if path is None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "cells.ipynb"
            file.write_text(_cells_run(), "utf-8")
            (submission,) = read_submissions([file])
    else:
        (submission,) = read_submissions([path], single=True)
    if submission.problem:
        raise ValueError(submission.problem)
    return submission


def _cells_run() -> str:
    """The cells of this kernel that were run so far, as a notebook."""
    try:
        shell = get_ipython()  # type: ignore[name-defined]
    except NameError:
        raise ValueError("there is no notebook here: give the path of your submission") from None
    cells = [{"cell_type": "code", "source": text} for text in shell.history_manager.input_hist_raw]
    return json.dumps({"cells": cells})


def _marks(
    submission: Submission,
    *,
    lessons: Sequence[int] | None = None,
    function: str | None = None,
    seed: int | None = None,
    alone: bool = False,
) -> Marks:
    """alone: nothing else in this process uses mxnet, as other cells of a notebook would."""
    loading = threading.Thread(target=_load, args=[alone])
    loading.start()
    with Jail("best", as_root=True) as jail:  # it is the user's own work
        loading.join()
        from .grading.cases import CASES
        from .grading.marking import Exam, mark

        cases = [
            case
            for case in CASES
            if (lessons is None or case.lesson in lessons) and function in (None, case.function)
        ]
        exam = Exam(cases, seed)
        with exam.made_ahead():
            return mark(submission, exam, jail)


def _load(alone: bool) -> None:
    """Load mxnet here while the jail loads it, too, since it takes seconds."""
    if alone:
        load_mxnet()
    importlib.import_module("d2lrnn.grading.cases")


def _show(marks: Marks) -> bool:
    """Print; whether all that is written is right."""
    from .grading.marking import by_function
    from .grading.report import check_report, function_state

    colour = is_terminal(sys.stdout) and not os.environ.get("NO_COLOR")
    put(check_report(marks, colour=colour))
    groups = by_function(marks.outcomes).values()
    return marks.status == "graded" and all(function_state(outcomes) != "wrong" for outcomes in groups)


if __name__ == "__main__":
    sys.exit(main())
