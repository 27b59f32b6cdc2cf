"""A course that uses otter-grader asks us from a test of its own. Tried with otter, where it is installed."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from d2lrnn import CHAPTERS, assignment
from d2lrnn.grading.leans import source_of

# the test file of the docstring of d2lrnn.assignment, which otter's manual calls OK format
TEST = """\
OK_FORMAT = True
test = {"name": "one_hot", "points": 2, "suites": [{"type": "doctest", "cases": [
    {"code": ">>> from d2lrnn.assignment import passes\\n>>> passes('one_hot')\\nTrue"}]}]}
"""
RIGHT = source_of((CHAPTERS[3][0], name) for name in CHAPTERS[3][1].split())
WRONG = RIGHT.replace(
    "check_indices(data, vocab_size, ndim=2).T]", "check_indices(data, vocab_size, ndim=2)]"
)


def test_the_documented_test_is_the_one_that_is_tried() -> None:
    assert assignment.__doc__
    documented = [line.strip() for line in assignment.__doc__.splitlines()]

    assert [line.strip() for line in TEST.splitlines()] == documented[documented.index("OK_FORMAT = True") :][
        :3
    ]


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("otter") is None, reason="otter-grader is not installed")
def test_otter_asks_one_function_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "results").mkdir()
    for name in ("one_hot", "get_inputs"):
        (tmp_path / "tests" / f"{name}.py").write_text(TEST.replace("one_hot", name))
    cells = ["import otter\ngrader = otter.Notebook()", WRONG, "grader.check('one_hot')"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(book, tmp_path / "homework.ipynb")
    environment = {**os.environ, "PYTHONPATH": str(Path(assignment.__file__).parent.parent)}

    for command in (
        ["generate", "-t", "tests", "-o", "autograder.zip", "--no-environment"],
        ["run", "-a", "autograder.zip", "-o", "results", "--no-logo", "homework.ipynb"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "otter", *command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    found = json.loads((tmp_path / "results" / "results.json").read_text("utf-8"))["tests"]
    scores = {test["name"]: test["score"] for test in found if "score" in test}
    assert scores == {"one_hot": 2, "get_inputs": 0}
    (said,) = [test["output"] for test in found if test["name"] == "get_inputs"]
    assert "one matrix for every sequence, not for every time step" in said
