"""Known mistakes, one a file: NN_lesson_mistake.py is lesson NN with something wrong.

Its docstring is what a student who makes the mistake is told: never the solution's code. The tests of the
lesson fail on the file (pytest tests/test_NN_lesson.py --subject FILE), and the grader, which compares a
wrong answer with the file's, knows by it what went wrong.

All that a file needs comes with `from d2lrnn.grading.mistakes import *`: d2lrnn, and changed(), which puts a
mistake into a lesson. Where that takes more than a line or two, the file is a program of its own.
"""

from __future__ import annotations

import ast
import linecache
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import d2lrnn
from d2lrnn.corpora import PACKAGE

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("[0-9]*.py"))

__all__ = [*d2lrnn.__all__, "changed"]


def __getattr__(name: str) -> Any:
    return getattr(d2lrnn, name)


def changed(lesson: str, changes: dict[str, str]) -> ModuleType:
    """A lesson of ours that says other things, as a module. changes: right text -> wrong text, in order.

    Raises:
        ValueError: there is no such text in it.
    """
    text = (PACKAGE / f"{lesson}.py").read_text("utf-8")
    for right, wrong in changes.items():
        if right not in text:
            raise ValueError(f"{lesson}.py does not say {right!r}")
        text = text.replace(right, wrong)
    return _module(f"d2lrnn.{lesson}", text, f"<{lesson}, changed>")


@cache
def load(mistake: str) -> ModuleType:
    """The module of a mistake: d2lrnn, with something wrong."""
    path = HERE / f"{mistake}.py"
    return _module(mistake, path.read_text("utf-8"), str(path))


@cache
def mistakes_in(lesson: int, function: str) -> tuple[str, ...]:
    """The mistakes in which a function of a lesson is wrong."""
    files = (path.stem for path in FILES if path.stem.startswith(f"{lesson:02}_"))
    right = getattr(d2lrnn, function)
    return tuple(mistake for mistake in files if getattr(load(mistake), function) is not right)


@cache
def told(mistake: str) -> str:
    """What a student who makes it is told."""
    tree = ast.parse((HERE / f"{mistake}.py").read_text("utf-8"))
    return " ".join((ast.get_docstring(tree) or "").split())


def _module(name: str, text: str, file: str) -> ModuleType:
    module = ModuleType(name)
    module.__package__ = name.rpartition(".")[0]
    linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file  # what a traceback shows
    exec(compile(text, file, "exec", dont_inherit=True), vars(module))
    return module
