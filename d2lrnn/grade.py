"""Grade what a class has handed in.

    python -m d2lrnn.grade class/ --out results         a file for each student
    python -m d2lrnn.grade class.zip --out results      the same in an archive
    python -m d2lrnn.grade late.py --out results        later: the same inputs
    python -m d2lrnn.grade --write-points points.toml   points of the cases
    python -m d2lrnn.grade --gradescope grader.zip      for Gradescope

DIR gets grades.csv, class.html, suspicions.jsonl, similarity.csv and, for every submission,
feedback/NAME/feedback.html and results.json. Points and comments of your own go into DIR/adjustments.csv.
DIR/seed decides the hidden inputs: keep it to yourself. An interrupted run continues where it stopped.
"""

from __future__ import annotations

if __name__ == "__main__":  # before what takes long to load
    from .cli import begin

    begin("python -m d2lrnn.grade")

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

from . import _cores
from .cli import Parser, complain, exit_code, interrupting, tell
from .compat import CannotLoad
from .grading.jail import JailError
from .grading.loading import load_mxnet
from .grading.skeleton import find_lessons

PROG = "python -m d2lrnn.grade"


def main(argv: Sequence[str] | None = None) -> int:
    """Grade. 0: done, 2: a mistake of the user, 130, 143 or 129: stopped, 1: a fault of ours."""
    arguments = _parser().parse_args(argv)
    if not (arguments.submissions or arguments.write_points or arguments.gradescope):
        complain(PROG, "nothing to grade: give files, folders or archives; see --help")
        return 2
    if arguments.submissions and not arguments.out:
        complain(PROG, "where to? give --out DIR")
        return 2
    if arguments.jobs is not None and arguments.jobs < 1:
        complain(PROG, f"-j {arguments.jobs}: give a number of at least 1")
        return 2
    if not _is_encoding(arguments.zip_names):
        complain(PROG, f"--zip-names {arguments.zip_names}: give an encoding of Python, such as gbk or cp949")
        return 2
    try:
        return _run(arguments)
    except (ValueError, OSError, CannotLoad, JailError) as error:
        complain(PROG, error)
        return 2
    except KeyboardInterrupt as interrupt:
        complain(PROG, "stopped; the same command goes on from here")
        return exit_code(interrupt)
    except BrokenProcessPool:
        complain(PROG, "a process of the grader was killed; the same command goes on from here")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROG, description=__doc__)
    parser.add_argument(
        "submissions",
        nargs="*",
        metavar="SUBMISSION",
        help=".py, .ipynb, a folder, or a .zip (default: none)",
    )
    parser.add_argument("--out", metavar="DIR", help="folder for the results (default: none; required)")
    parser.add_argument(
        "--seed", metavar="FILE|N", help="seed of the hidden inputs (default: DIR/seed, drawn the first time)"
    )
    parser.add_argument(
        "--points",
        metavar="FILE",
        help="points of the cases (default: DIR/points.toml, or those of the course)",
    )
    parser.add_argument(
        "--isolation", choices=("strict", "best", "minimal"), default="best",
        help="sandbox of the submissions; strict: all defences or refuse; best: all that this machine has; "
        "minimal: limits only",
    )  # fmt: skip
    parser.add_argument(
        "--lesson", nargs="+", metavar="LESSON", help="only these lessons, by name or number (default: all)"
    )
    parser.add_argument(
        "--single", action="store_true", help="every SUBMISSION is one student's, even a folder"
    )
    parser.add_argument(
        "-j", "--jobs", type=int, metavar="N",
        help="submissions graded at once (default: the number of cores)",
    )  # fmt: skip
    parser.add_argument(
        "--write-points", metavar="FILE", help="write the points to a file, to edit (default: off)"
    )
    parser.add_argument(
        "--gradescope", metavar="OUT.zip", help="write an autograder for Gradescope (default: off)"
    )
    _add_students(parser)
    return parser


def _add_students(parser: argparse.ArgumentParser) -> None:
    """What a class and a platform need, beside the submissions."""
    parser.add_argument(
        "--attempts", choices=("last", "best"), default="last",
        help="of several attempts of a student, the one that counts",
    )  # fmt: skip
    parser.add_argument(
        "--attempt", metavar="FILE|N",
        help="number of the attempt of every SUBMISSION, or Gradescope's submission_metadata.json; each gets "
        "hidden inputs of its own (default: counted)",
    )  # fmt: skip
    parser.add_argument(
        "--roster", metavar="FILE",
        help=".csv of the course with the columns id, name, email, section, extension (in days): lists those "
        "missing, and fills DIR/imports for learning platforms (default: none)",
    )  # fmt: skip
    parser.add_argument(
        "--title", default="d2lrnn", help="of the assignment, in the tables for learning platforms"
    )
    parser.add_argument(
        "--anonymous", action="store_true", help="reports without names; DIR/names.csv has them"
    )
    parser.add_argument(
        "--regrade", action="store_true", help="grade again what was graded before; DIR/changes.csv compares"
    )
    parser.add_argument(
        "--zip-names", metavar="ENCODING",
        help="encoding of names in a .zip that does not say it, such as cp949 (default: UTF-8, or else GBK)",
    )  # fmt: skip


def _run(arguments: argparse.Namespace) -> int:
    lessons = find_lessons(arguments.lesson)
    load_mxnet()
    with interrupting():  # there are processes to end
        return _grade(arguments, lessons)


def _grade(arguments: argparse.Namespace, lessons: Sequence[int]) -> int:
    from .grading.cases import CASES
    from .grading.marking import POINTS_FILE, Exam, read_points, write_points
    from .grading.results import Results, new_seed, read_attempt, read_seed
    from .grading.submissions import read_submissions

    cases = [case for case in CASES if case.lesson in lessons]
    if arguments.write_points or arguments.gradescope:
        points = write_points(read_points(Path(arguments.points or POINTS_FILE), CASES), cases)
    if arguments.write_points:
        _new(arguments.write_points).write_text(points, "utf-8")
        tell(f"{arguments.write_points} has {len(cases)} cases: edit their points, give it as --points")
    if arguments.gradescope:
        from .grading.gradescope import write_autograder

        seed = new_seed() if arguments.seed is None else read_seed(arguments.seed)
        write_autograder(_new(arguments.gradescope), seed, points, arguments.lesson, arguments.isolation)
        tell(f"{arguments.gradescope} is an autograder for Gradescope, with its seed: keep it to yourself")
    if not arguments.submissions:
        return 0
    best = arguments.attempts == "best"
    submissions = read_submissions(
        arguments.submissions, single=arguments.single, every=best, encoding=arguments.zip_names, say=tell
    )
    if arguments.attempt is not None:
        attempt = read_attempt(arguments.attempt)
        submissions = [replace(submission, attempt=attempt) for submission in submissions]
    results = Results(
        Path(arguments.out),
        arguments.seed,
        arguments.points,
        roster=arguments.roster,
        best=best,
        title=arguments.title,
    )
    if arguments.anonymous:
        submissions = results.anonymised(submissions)
    exam, jobs = Exam(cases, results.seed), arguments.jobs or _cores
    results.grade(submissions, exam, arguments.isolation, jobs, again=arguments.regrade)
    results.report(exam)
    return 0


def _is_encoding(name: str | None) -> bool:
    try:
        return name is None or b"a".decode(name) == "a"
    except (LookupError, ValueError):
        return False


def _new(name: str) -> Path:
    if Path(name).exists():
        raise ValueError(f"{name} is there already: give another name, or move it away")
    return Path(name)


if __name__ == "__main__":
    sys.exit(main())
