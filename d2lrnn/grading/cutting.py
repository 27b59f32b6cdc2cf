"""What people leave in a file beside functions is cut out of it: training, prints, commands of a notebook.

A submission is run again for each question, so only what defines something is kept: imports, functions,
classes, assignments. Of these, what fails when it is run once is left out as well. This module finds such
statements, in a worker; `without` cuts them out of the text, each replaced by `pass`, so that lines stay.
"""

from __future__ import annotations

import ast
import re
import sys
import types
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

# %matplotlib inline, !pip install mxnet, files = !ls, ?nd.dot, nd.dot??
MAGIC = re.compile(r"^([ \t]*)((?:[\w., ]+= *)?(?:!|%%?\w)(?:.*\\\n)*.*|\?+[\w.*]+|[\w.*]+\?+[ \t]*)$", re.M)
OF_PYTHON = re.compile(r"\s*%%(time|timeit|capture|prun)\b")  # cells that are, below their first line
NOTHING_DEFINED, TRAINING, COMMAND = "no definition", "training", "command: "
_INSTEAD = re.compile(r"pass|(from [\w.]+ )?import [\w., ]+")
_CODE = re.compile(r"^[ \t]*(?!pass\b|#)\S", re.M)
REGISTERS = {
    "append",
    "extend",
    "insert",
    "add",
    "update",
    "setdefault",
    "register",
    "setattr",
    "add_argument",
}
HARMLESS = {"seed", "filterwarnings", "simplefilter", "set_printoptions", "setrecursionlimit", "use"}
TRAINS = {"backward", "record", "train_batches", "train_epoch", "train_and_predict_rnn", "train_epoch_gluon"}


class Cut(NamedTuple):
    """A statement that is left out: from line and column to line and column, as ast counts, and why.

    instead: what stands in its place: of an import of several modules, those that are there.
    """

    line: int
    column: int
    end_line: int
    end_column: int
    why: str
    instead: str


def without(text: str, cuts: Sequence[Cut]) -> str:
    """The text with `pass` in place of each statement, and as many lines as before."""
    lines = [line.encode() for line in text.split("\n")]
    for cut in sorted(cuts, reverse=True):
        first, last = lines[cut.line - 1], lines[cut.end_line - 1]
        lines[cut.line - 1] = first[: cut.column] + cut.instead.encode() + last[cut.end_column :]
        lines[cut.line : cut.end_line] = [b""] * (cut.end_line - cut.line)
    return "\n".join(line.decode(errors="replace") for line in lines)


def cuts_in(value: Any, text: str) -> list[Cut]:
    """The cuts that a worker claims, as far as there are such places in the text."""
    if not isinstance(value, list):
        return []
    ends = [len(line.encode()) for line in text.split("\n")]
    found: list[Cut] = []
    for item in value:
        if not (isinstance(item, list) and [type(part) for part in item] == [int, int, int, int, str, str]):
            continue
        cut = Cut(*item)
        if not _INSTEAD.fullmatch(cut.instead):
            continue
        if not 1 <= cut.line <= cut.end_line <= len(ends):
            continue
        fits = 0 <= cut.column <= ends[cut.line - 1] and 0 <= cut.end_column <= ends[cut.end_line - 1]
        if fits and (not found or found[-1][2:4] <= cut[:2]) and cut[:2] <= cut[2:4]:
            found.append(cut)
    return found


def is_everything(cuts: Sequence[Cut], text: str) -> bool:
    """Whether the text was cut as a whole, since it cannot be parsed."""
    whole = 1, 0, text.count("\n") + 1, len(text.rpartition("\n")[2].encode())
    return [cut[:4] for cut in cuts] == [whole]


def told(cells: Sequence[tuple[int, str]], found: Sequence[Sequence[Cut]]) -> list[str]:
    """A line for each reason why something was cut, with all places. cells: number (0: of a .py) and text."""
    places: dict[str, list[str]] = {}
    whys = dict.fromkeys(cut.why for cuts in found for cut in cuts)
    names = ", ".join(why.removeprefix(COMMAND) for why in whys if why.startswith(COMMAND))
    commands = f"commands of a notebook: {names}"
    for (number, text), cuts in zip(cells, found):
        cuts = [cut._replace(why=commands) if cut.why.startswith(COMMAND) else cut for cut in cuts]
        cell = f"code cell {number}" if number else ""
        if cell and len({cut.why for cut in cuts}) == 1 and not _CODE.search(without(text, cuts)):
            places.setdefault(cuts[0].why, []).append(cell)
            continue
        for first, last, why in _pieces(text, cuts):
            lines = f"line {first}" if first == last else f"lines {first}-{last}"
            places.setdefault(why, []).append(f"{lines} of {cell}" if cell else lines)
    return [f"{', '.join(where)} cut out: {why}" for why, where in places.items()]


def _pieces(text: str, cuts: Sequence[Cut]) -> list[tuple[int, int, str]]:
    """First line, last line and reason of what was cut: one piece where no code stands between two."""
    lines = text.split("\n")
    pieces: list[tuple[int, int, str]] = []
    for cut in cuts:
        if pieces and pieces[-1][2] == cut.why:
            first, last, _ = pieces[-1]
            if not _CODE.search("\n".join(lines[last : cut.line - 1])):
                pieces[-1] = first, cut.end_line, cut.why
                continue
        pieces.append((cut.line, cut.end_line, cut.why))
    return pieces


# --- in a worker ----------------------------------------------------------------------------------


