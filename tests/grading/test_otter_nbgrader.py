"""Courses with otter-grader or nbgrader ask us from tests of their own: what grading.md shows is tried."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import d2lrnn

import nbformat
import pytest
from in_process import lessons

BIN = Path(sys.executable).parent  # nbgrader calls alembic
ROOT = Path(d2lrnn.__file__).parent.parent
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "chapters/en/grading.md").read_text("utf-8"), re.S)
(FOR_OTTER,) = [block for block in BLOCKS if "OK_FORMAT" in block]
(FOR_NBGRADER,) = [block for block in BLOCKS if "BEGIN HIDDEN TESTS" in block]
RIGHT = lessons(3).replace("from mxnet", "import d2lrnn\nfrom mxnet", 1)
WRONG = RIGHT.replace("try_gpu(), ndim=2).T]", "try_gpu(), ndim=2)]")
FUNCTIONS = ["one_hot", "get_inputs"]
MISCONCEPTION = "one matrix for every sequence, not for every time step"
OTTER = """
from otter.api import grade_submission
from otter.generate import main as generate

generate(tests_dir="tests", output_path="autograder.zip", no_environment=True)
results = grade_submission("homework.ipynb", "autograder.zip", quiet=True)
found = {name: [results.get_score(name), results.get_result(name).summary()] for name in FUNCTIONS}
"""
NBGRADER = """
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config

api = NbGraderAPI(config=Config(CourseDirectory={"course_id": "rnn", "root": os.getcwd()}))
for step in (api.generate_assignment, ("hw",)), (api.autograde, ("hw", "bob")):
    done = step[0](*step[1])
    assert done["success"], done["log"]
(book,) = api.gradebook.find_submission("hw", "bob").notebooks
found = {grade.name: grade.score for grade in book.grades}
"""


def needs(package: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed")


def run(code: str, folder: Path) -> Any:
    """What is in `found` at the end."""
    code = (
        f"import json, os\nFUNCTIONS = {FUNCTIONS}\n{code}\nopen('found.json', 'w').write(json.dumps(found))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "found.json").read_text("utf-8"))


@pytest.mark.slow
@needs("otter")
def test_otter_asks_one_function_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    for name in FUNCTIONS:
        (tmp_path / "tests" / f"{name}.py").write_text(FOR_OTTER.replace("one_hot", name))
    cells = ["import otter\ngrader = otter.Notebook()", WRONG]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(book, tmp_path / "homework.ipynb")

    found = run(OTTER, tmp_path)

    assert [found[name][0] for name in FUNCTIONS] == [2, 0]
    assert MISCONCEPTION in found["get_inputs"][1]


@pytest.mark.slow
@needs("nbgrader")
def test_nbgrader_asks_in_a_cell_and_keeps_the_seed_to_itself(tmp_path: Path) -> None:
    for folder, text in {"source/hw": RIGHT, "submitted/bob/hw": WRONG}.items():
        cells = [cell("solution", f"### BEGIN SOLUTION\n{text}\n### END SOLUTION", solution=True)]
        cells += [
            cell(name, FOR_NBGRADER.replace("one_hot", name), grade=True, locked=True, points=2)
            for name in FUNCTIONS
        ]
        (tmp_path / folder).mkdir(parents=True)
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), tmp_path / folder / "hw.ipynb")

    found = run(NBGRADER, tmp_path)

    assert found == {"one_hot": 2, "get_inputs": 0}
    assert "seed" not in (tmp_path / "release" / "hw" / "hw.ipynb").read_text("utf-8")
    assert "seed" in (tmp_path / "source" / "hw" / "hw.ipynb").read_text("utf-8")


def cell(name: str, text: str, **nbgrader: object) -> nbformat.NotebookNode:
    all_ = {
        "schema_version": 3,
        "grade_id": name,
        "grade": False,
        "locked": False,
        "solution": False,
        "task": False,
    }
    return nbformat.v4.new_code_cell(text, metadata={"nbgrader": all_ | nbgrader})
