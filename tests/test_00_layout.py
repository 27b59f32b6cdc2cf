"""The house: lesson n is a module, a test and a chapter in two languages; imports run downward only."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import d2lrnn
from d2lrnn import CHAPTERS

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "d2lrnn"
LESSONS = {name: number for number, (name, _) in CHAPTERS.items()}
COMMANDS = {
    "__main__",
    "config",
    "terminal",
    "signals",
    "folder",
    "run",
    "resume",
    "begin",
    "material",
    "role",
    "curve",
    "train",
    "predict",
    "network_file",
    "onnx_graph",
    "export",
    "assignment",
    "grade",
}  # ceremony on top of the lessons
GROUND = {"compat", "checks", "corpora"}  # what lessons stand on: MXNet on today's Python, refusals, files
PARTS = {"cells", "layers", "learning", "writing"}  # of lesson 15, which is too long for one file
STORE = {"store"}  # of lesson 17 likewise
PYTHON_FILES = sorted(PACKAGE.glob("*.py"))
GRADING = sorted((PACKAGE / "grading").glob("*.py"))
LAUNCHING = sorted((PACKAGE / "launching").glob("*.py"))


def _imports(module: str) -> set[str]:
    """The modules of this package that a module imports, at its top or inside a function."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    relative = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    return {node.module for node in relative if node.module}


def test_every_module_is_a_lesson_a_command_or_ground() -> None:
    modules = {path.stem for path in PYTHON_FILES} - {"__init__"}

    assert modules == set(LESSONS) | COMMANDS | GROUND | PARTS | STORE


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_imports_only_lessons_before_it(lesson: str) -> None:
    before = {name for name, number in LESSONS.items() if number < LESSONS[lesson]}

    parts = {"fast": PARTS, "dist": STORE}.get(lesson, set())
    assert _imports(lesson) <= before | GROUND | parts


def test_the_parts_of_lesson_15_import_only_lessons_before_it() -> None:
    before = {name for name, number in LESSONS.items() if number < LESSONS["fast"]}

    assert all(_imports(part) <= before | GROUND | PARTS for part in PARTS)


def test_the_ground_imports_no_lesson() -> None:
    assert all(_imports(module) <= GROUND for module in GROUND)


def test_no_lesson_but_concise_uses_anything_from_gluon() -> None:
    for lesson in set(LESSONS) - {"concise"}:
        assert "gluon" not in re.sub(
            r'""".*?"""|#.*', "", (PACKAGE / f"{lesson}.py").read_text(encoding="utf-8"), flags=re.S
        )


@pytest.mark.parametrize(("number", "name"), [(number, name) for number, (name, _) in CHAPTERS.items()])
def test_a_lesson_has_a_test_of_its_number(number: int, name: str) -> None:
    assert (ROOT / f"tests/test_{number:02}_{name}.py").is_file()


def test_every_numbered_test_and_chapter_belongs_to_a_lesson() -> None:
    stems = {f"{number:02}-{name}" for number, (name, _) in CHAPTERS.items()}

    tests = {path.stem[5:].replace("_", "-") for path in (ROOT / "tests").glob("test_[0-9]*.py")} - {
        "00-layout"
    }
    zh, en = (
        {path.stem for path in (ROOT / "chapters" / language).glob("[0-9]*.md")} for language in ("zh", "en")
    )

    assert tests == stems
    assert zh == en
    assert zh <= stems


def test_every_name_of_the_table_is_importable_and_defined_in_its_lesson() -> None:
    for lesson, names in CHAPTERS.values():
        module = importlib.import_module(f"d2lrnn.{lesson}")
        for name in names.split():
            assert getattr(d2lrnn, name) is getattr(module, name)
            assert name in vars(module)


def test_the_functions_rnn_gru_and_lstm_win_over_the_lessons_of_their_names() -> None:
    for name in ("rnn", "gru", "lstm"):
        module = importlib.import_module(f"d2lrnn.{name}")

        assert getattr(d2lrnn, name) is getattr(module, name)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'transformer'"):
        d2lrnn.transformer  # noqa: B018


def test_importing_the_package_loads_neither_mxnet_nor_numpy() -> None:
    code = "import sys, d2lrnn, d2lrnn.config; print({'mxnet', 'numpy', 'matplotlib'} & set(sys.modules))"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_only_assignment_and_grade_know_the_grading() -> None:
    modules = {path.stem for path in PYTHON_FILES}

    assert {m for m in modules if any(i.startswith("grading") for i in _imports(m))} == {
        "assignment",
        "grade",
    }


def test_only_train_and_how_it_begins_know_the_launching() -> None:
    modules = {path.stem for path in PYTHON_FILES}

    assert {m for m in modules if any(i.startswith("launching") for i in _imports(m))} == {
        "begin",
        "role",
        "train",
    }


def test_the_packages_inside_list_their_parts() -> None:
    parts = {"grading": {path.stem for path in GRADING} | {"cases"}, "launching": {p.stem for p in LAUNCHING}}
    for package, modules in parts.items():
        text = (PACKAGE / package / "__init__.py").read_text(encoding="utf-8")

        assert set(re.findall(r"(?m)^(\w+)  ", text)) == modules - {"__init__"}


def test_the_cases_are_sorted_by_lessons() -> None:
    modules = {path.stem for path in (PACKAGE / "grading" / "cases").glob("*.py")}

    assert modules == set(LESSONS) | {"__init__", "driving"}


@pytest.mark.parametrize(
    "path", [*PYTHON_FILES, *GRADING, *LAUNCHING], ids=lambda path: path.relative_to(PACKAGE).as_posix()[:-3]
)
def test_functions_are_short_and_public_ones_have_docstrings(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    private = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name.startswith("_")]
    inner = [node for outer in [*functions, *private] for node in ast.walk(outer) if node is not outer]
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node) or node in inner, node.name
    for function in functions:
        body = function.body[1:] if ast.get_docstring(function) else function.body
        num_lines = (function.end_lineno or 0) - body[0].lineno if body else 0
        assert num_lines < 40, f"{function.name} has more than 40 lines"


def test_a_lesson_is_about_a_hundred_lines() -> None:
    for lesson in LESSONS:
        assert len((PACKAGE / f"{lesson}.py").read_text(encoding="utf-8").splitlines()) <= 180, lesson
