"""Right implementations as people write them, one a file of styles/, have full points; what is cut is named.

They are one-file scripts, exports, notebooks, with helpers and return values of their own. Files of variants/
vary the style of single functions; these are whole submissions, read and graded as they come.
"""

import ast
from functools import cache
from pathlib import Path

from d2lrnn.grading import cutting
from d2lrnn.grading.cases import CASES
from d2lrnn.grading.jail import Jail
from d2lrnn.grading.lent_code import program
from d2lrnn.grading.marking import Exam, Marks, mark
from d2lrnn.grading.submissions import read_submissions

import pytest
from in_process import EXAM, OpenJail

STYLES = sorted((Path(__file__).parent / "styles").iterdir())
OWN = "with your own versions of earlier functions"
LEFT_OUT = {  # what is to be read of each file, beside its points
    "arguments.py": (
        "lines 38-40 cut out: no definition",
        "lines 14-15 cut out: FileNotFoundError",
    ),
    "colab_export.py": (
        "commands of a notebook: !pip, !nvidia-smi, !ls, %timeit",
        "lines 10-11, ",
        "line 13 cut out: ModuleNotFoundError",
        "line 59 cut out: ",
    ),
    "jupyter_export.py": (
        "commands of a notebook: get_ipython()",
        "line 78 cut out: training",
        "line 64, line 85 cut out: no definition",
    ),
    "notebook.ipynb": (
        "code cell 6 cut out: SyntaxError",
        "lines 2-6 of code cell 9 cut out: training",
    ),
    "other_helpers.py": (f"graded as get_inputs, predict_rnn need: {OWN}",),
    "tutorial_script.py": ("lines 112-120 cut out: training", "line 106 cut out: FileNotFoundError"),
    "whole_project.py": (f"graded as train_batches, train_epoch, evaluate need: {OWN}",),
}
each_style = pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)


@cache
def graded_openly(path: Path) -> Marks:
    """In this process: we have written it."""
    (submission,) = read_submissions([path])
    return mark(submission, EXAM, OpenJail())


def lost(marks: Marks) -> list[str]:
    """What a submission has lost in the functions that it defines."""
    return [f"{o.function}: {o.case}: {o.message}" for o in marks.outcomes if not (o.missing or o.right)]


@pytest.mark.slow
def test_there_are_many_styles_and_together_they_write_the_first_lessons() -> None:
    found = {o.function for path in STYLES for o in graded_openly(path).outcomes if o.right}

    assert len(STYLES) >= 12
    assert {case.function for case in CASES if case.lesson <= 12} - found == {
        "load_corpus", "try_gpu", "generate", "train_and_predict_rnn", "grad_norms_by_lag",
    }  # fmt: skip


@pytest.mark.slow
@each_style
def test_right_work_in_any_style_has_full_points_and_what_is_cut_is_named(path: Path) -> None:
    marks = graded_openly(path)

    assert marks.status == "graded"
    assert lost(marks) == []
    assert sum(outcome.right for outcome in marks.outcomes) >= 8
    for words in LEFT_OUT.get(path.name, ()):
        assert words in marks.note
    assert marks.note or path.name not in LEFT_OUT


@pytest.mark.slow
@each_style
def test_in_a_worker_they_have_full_points_too(path: Path, jail: Jail) -> None:
    (submission,) = read_submissions([path])

    assert lost(mark(submission, Exam(CASES, 1), jail)) == []


# --- what is cut out of a file ----------------------------------------------------------------------


