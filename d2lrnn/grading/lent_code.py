"""What a function depends on, as source text: our earlier lessons, lent to a submission for grading.

The text is made from the package itself, statement by statement, so it cannot drift from it. It runs alone:
all that it needs comes with it, and nothing else does.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from .. import LESSON_OF
from ..corpora import PACKAGE

IMPORTS = (ast.Import, ast.ImportFrom)
# Nothing leans on these: a worker cannot open the files of the first two; no later lesson uses the others.
NEVER_LENT = {"load_corpus", "load_results", "bptt", "grad_norms_by_lag"}
# What two of them share, a loop or the layout of a checkpoint, one would give away about the other.
GIVEN_AWAY_BY = {
    "generate": {"predict_rnn"},
    "get_lstm_params": {"get_gru_params"},
    "read_gradients": {"read_params"},
    "load_checkpoint": {"save_checkpoint"},
    "estimate_discounts": {"KneserNey"},
}


class Statement(NamedTuple):
    """What binds a name at the top of a module; of an import, the part that does."""

    node: ast.stmt
    text: str
    origin: tuple[str, str] | None = None  # imported from this package: (module, its name there)
    uses: Sequence[str] = ()  # the names that it looks up when it runs


@cache
def support(function: str) -> tuple[str, tuple[str, ...]]:
    """The text of all graded names before `function`, and these names: a submission's own give way to them.

    Only names before it in CHAPTERS: they are all that it may lean on, and none of them calls it.

    Raises:
        KeyError: there is no such function in CHAPTERS.
    """
    if function not in LESSON_OF:
        raise KeyError(function)
    unlent = NEVER_LENT | GIVEN_AWAY_BY.get(function, set())
    before = takewhile(lambda name: name != function, LESSON_OF)
    lent = tuple(name for name in before if name not in unlent)
    return source_of((LESSON_OF[name], name) for name in lent), lent


def source_of(names: Iterable[tuple[str, str]]) -> str:
    """One module's text that defines the names, each (module of this package, name), and all they lean on.

    module: as it is imported from the package, "rnn" or "grading.cases.text".

    Raises:
        ValueError: two modules bind one name to different things.
    """
    imports: dict[str, str] = {}
    texts: dict[str, str] = {}
    for name, statement in _in_order(names):
        section, text = imports if isinstance(statement.node, IMPORTS) else texts, statement.text
        if section.setdefault(name, text) != text:
            raise ValueError(f"{name} is two things: {section[name]!r} and {text!r}")
    lines = ["from __future__ import annotations", *sorted(set(imports.values()))]
    return "\n".join([*lines, "", *dict.fromkeys(texts.values()), ""])


@cache
def program(drive: Callable[..., Any]) -> str:
    """A function of this package and all it leans on, as text that runs alone and calls it drive."""
    module, name = drive.__module__.partition("d2lrnn.")[2], drive.__name__
    return f"{source_of([(module, name)])}\ndrive = {name}\n"


def _in_order(names: Iterable[tuple[str, str]]) -> Iterator[tuple[str, Statement]]:
    """What binds each name: what something leans on comes before it."""
    seen: set[tuple[str, str]] = set()

    def visit(module: str, name: str) -> Iterator[tuple[str, Statement]]:
        statement = read(module).get(name)
        if statement is None or (module, name) in seen:
            return
        seen.add((module, name))
        if statement.origin:
            yield from visit(*statement.origin)
            if statement.origin[1] != name:
                yield name, Statement(ast.Pass(), f"{name} = {statement.origin[1]}")
            return
        for used in statement.uses:
            yield from visit(module, used)
        yield name, statement

    for module, name in names:
        yield from visit(module, name)


@cache
def read(module: str) -> dict[str, Statement]:
    """The statements at the top of a module of this package, by the names that they bind.

    Raises:
        ValueError: two of them bind one name.
    """
    lines = source(module).splitlines()
    found: dict[str, Statement] = {}
    for node in ast.parse(source(module)).body:
        parts = _imported(module, node) if isinstance(node, IMPORTS) else _defined(node, lines)
        for name, statement in parts:
            if name in found:
                raise ValueError(f"{module} binds {name} twice: give one of the two another name")
            found[name] = statement
    return found


def source(module: str) -> str:
    """The text of a module of this package."""
    return _file(module).read_text("utf-8")


def needed_by(modules: Iterable[str]) -> set[str]:
    """These modules and all of this package that they import, at their top or inside a function."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in found or not _file(module).is_file():
            continue
        found.add(module)
        for node in ast.walk(ast.parse(source(module))):
            origin = _origin(module, node)
            if isinstance(node, ast.ImportFrom) and origin is not None:
                waiting += [origin, *(f"{origin}.{alias.name}".strip(".") for alias in node.names)]
    return found


def _file(module: str) -> Path:
    return PACKAGE.joinpath(*module.split(".")).with_suffix(".py")


def _origin(module: str, node: ast.AST) -> str | None:
    """The module of this package from which a statement in another imports; None: from elsewhere."""
    if not isinstance(node, ast.ImportFrom):
        return None
    if node.level:
        return ".".join([*module.split(".")[: -node.level], node.module or ""]).strip(".")
    package, _, name = (node.module or "").partition(".")
    return name if package == "d2lrnn" else None


def _imported(module: str, node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Statement]]:
    source = _origin(module, node)
    for alias in node.names:
        bare = type(node)(**{**vars(node), "names": [alias]})
        origin = None if source is None else (source, alias.name)
        yield alias.asname or alias.name.split(".")[0], Statement(bare, ast.unparse(bare), origin)


def _defined(node: ast.stmt, lines: Sequence[str]) -> Iterator[tuple[str, Statement]]:
    first = min(part.lineno for part in (node, *getattr(node, "decorator_list", [])))
    text, uses = "\n".join(lines[first - 1 : node.end_lineno]), sorted(set(_used(node)))
    return ((name, Statement(node, text, uses=uses)) for name in bound(node))


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
