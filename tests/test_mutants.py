"""Every classic mistake is caught: the tests of a lesson fail when they run on a mutant of it.

A mutant is lesson NN with something wrong, and names the mistake in its docstring: a file of
d2lrnn/grading/mistakes/, or one of tests/mutants/, of which no student is told. There untold/ breaks what no
student writes, or answers as another mistake does; contexts/ is wrong on a GPU only, and tested by
tests/test_contexts.py. All others are tested by tests/test_NN_name.py --subject FILE, in a child process that
is forked (mxnet need not be loaded again), and whose hypothesis looks for no simpler example.
"""

import gc
import os
import re
import sys
from multiprocessing import get_context
from pathlib import Path

from d2lrnn import CHAPTERS
from d2lrnn.grading.mistakes import FILES

import pytest

TESTS = Path(__file__).parent
MUTANTS = [*FILES, *sorted((TESTS / "mutants").rglob("*.py"))]
NOTHING_WRONG = "from d2lrnn.grading.mistakes import *\n"


def _test_of(mutant: Path) -> Path:
    if mutant.parent.name == "contexts":
        return TESTS / "test_contexts.py"
    number = int(mutant.name[:2])
    return TESTS / f"test_{number:02}_{CHAPTERS[number][0]}.py"


def _run(test: Path, subject: Path, log: Path) -> None:
    gc.freeze()  # pytest collects garbage at its end: not that of the parent
    sys.stdout = sys.stderr = log.open("w")  # not where the parent's pytest has put them
    options = "-x -p no:cacheprovider -p no:cov --hypothesis-profile=whether --tb=line -rN --subject"
    code = pytest.main([str(test), *options.split(), str(subject)])
    sys.stdout.flush()
    os._exit(code)


def _exit_code(test: Path, subject: Path, log: Path) -> int:
    child = get_context("fork").Process(target=_run, args=(test, subject, log))
    child.start()
    child.join(timeout=540)
    if child.is_alive():
        child.kill()
        pytest.fail(f"{subject.name}: still running after nine minutes\n{log.read_text()[-2000:]}")
    assert child.exitcode is not None
    return child.exitcode


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda path: path.stem)
def test_mutant_is_caught(mutant: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"

    code = _exit_code(_test_of(mutant), mutant, log)

    assert code == pytest.ExitCode.TESTS_FAILED, log.read_text()[-2000:]
    assert " failed" in log.read_text().splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("test", sorted(set(map(_test_of, MUTANTS))), ids=lambda path: path.stem)
def test_without_a_mistake_the_same_tests_pass(test: Path, tmp_path: Path) -> None:
    subject, log = tmp_path / "subject.py", tmp_path / "log"
    subject.write_text(NOTHING_WRONG)

    code = _exit_code(test, subject, log)

    assert code == pytest.ExitCode.OK, log.read_text()[-2000:]


def test_a_mutant_names_its_lesson_and_its_mistake() -> None:
    for mutant in MUTANTS:
        number, name = re.match(r"(\d\d)_([a-z]+)_\w+\.py$", mutant.name).groups()  # type: ignore[union-attr]

        assert CHAPTERS[int(number)][0] == name, mutant.name
        assert mutant.read_text("utf-8").startswith('"""'), mutant.name


def test_there_are_at_least_thirty_mistakes_and_some_for_every_lesson() -> None:
    assert len(FILES) >= 30
    assert {int(mistake.name[:2]) for mistake in FILES} == set(CHAPTERS)
