"""What a function leans on, as source text: our earlier lessons, lent to a submission while it is graded.

The text is made from the package itself, statement by statement, so it cannot drift from it. It runs alone:
all that it needs comes with it, and nothing else does.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from .. import _LESSON_OF as NAMES  # in order of lessons
from ..corpora import PACKAGE

# Nothing leans on these: load_corpus opens what a worker has not, the others are the end of their road.
NEVER_LENT = {"load_corpus", "bptt", "grad_norms_by_lag"}
# What two of them share, a loop or the way a checkpoint lies on the disk, one would tell of the other.
GIVEN_AWAY_BY = {
    "generate": {"predict_rnn"},
    "get_lstm_params": {"get_gru_params"},
    "read_gradients": {"read_params"},
    "load_checkpoint": {"save_checkpoint"},
}


class Module(NamedTuple):
    """A module's top-level statements by the names they bind: its own, and what it imports."""

    own: dict[str, str]  # name -> source text
    uses: dict[str, frozenset[str]]  # name -> the names in that text
    imports: dict[str, str]  # name -> the line that imports it from elsewhere
    borrowed: dict[str, tuple[str, str]]  # name -> (module of this package, its name there)


@cache
def support(function: str) -> tuple[str, tuple[str, ...]]:
    """The text of all graded names before `function`, and these names: a submission's own give way to them.

    Only names before it in CHAPTERS: they are all that it may lean on, and none of them calls it.

    Raises:
        KeyError: there is no such function in CHAPTERS.
    """
    order = list(NAMES)
    before = order[: order.index(function)] if function in NAMES else [NAMES[function]]
    unlent = NEVER_LENT | GIVEN_AWAY_BY.get(function, set())
    lent = tuple(name for name in before if name not in unlent)
    return source_of((NAMES[name], name) for name in lent), lent


def source_of(names: Iterable[tuple[str, str]]) -> str:
    """One module's text that defines the names, each (module of this package, name), and all they lean on.

    module: as it is imported from the package, "rnn" or "grading.cases.text".

    Raises:
        ValueError: two modules bind one name to different things.
    """
    imports: dict[str, str] = {}
    texts: dict[str, str] = {}
    for name, text, is_import in _in_order(names):
        section = imports if is_import else texts
        if section.setdefault(name, text) != text:
            raise ValueError(f"{name} is two things: {section[name]!r} and {text!r}")
    lines = ["from __future__ import annotations", *sorted(set(imports.values()))]
    return "\n".join([*lines, "", *dict.fromkeys(texts.values()), ""])


def _in_order(names: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str, bool]]:
    """(name, text, whether it is an import): what something leans on comes before it."""
    seen: set[tuple[str, str]] = set()

    def visit(module: str, name: str) -> Iterator[tuple[str, str, bool]]:
        if (module, name) in seen:
            return
        seen.add((module, name))
        parts = read(module)
        if name in parts.own:
            for used in sorted(parts.uses[name]):
                yield from visit(module, used)
            yield name, parts.own[name], False
        elif name in parts.borrowed:
            yield from visit(*parts.borrowed[name])
            if parts.borrowed[name][1] != name:
                yield name, f"{name} = {parts.borrowed[name][1]}", False
        elif name in parts.imports:
            yield name, parts.imports[name], True

    for module, name in names:
        yield from visit(module, name)


@cache
def read(module: str) -> Module:
    """The top-level statements of a module of this package."""
    text = PACKAGE.joinpath(*module.split(".")).with_suffix(".py").read_text("utf-8")
    lines = text.splitlines()
    parts = Module({}, {}, {}, {})
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.ImportFrom) and statement.level:
            folder = module.split(".")[: -statement.level]
            source = ".".join([*folder, *(statement.module or "").split(".")]).strip(".")
            parts.borrowed.update({a.asname or a.name: (source, a.name) for a in statement.names})
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            for alias in statement.names:
                bare = type(statement)(**{**vars(statement), "names": [alias]})
                parts.imports[alias.asname or alias.name.split(".")[0]] = ast.unparse(bare)
        else:
            decorators = getattr(statement, "decorator_list", [])
            first = min(node.lineno for node in (statement, *decorators))
            for name in bound(statement):
                parts.own[name] = "\n".join(lines[first - 1 : statement.end_lineno])
                parts.uses[name] = frozenset(_used(statement))
    return parts


def bound(statement: ast.stmt) -> list[str]:
    """The names that a top-level statement defines."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return [statement.name]
    targets = getattr(statement, "targets", [getattr(statement, "target", None)])
    nodes = [node for target in targets if target for node in ast.walk(target)]
    return [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


def _used(node: ast.AST) -> Iterator[str]:
    """Names that are looked up when the code runs: those of annotations never are."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.Name):
                yield child.id
            if isinstance(child, ast.AST):
                yield from _used(child)
