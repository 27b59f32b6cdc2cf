"""The student's copy of the lessons: signatures and docstrings from the package's own source, without bodies.

Made from the syntax trees of the modules each time it is asked for, so that it cannot drift from them.
"""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import CHAPTERS, LESSON_OF
from ..corpora import PACKAGE
from .lent_code import IMPORTS, Statement, read

EXPLANATION = """\
Your versions of the functions of d2lrnn: your own lines take the place of raise NotImplementedError.

    python -m d2lrnn.assignment check {file}

says what is right, what is not, and what is not written yet. Each function is checked with our versions of
all those before it, so a mistake in one does not spoil the next. What you have not written yourself you may
import from d2lrnn. Only definitions belong here; what tries them out goes under if __name__ == "__main__".
"""


@dataclass(frozen=True)
class Exercise:
    """One function or class to be written. given: what its signature needs, complete."""

    name: str
    lesson: int
    code: str
    doc: str
    given: tuple[str, ...]
    imports: tuple[str, ...]


def find_lessons(wanted: Sequence[str] | None) -> list[int]:
    """The numbers of lessons that are named, or numbered, or of all.

    Raises:
        ValueError: there is no such lesson.
    """
    numbers = {name: lesson for lesson, (name, _) in CHAPTERS.items()}
    numbers |= {str(lesson): lesson for lesson in CHAPTERS}
    for word in wanted or []:
        if word not in numbers:
            raise ValueError(
                f"--lesson {word}: give one of {', '.join(name for name, _ in CHAPTERS.values())}"
            )
    return sorted({numbers[word] for word in wanted}) if wanted else list(CHAPTERS)


def chapter_of(lesson: int, language: str = "en") -> str:
    """The path of a lesson's chapter in this project."""
    return f"chapters/{language}/{lesson:02}-{CHAPTERS[lesson][0]}.md"


def exercises(lessons: Iterable[int], graded: Iterable[str]) -> list[Exercise]:
    """The graded names of the lessons, in their order."""
    wanted = set(graded)
    return [
        _exercise(name, lesson)
        for lesson in lessons
        for name in CHAPTERS[lesson][1].split()
        if name in wanted
    ]


def submission_text(lessons: Sequence[int], graded: Iterable[str]) -> str:
    """A submission.py in which nothing is written yet."""
    todo = exercises(lessons, graded)
    parts = [f'"""{EXPLANATION.format(file="submission.py")}"""\n\n{_header(todo)}']
    lesson, given = 0, set()
    for exercise in todo:
        if exercise.lesson != lesson:
            lesson = exercise.lesson
            title = f"# Lesson {lesson}: {CHAPTERS[lesson][0]} ({chapter_of(lesson)}) "
            parts.append(title + "-" * (100 - len(title)))
        parts += [text for text in exercise.given if text not in given]
        given |= set(exercise.given)
        parts.append(exercise.code)
    return "\n\n\n".join(parts) + "\n"


def notebook(lessons: Sequence[int], graded: Iterable[str], folder: Path) -> str:
    """exercises.ipynb: the same, a cell for each function, with its text and the way to its chapter."""
    todo = exercises(lessons, graded)
    cells = [_markdown("# Exercises\n\n" + EXPLANATION.format(file="exercises.ipynb"))]
    cells.append(_code(_header(todo)))
    given: set[str] = set()
    for exercise in todo:
        new = [text for text in exercise.given if text not in given]
        given |= set(new)
        if new:
            cells.append(_code("\n\n\n".join(new)))
        cells.append(
            _markdown(
                f"## {_plain(exercise.name)}\n\n{_plain(exercise.doc)}\n\n{_link(exercise.lesson, folder)}"
            )
        )
        cells.append(_code(exercise.code))
    cells.append(_markdown("## How far are you?\n\nRun the next cell as often as you like."))
    cells.append(_code("from d2lrnn.assignment import check\n\ncheck()", tagged=False))
    for i, cell in enumerate(cells):
        cell["id"] = f"cell-{i}"
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return (
        json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"
    )


def _code(text: str, *, tagged: bool = True) -> dict[str, Any]:
    metadata = {"tags": ["submission"]} if tagged else {}
    return {
        "cell_type": "code", "execution_count": None, "metadata": metadata, "outputs": [],
        "source": text.splitlines(keepends=True),
    }  # fmt: skip


def _markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text.splitlines(keepends=True)}


def _plain(text: str) -> str:
    """text as Markdown shows it: its stars and underscores are no markup; what is indented is code."""
    return re.sub(r"([\\*_<>|$\[\]])", r"\\\1", text.replace("``", "`"))


def _link(lesson: int, folder: Path) -> str:
    chapter = chapter_of(lesson)
    path = PACKAGE.parent / chapter
    where = (
        f"[{chapter}]({Path(os.path.relpath(path, folder)).as_posix()})" if path.exists() else f"`{chapter}`"
    )
    return f"Lesson {lesson}, {where}"


