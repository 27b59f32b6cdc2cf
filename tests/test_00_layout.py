"""The house: lesson n is a module, a test and a chapter in two languages; imports run downward only."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import d2lrnn
from d2lrnn import CHAPTERS
from d2lrnn.__main__ import COMMANDS

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "d2lrnn"
LESSONS = {name: number for number, (name, _) in CHAPTERS.items()}
GROUND = {
    "compat",
    "checks",
    "corpora",
    "messages",
    "cli",
}  # what all others stand on; cli only what is not a lesson
FOLDERS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
SOURCES = {  # but the known mistakes, which nobody imports
    path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", "."): path.read_text(encoding="utf-8")
    for path in sorted(PACKAGE.rglob("[!0-9]*.py"))
}
PARTS_OF = {"engine": ("fast", "dist")}  # the lessons whose parts a folder holds
# Who may import from whom, beside itself: the arrows of the house, downward only.
BELOW = {
    "engine": {"lessons", "ground"},
    "running": {"launching", "lessons", "ground"},
    "formats": {"running", "lessons", "ground"},
    "launching": {"ground"},
    "grading": {"lessons", "ground"},
    "train": {"running", "formats", "launching", "lessons", "ground"},
    "predict": {"running", "formats", "lessons", "ground"},
    "evaluate": {"running", "formats", "lessons", "ground"},
    "export": {"running", "formats", "lessons", "ground"},
    "runs": {"running", "ground"},
    "assignment": {"grading", "lessons", "ground"},
    "grade": {"grading", "lessons", "ground"},
    "__main__": {"ground"},
    "__init__": {"ground"},
}


def _imports(module: str) -> set[str]:
    """The modules of this package that a module imports, at its top or inside a function."""
    package = ["d2lrnn", *module.split(".")[:-1]]
    found = set()
    for node in ast.walk(ast.parse(SOURCES[module])):
        if isinstance(node, ast.ImportFrom):
            origin = package[: len(package) - node.level + 1] if node.level else []
            names = [".".join(filter(None, [*origin, node.module, alias.name])) for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name.removeprefix("d2lrnn.") for name in names if name.startswith("d2lrnn.")}
    known = {name.removesuffix(".__init__") for name in SOURCES} - {"__init__"}
    nearest = {next((m for m in (name, name.rpartition(".")[0]) if m in known), "") for name in found}
    return nearest - {""}


def _floor(module: str) -> str:
    """Where a module lives: its folder, lessons, ground, or itself if it is a command."""
    head = module.split(".")[0]
    return "lessons" if head in LESSONS else "ground" if head in GROUND else head


def test_a_listing_shows_lessons_commands_and_little_else() -> None:
    files = {path.stem for path in PACKAGE.glob("*.py")}

    assert files == {*LESSONS, *COMMANDS, *GROUND - {"corpora"}, "__init__", "__main__"}
    assert FOLDERS == ["corpora", "engine", "formats", "grading", "launching", "running"]


@pytest.mark.parametrize("module", [m for m in SOURCES if _floor(m) in BELOW])
def test_folders_and_commands_import_only_what_lies_below(module: str) -> None:
    floor = _floor(module)

    assert {_floor(name) for name in _imports(module)} <= BELOW[floor] | {floor}


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_imports_only_lessons_before_it(lesson: str) -> None:
    before = {name for name, number in LESSONS.items() if number < LESSONS[lesson]}
    parts = {folder for folder, lessons in PARTS_OF.items() if lesson in lessons}

    assert {name.split(".")[0] for name in _imports(lesson)} <= before | GROUND - {"cli"} | parts


@pytest.mark.parametrize("folder", PARTS_OF)
def test_the_parts_of_a_lesson_import_only_lessons_before_it(folder: str) -> None:
    before = {name for name, number in LESSONS.items() if number < min(LESSONS[m] for m in PARTS_OF[folder])}

    for module in SOURCES:
        if module.startswith(f"{folder}."):
            assert {m for m in _imports(module) if _floor(m) == "lessons"} <= before, module


def test_no_imports_go_round_in_a_circle() -> None:
    arrows = {name.removesuffix(".__init__"): _imports(name) for name in SOURCES if name != "__init__"}
    while leaves := {name for name, targets in arrows.items() if not targets & arrows.keys()}:
        arrows = {name: targets for name, targets in arrows.items() if name not in leaves}

    assert arrows == {}


def test_the_ground_imports_no_lesson() -> None:
    ground = [module for module in SOURCES if _floor(module) == "ground"]

    assert all({_floor(name) for name in _imports(module)} <= {"ground"} for module in ground)


def test_no_lesson_but_concise_uses_anything_from_gluon() -> None:
    for lesson in set(LESSONS) - {"concise"}:
        assert "gluon" not in re.sub(r'""".*?"""|#.*', "", SOURCES[lesson], flags=re.S)


def test_every_lesson_has_its_numbered_test_and_every_numbered_chapter_its_lesson() -> None:
    stems = {f"{number:02}-{name}" for number, (name, _) in CHAPTERS.items()}
    tests = {path.stem[5:].replace("_", "-") for path in ROOT.glob("tests/test_[0-9]*.py")}

    assert tests == stems | {"00-layout"}
    assert {path.stem for path in ROOT.glob("chapters/*/[0-9]*.md")} <= stems


def test_every_name_of_the_table_is_importable_and_defined_in_its_lesson() -> None:  # rnn, too: no module
    for lesson, names in CHAPTERS.values():
        module = importlib.import_module(f"d2lrnn.{lesson}")
        for name in names.split():
            assert getattr(d2lrnn, name) is getattr(module, name)
            assert name in vars(module)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="transformer"):
        d2lrnn.transformer  # noqa: B018


def test_importing_the_package_loads_neither_mxnet_nor_numpy() -> None:
    code = "import sys, d2lrnn.running.settings; print({'mxnet', 'numpy', 'matplotlib'} & set(sys.modules))"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_lists_its_parts(folder: str) -> None:
    parts = {name.split(".")[1] for name in SOURCES if name.startswith(f"{folder}.")} - {"__init__"}

    assert set(re.findall(r"(?m)^(\w+)  ", SOURCES[f"{folder}.__init__"])) == parts


def test_the_cases_are_sorted_by_lessons() -> None:
    modules = {name.removeprefix("grading.cases.") for name in SOURCES if ".cases." in name}

    assert modules == {*LESSONS, "__init__", "driving"}


@pytest.mark.parametrize("module", [name for name in SOURCES if ".cases." not in name])
def test_functions_are_short_and_public_ones_have_docstrings(module: str) -> None:
    nodes = list(ast.walk(ast.parse(SOURCES[module])))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    private = [node for node in nodes if isinstance(node, ast.ClassDef) and node.name.startswith("_")]
    inner = [node for outer in [*functions, *private] for node in ast.walk(outer) if node is not outer]
    for node in nodes:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node) or node in inner, node.name
    for function in functions:
        body = function.body[1:] if ast.get_docstring(function) else function.body
        num_lines = (function.end_lineno or 0) - body[0].lineno if body else 0
        assert num_lines < 40, f"{function.name} has more than 40 lines"


def test_a_lesson_is_about_a_hundred_lines() -> None:
    for lesson in LESSONS:
        assert len(SOURCES[lesson].splitlines()) <= 180, lesson
