"""Every known mistake against every draw: how often is a wrong function taken for a right one?

`python -m audits.draws` asks each file of grading/mistakes/ the cases of the functions it breaks, without
a sandbox, for the hidden inputs of 200 seeds, and prints where a mistake passes: all cases of a function (it
would have full points), or a case that notices it with some seeds and not with others (its points would be a
matter of luck). Both lists should be empty.
"""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any, NamedTuple

from d2lrnn import CHAPTERS
from d2lrnn.grading.case import Case, fault_of, run_drive
from d2lrnn.grading.cases import CASES
from d2lrnn.grading.marking import Exam
from d2lrnn.grading.mistakes import load, mistakes_in


class Draws(NamedTuple):
    """With which seeds a case takes a mistake for right work."""

    mistake: str
    case: Case
    passed: frozenset[int]


def passes(mistake: str, case: Case, inputs: dict[str, Any], expected: Any) -> bool:
    """Whether the answer of a mistake is right."""
    try:
        answer = run_drive(case.drive, load(mistake), inputs)
    except Exception:
        return False
    return fault_of(case, inputs, answer, expected) is None


def draws_of(case: Case, seeds: Sequence[int], only: str = "") -> list[Draws]:
    """What a case makes of each mistake in its function: the example first, then the hidden inputs."""
    exams = [Exam([case], seed) for seed in seeds]

    def passed(mistake: str, exam: Exam) -> bool:
        return all(passes(mistake, case, *exam.question(case, k)) for k in range(1, exam.num_hidden + 1))

    found = []
    for mistake in mistakes_in(case.lesson, case.function):
        if not re.search(only, mistake):
            continue
        there = exams if passes(mistake, case, *exams[0].question(case, 0)) else []
        found.append(
            Draws(mistake, case, frozenset(exam.seed or 0 for exam in there if passed(mistake, exam)))
        )
    return found


def at(i: int, seeds: Sequence[int], only: str) -> list[tuple[str, frozenset[int]]]:
    """draws_of the i-th case, for another process: a case itself cannot be sent."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [(draws.mistake, draws.passed) for draws in draws_of(CASES[i], seeds, only)]


def measured(indices: Sequence[int], seeds: Sequence[int], only: str, jobs: int) -> Iterator[Draws]:
    """draws_of these cases, by several processes."""
    with ProcessPoolExecutor(jobs, get_context("fork")) as pool:
        for i, found in zip(indices, pool.map(partial(at, seeds=seeds, only=only), indices)):
            yield from (Draws(mistake, CASES[i], passed) for mistake, passed in found)


def taken_for_right(draws: Iterable[Draws]) -> dict[tuple[str, str], frozenset[int]]:
    """(mistake, function) -> the seeds with which it is right in all cases of the function."""
    right: dict[tuple[str, str], frozenset[int]] = {}
    for mistake, case, passed in draws:
        key = mistake, case.function
        right[key] = right.get(key, passed) & passed
    return {key: passed for key, passed in right.items() if passed}


def by_luck(draws: Iterable[Draws], num_seeds: int) -> list[Draws]:
    """Where a case notices a mistake with some seeds only."""
    return [found for found in draws if 0 < len(found.passed) < num_seeds]


def main(argv: Sequence[str] | None = None) -> int:
    """Print what passes; 1 if anything does."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=200, help="how many [%(default)s]")
    parser.add_argument("--lesson", type=int, choices=CHAPTERS, action="append", help="only these lessons")
    parser.add_argument("--only", default="", metavar="PATTERN", help="only mistakes whose names match")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="processes [%(default)s]")
    args = parser.parse_args(argv)
    indices = [i for i, case in enumerate(CASES) if not args.lesson or case.lesson in args.lesson]
    draws = []
    for found in measured(indices, range(1, args.seeds + 1), args.only, args.jobs):
        draws.append(found)
        if by_luck([found], args.seeds):
            print(f"by luck, {len(found.passed)} of {args.seeds}: {found.mistake}, {found.case}", flush=True)
    right = taken_for_right(draws)
    for (mistake, function), passed in right.items():
        print(f"taken for right, {len(passed)} of {args.seeds}: {mistake}, {function}")
    lucky = by_luck(draws, args.seeds)
    print(
        f"{len({found.mistake for found in draws})} mistakes, {len(draws)} times a case, {args.seeds} seeds: "
        f"{len(right)} taken for right, {len(lucky)} noticed by luck"
    )
    return 1 if right or lucky else 0


if __name__ == "__main__":
    sys.exit(main())