def _header(todo: Sequence[Exercise]) -> str:
    """The imports: what signatures need, what all need, and what is lent and not written here."""
    own = {exercise.name for exercise in todo}
    found = {name for exercise in todo for name in exercise.imports}
    found |= {
        "import mxnet as mx",
        "import numpy as np",
        "from mxnet import autograd",
        "from mxnet import nd",
    }
    found |= {f"from d2lrnn import {name}" for name in found & set(LESSON_OF) - own}
    joined: dict[str, list[str]] = {}  # "from mxnet" -> autograd, nd
    for line in sorted(found - set(LESSON_OF), key=lambda line: (line.startswith("from"), line)):
        module, _, name = line.partition(" import ")
        joined.setdefault(module, []).append(name)
    lines = [
        f"{module} import {', '.join(names)}" if names[0] else module for module, names in joined.items()
    ]
    ours = [line for line in lines if line.startswith("from d2lrnn")] or ["import d2lrnn"]
    others = [line for line in lines if re.match(r"\w+ (mxnet|numpy)", line)]
    standard = [line for line in lines if line not in ours + others]
    # d2lrnn stands before mxnet, which could not be imported without it on a new Python
    blocks = [["from __future__ import annotations"], standard, ours, others]
    return "\n\n".join("\n".join(block) for block in blocks if block)


# --- from the package's source --------------------------------------------------------------------


def _exercise(name: str, lesson: int) -> Exercise:
    module, called = CHAPTERS[lesson][0], name
    statement = read(module)[name]
    imports = set(_leans_on(module, statement.node))
    if isinstance(statement.node, ast.Assign):  # init_gru_state = init_rnn_state
        origin = read(module)[ast.unparse(statement.node.value)].origin
        assert origin
        module, called = origin
        statement = read(module)[called]
    needs = _Needs(module)
    needs.visit_signature(statement.node)
    code = _emptied(statement, f"{name}: lesson {lesson}, {chapter_of(lesson)}")
    code = re.sub(rf"^(def|class) {called}\b", rf"\1 {name}", code)
    imports |= needs.imports - {called}
    doc = ast.get_docstring(statement.node) or ""  # type: ignore[arg-type]
    return Exercise(name, lesson, code, doc, tuple(needs.given), tuple(sorted(imports)))


def _emptied(statement: Statement, message: str) -> str:
    """The text of a function or a class, with nothing left of a body but its docstring, and a raise."""
    node, lines = ast.parse(statement.text).body[0], statement.text.splitlines()
    parts = node.body if isinstance(node, ast.ClassDef) else [node]
    for part in reversed([part for part in parts if isinstance(part, ast.FunctionDef)]):  # lines below move
        first = part.body[0]
        begin = first.end_lineno if ast.get_docstring(part) is not None else first.lineno - 1
        error = f"raise NotImplementedError({json.dumps(message, ensure_ascii=False)})"
        lines[begin : part.end_lineno] = [" " * first.col_offset + error]
    return "\n".join(lines[node.lineno - 1 :])  # without decorators


class _Needs:
    """What the signatures of an exercise name: imports, and what the module gives (records, types)."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.imports: set[str] = set()
        self.given: list[str] = []
        self._seen: set[str] = set()

    def visit_signature(self, node: ast.AST) -> None:
        """Look at all that stands outside the bodies of functions."""
        parts: list[ast.AST] = []
        for part in [node, *node.body] if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(part, ast.FunctionDef):
                parts += [part.args, *filter(None, [part.returns])]
            elif isinstance(part, ast.AnnAssign):
                parts.append(part.annotation)
            elif isinstance(part, ast.ClassDef):
                parts += part.bases
        for name in dict.fromkeys(n.id for part in parts for n in ast.walk(part) if isinstance(n, ast.Name)):
            self._need(name)

    def _need(self, name: str) -> None:
        statement = read(self.module).get(name)
        if statement is None or name in self._seen:
            return
        self._seen.add(name)
        node = statement.node
        if name in LESSON_OF:
            self.imports.add(name)
        elif statement.origin:
            inner = _Needs(statement.origin[0])
            inner._need(statement.origin[1])
            self.imports |= inner.imports
            self.given += [text for text in inner.given if text not in self.given]
        elif isinstance(node, IMPORTS):
            self.imports.add(statement.text)
        elif isinstance(node, ast.ClassDef):
            self.visit_signature(node)
            lessons = [number for number, (module, _) in CHAPTERS.items() if module == self.module]
            message = ", ".join([name, *(f"lesson {n}, {chapter_of(n)}" for n in lessons)])
            self.given.append(_emptied(statement, message))
        elif isinstance(node, ast.Assign):
            for used in (n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)):
                self._need(used)
            self.given.append(ast.unparse(node))  # a name for a type


def _leans_on(module: str, node: ast.stmt) -> Iterator[str]:
    """The names of the course in a body: what may be taken from d2lrnn."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part.id in LESSON_OF and part.id in read(module):
            yield part.id