def cuts(s: Any, cells: Sequence[str], graded: Sequence[str], run: bool) -> list[list[list[Any]]]:
    """What is to be cut out of each cell. graded: names that an assignment may define.

    run: whether to run what is kept, once, and cut what fails too; without it, less is kept. A cell that
    cannot be parsed at all is cut as a whole.
    """
    module = sys.modules["submission"] = types.ModuleType("submission")  # where dataclasses look
    parsed = [_parsed(text) for text in cells]
    every = [node for nodes, _ in parsed for node in nodes]
    futures = [node for node in every if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    trains = _training(every)
    for nodes, of_cell in parsed:
        for node in nodes:
            why, instead = _why_not_kept(node, trains, set(graded), simple=not run), "pass"
            if not why and run and node not in futures:
                why, instead = _error_of(node, futures, vars(module))
            if why:
                first = min([node.lineno, *(part.lineno for part in getattr(node, "decorator_list", []))])
                end = node.end_lineno, node.end_col_offset
                of_cell.append([first, node.col_offset, *end, why, instead])
    return [sorted(of_cell) for _, of_cell in parsed]


def _parsed(text: str) -> tuple[list[ast.stmt], list[list[Any]]]:
    """The statements of a cell, and what is cut anyway: what only IPython understands, or all of it."""
    try:
        return ast.parse(text, "submission.py").body, []
    except Exception as error:
        problem = f"{type(error).__name__}: {error}".replace("submission.py, ", "")[:200]
    lines = text.split("\n")
    everything = [1, 0, len(lines), len(lines[-1].encode())]
    if text.lstrip().startswith("%%") and not OF_PYTHON.match(text):
        return [], [[*everything, COMMAND + _command(text), "pass"]]
    try:
        body = ast.parse(MAGIC.sub(lambda found: f"{found[1]}pass" + "\n" * found[2].count("\n"), text)).body
    except Exception:
        return [], [[*everything, problem, "pass"]]
    commands = []
    for found in MAGIC.finditer(text):
        first = text.count("\n", 0, found.start()) + 1
        last = first + found[2].count("\n")
        place = [first, len(found[1]), last, len(lines[last - 1].encode())]
        commands.append([*place, COMMAND + _command(found[2]), "pass"])
    return body, commands


def _command(text: str) -> str:
    """Its name: %matplotlib, !pip, nd.dot?."""
    found = re.search(r"[%!]+ *\S*", text)
    return (found[0] if found else text.strip())[:20]


def _error_of(node: ast.stmt, futures: list[Any], namespace: dict[str, Any]) -> tuple[str, str]:
    """What goes wrong when a statement is run, or nothing; and what of it does not."""
    kept, why = [], ""
    parts = node.names if isinstance(node, (ast.Import, ast.ImportFrom)) else [None]
    for part in parts:
        bare: Any = node if part is None else type(node)(**{**vars(node), "names": [part]})
        try:
            module = ast.Module(body=[*futures, bare], type_ignores=[])
            exec(compile(module, "<submission>", "exec", dont_inherit=True), namespace)
            kept.append(part)
        except BaseException as error:
            why = why or f"{type(error).__name__}: {error}"[:200]
    some = bool(why and kept)
    return why, ast.unparse(type(node)(**{**vars(node), "names": kept})) if some else "pass"


def _why_not_kept(node: ast.stmt, trains: set[str], names: set[str], *, simple: bool) -> str:
    """Why a statement is cut unseen, or nothing. simple: nothing is kept that calls something."""
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return ""
    if isinstance(node, ast.If) and "__name__" in {getattr(n, "id", "") for n in ast.walk(node.test)}:
        return ""
    called = _called(node)
    if isinstance(node, ast.Expr) and "get_ipython" in called:
        return COMMAND + "get_ipython()"
    if called & trains and not _stored(node) & names:
        return TRAINING
    if simple and called and not _stored(node) & names:
        return NOTHING_DEFINED
    if isinstance(node, ast.Expr):
        is_kept = isinstance(node.value, ast.Constant) or (
            isinstance(node.value, ast.Call) and _name(node.value.func) in REGISTERS | HARMLESS
        )
        return "" if is_kept else NOTHING_DEFINED
    if isinstance(node, (ast.If, ast.Try, ast.For, ast.With)):
        inner = [part for part in _blocks(node) if not _prints(part)]
        found = (_why_not_kept(part, trains, names, simple=simple) for part in inner)
        return next(filter(None, found), "" if inner else NOTHING_DEFINED)
    is_kept = isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Delete, ast.Pass))
    return "" if is_kept else NOTHING_DEFINED


def _name(node: ast.AST) -> str:
    """The last part of a name with or without dots."""
    return str(getattr(node, "attr", getattr(node, "id", "")))


def _stored(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _prints(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and _name(getattr(node.value, "func", node)) == "print"


def _blocks(node: Any) -> Iterator[ast.stmt]:
    """The statements directly inside an if, a try, a for or a with."""
    for name in ("body", "orelse", "finalbody"):
        yield from getattr(node, name, [])
    for handler in getattr(node, "handlers", []):
        yield from handler.body


def _called(node: ast.AST) -> set[str]:
    """The names of what a statement calls, but not inside functions that it only defines."""
    found: set[str] = set()
    waiting: list[ast.AST] = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            continue
        if isinstance(part, ast.Call):
            found.add(_name(part.func))
        waiting += ast.iter_child_nodes(part)
    return found


def _training(nodes: Sequence[ast.stmt]) -> set[str]:
    """The functions that train when they are called: they, or those that they call, ask for gradients."""
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    called = {node.name: set().union(*map(_called, node.body)) for node in functions}
    found = set(TRAINS)
    while True:
        more = {name for name, inside in called.items() if inside & found} - found
        if not more:
            return found
        found |= more
