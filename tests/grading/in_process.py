"""Ask a submission that we wrote ourselves, without a worker: what tests of cases do, many times a second."""

import ast
import random
import warnings
from copy import deepcopy
from functools import cache
from types import SimpleNamespace

import mxnet as mx
import numpy as np

from d2lrnn import CHAPTERS
from d2lrnn.grading.case import plain, verdict
from d2lrnn.grading.leans import NEVER_LENT, source_of, support

ALL = [(lesson, name) for lesson, names in CHAPTERS.values() for name in names.split()]


@cache
def reference(lesson: str) -> str:
    """A lesson of ours, and those before it, as one file."""
    lessons = [of for of, _ in CHAPTERS.values()]
    earlier = lessons[: lessons.index(lesson)]
    text = source_of(
        (of, name) for of, name in ALL if of == lesson or (of in earlier and name not in NEVER_LENT)
    )
    return text.replace("Path(__file__)", 'Path("corpora.py")')  # a submission has no file


def mutated(mutant: str, lesson: str) -> tuple[str, set[str]]:
    """A lesson of ours with the functions of a mutant file in place of ours, and which these are."""
    body = [node for node in ast.parse(mutant).body if not _imports_us(node)]
    wrong = {node.name for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    aliases = [
        f"{alias.asname} = {alias.name}"
        for node in ast.parse(mutant).body
        if isinstance(node, ast.ImportFrom) and _imports_us(node)
        for alias in node.names
        if alias.asname
    ]
    text = "\n".join([reference(lesson), PRIVATE, *aliases, *map(ast.unparse, body)])
    return text, wrong & {name for _, name in ALL}


# Mutants ask for modules and private names of ours that none of the lessons' names needs.
PRIVATE = """
from types import SimpleNamespace as _Names
def import_module(name):
    return _Names(**globals())
d2lrnn = import_module("d2lrnn")
d2lrnn.fast = d2lrnn
"""


def _imports_us(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").split(".")[0] in ("d2lrnn", "importlib")
    return isinstance(node, ast.Import) and node.names[0].name.startswith("d2lrnn")


@cache
def _code(text: str):
    return compile(text, "<text>", "exec", dont_inherit=True)


def _namespace(text: str) -> dict:
    names = {"__name__": "submission"}
    exec(_code(text), names)
    return names


def answer(source: str, case, inputs: dict) -> SimpleNamespace:
    """What a worker would reply."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in a worker
        return _answer(source, case, inputs)


def _answer(source: str, case, inputs: dict) -> SimpleNamespace:
    inputs = deepcopy(inputs)
    try:
        names = _namespace(source)
        text, lent = support(case.function)
        ours = _namespace(text)
        names.update({name: ours[name] for name in lent})
        mx.random.seed(1)
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        drive = _namespace(case.driver)["drive"]
        value = plain(drive(_Subject(names), **inputs))
    except (Missing, NotImplementedError) as error:
        return SimpleNamespace(ok=False, stage="missing", error=str(error), line=None)
    except Exception as error:
        return SimpleNamespace(ok=False, stage="call", error=f"{type(error).__name__}: {error}", line=None)
    return SimpleNamespace(ok=True, value=value, stage="", error="", line=None)


class Missing(Exception):
    """As a worker's: no NotImplementedError, which a driver may meet elsewhere."""


class _Subject:
    def __init__(self, names: dict) -> None:
        self.__dict__ = names

    def __getattr__(self, name: str):
        raise Missing(name)


def verdicts(source: str, case, hidden: int = 2) -> list:
    """The verdicts on the public example and on hidden inputs."""
    inputs = [case.example, *(case.draw(np.random.default_rng([1, k])) for k in range(hidden))]
    return [verdict(case, i, answer(source, case, i), case.expected(i)) for i in inputs]