def cut(*cells: str, run: bool = True) -> tuple[list[str], list[str]]:
    """What is left of each cell, and what is said."""
    names: dict = {}
    exec(program(cutting.cuts), names)
    values = names["drive"](None, list(cells), ["train_epoch"], run)
    found = [cutting.cuts_in(value, text) for value, text in zip(values, cells)]
    numbers = [0] if len(cells) == 1 else range(1, len(cells) + 1)
    return [cutting.without(*pair) for pair in zip(cells, found)], cutting.told(
        list(zip(numbers, cells)), found
    )


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("x = 1; print(x); y = 2", "x = 1; pass; y = 2"),
        ("print(\n    1)\ny = 2", "pass\n\ny = 2"),
        ("名 = '分'; print(名); y = 2", "名 = '分'; pass; y = 2"),
        ("import math, nosuch, os", "import math, os"),
        ("from math import nosuch, pi", "from math import pi"),
        ("!pip install x\n%time f()\nfiles = !ls\nnd.dot?", "pass\npass\npass\npass"),
        ("!{sys.executable} -m pip \\\n    install x\n?nd.dot\na, b = %time f()", "pass\n\npass\npass"),
        ("if True:\n    %time f()\nx = 7 % 4", "if True:\n    pass\nx = 7 % 4"),
        ("x = 7\ny = (7\n     %x)", "as it is"),
        ("%%bash\nls\nx = 1", "pass\n\n"),
        ("%%time\nz = 1", "pass\nz = 1"),
        ("x = [1]\nx.append(2)\nx[0].y()", "x = [1]\nx.append(2)\npass"),
        ("assert 1\nraise ValueError\nexit()\nwhile True: pass", "pass\npass\npass\npass"),
        ("x = open('nosuch')\ny = x", "pass\npass"),
        ("@nosuch\n@other\ndef f():\n    pass\nz = 1", "pass\n\n\n\nz = 1"),
        ("import mxnet as mx\ndef go():\n    mx.f().backward()\nx = go()", None),
        ("def fit():\n    train()\ndef train():\n    loss.backward()\nx = fit()", None),
        ("def make():\n    def go():\n        loss.backward()\n    return go\nstep = make()", "as it is"),
        ("class A:\n    def go(self):\n        loss.backward()\nstep = A()", "as it is"),
        (
            "def backward():\n    pass\ndef make():\n    backward()\n    return len\ntrain_epoch = make()",
            "as it is",
        ),
        ("if 1:\n    x = 1\nelse:\n    print(2)", "as it is"),
        ("if __name__ == '__main__':\n    go()", "as it is"),
        ("for x in 'ab':\n    globals()[x] = len", "as it is"),
        ("for x in 'ab':\n    go(x)", "pass\n"),
        ("try:\n    import nosuch\nexcept ImportError:\n    nosuch = None\n    print('no')", "as it is"),
        ("with open('nosuch') as f:\n    x = f.read()", "pass\n"),
        ("'a text'\nx: int = 1\nx += 1\ndel x", "as it is"),
    ],
)
def test_definitions_are_kept_and_the_rest_is_cut(text: str, left: str | None) -> None:
    (found,), said = cut(text)

    last_cut = text.rpartition("\n")[0] + "\npass"
    assert found == {"as it is": text, None: last_cut}.get(left, left)
    assert bool(said) == (found != text)
    assert left is not None or said[0].endswith("cut out: training")
    assert found.count("\n") == text.count("\n")


def test_places_are_joined_where_no_code_stands_between() -> None:
    _, said = cut("x = 1\nprint(1)\n# a\n\nprint(2)\ny = 2\nprint(3)", "print(1)\n# b\nprint(2)", "x = (")

    assert said == [
        "lines 2-5 of code cell 1, line 7 of code cell 1, code cell 2 cut out: no definition",
        "code cell 3 cut out: SyntaxError: '(' was never closed (line 1)",
    ]


def test_each_command_of_a_notebook_is_named_once() -> None:
    _, said = cut(
        "%matplotlib inline\n!pip install a\nx = 1\nfiles = !ls -l\nnd.dot??",
        "!pip install b",
        "%%html\n<b>",
        "get_ipython().system('ls')\ny = 1",
    )

    (places, names) = said[0].split(" cut out: commands of a notebook: ")
    assert places == (
        "lines 1-2 of code cell 1, lines 4-5 of code cell 1, code cell 2, code cell 3, line 1 of code cell 4"
    )
    assert names == "%matplotlib, !pip, !ls, nd.dot??, %%html, get_ipython()"
    assert len(said) == 1


def test_what_cannot_be_run_is_cut_by_its_looks() -> None:
    (found,), _ = cut("import os\nos._exit(0)\nx = os.getpid()\ny = 3\ndef f():\n    return x", run=False)

    assert found == "import os\npass\npass\ny = 3\ndef f():\n    return x"


@pytest.mark.parametrize(
    "claim",
    [
        None, 7, "x", [7], [[]], [[1, 0, 1]], [[0, 0, 1, 1, "", "pass"]], [[1, 0, 9, 1, "", "pass"]],
        [[2, 0, 1, 0, "", "pass"]], [[1, 3, 1, 2, "", "pass"]], [[1, 0, 1, 99, "", "pass"]],
        [[1, 0, 1, 2, "", "import os\nx = 1"]], [[1, -1, 1, 2, "", "pass"]], [[1, 0, 1, 2, 5, "pass"]],
        [[True, 0, 1, 2, "", "pass"]], [[1.0, 0, 1, 2, "", "pass"]],
    ],
)  # fmt: skip
def test_a_claim_of_a_worker_that_fits_no_place_is_not_heard(claim: object) -> None:
    assert cutting.cuts_in(claim, "x = 1\ny = 2") == []


def test_of_claims_that_overlap_the_first_is_heard() -> None:
    found = cutting.cuts_in([[1, 0, 2, 1, "a", "pass"], [2, 0, 2, 5, "b", "pass"]], "x = 1\ny = 2")

    assert [item.why for item in found] == ["a"]
    ast.parse(cutting.without("x = (1,\n2)", cutting.cuts_in([[1, 0, 2, 2, "", "pass"]], "x = (1,\n2)")))
