"""Submissions that resemble each other, or the course's own code: a list for a person to judge, never points.

The syntax trees are compared, without comments, docstrings, annotations and the names that a student chose,
by the hashes of a few nodes in a row (winnowing: Schleimer, Wilkerson & Aiken 2003). What is in the skeleton,
in our own code or in the work of many is discounted.
"""

from __future__ import annotations

import ast
import builtins
import multiprocessing
import resource
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations
from multiprocessing.connection import Connection
from typing import NamedTuple

from .. import CHAPTERS
from ..corpora import PACKAGE
from .cases import CASES
from .skeleton import submission_text

NODES, WINDOW = 10, 4  # in a row; of as many hashes in a row the least is kept
KEPT = {*dir(builtins), "mx", "nd", "np", "autograd", "gluon"}  # names that all programs share
SMALL = 60  # nodes of a function that says little
MANY, SHARE_OF_MANY = 4, 0.25  # what more submissions than that have, and this share of them, is common
LEAST_SHARED, LEAST_SHARE = 30, 0.4  # of a pair that is listed
LEAST_OWN = 3  # functions that are the course's own
SECONDS = 20
OURS = "the course's own code"
Prints = Mapping[str, Sequence[int]]  # of what: hashes; of the tree of a whole function: "~name" and "=name"


class Pair(NamedTuple):
    """Two submissions and the share of the smaller that is in both, or functions that match ours."""

    submission: str
    other: str
    share: float
    shared: int
    where: str


def prints_of(source: str) -> dict[str, list[int]]:
    """What is compared of a submission; nothing if it cannot be parsed.

    A source can crash the parser: it is read in a process that has little time and memory.
    """
    context = multiprocessing.get_context("fork")
    hear, tell = context.Pipe(duplex=False)
    process = context.Process(target=_send_prints, args=(source, tell))
    process.start()
    tell.close()
    try:
        return hear.recv() if hear.poll(SECONDS) else {}
    except EOFError:
        return {}
    finally:
        process.kill()
        process.join()


def _send_prints(source: str, tell: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_DATA, (2**32, 2**32))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        found = parsed_prints(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        found = {}
    tell.send(found)


def parsed_prints(source: str) -> dict[str, list[int]]:
    """The same, in this process: for code that is trusted."""
    prints: dict[str, list[int]] = {}
    for name, node in _functions(ast.parse(source)):
        tokens = list(_tokens(node, lambda name: name if name in KEPT else "_"))
        grams = [
            zlib.crc32("\n".join(tokens[i : i + NODES]).encode()) for i in range(len(tokens) - NODES + 1)
        ]
        least = {min(grams[i : i + WINDOW]) for i in range(len(grams) - WINDOW + 1)} or set(grams)
        prints[name] = sorted({*prints.get(name, []), *least})
        if len(tokens) >= SMALL:
            prints[f"~{name}"] = [zlib.crc32("\n".join(tokens).encode())]
            prints[f"={name}"] = [zlib.crc32("\n".join(_tokens(node, lambda name: name)).encode())]
    return prints


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((node.name, part) for part in node.body if isinstance(part, ast.FunctionDef))


def _tokens(node: ast.AST, called: Callable[[str], str]) -> Iterator[str]:
    """The nodes of a function from left to right, under names as called gives them."""
    left = [node]
    while left:
        node = left.pop()
        if isinstance(node, ast.Name):
            yield called(node.id)
        elif isinstance(node, ast.arg):
            yield f"arg {called(node.arg)}"
        elif isinstance(node, ast.Constant):
            yield type(node.value).__name__
        else:
            yield f"{type(node).__name__} {getattr(node, 'attr', '')}"
            left += reversed([part for part in _parts(node) if not isinstance(part, ast.expr_context)])


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_comment"):
            continue
        for part in value if isinstance(value, list) else [value]:
            is_text = isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)
            if isinstance(part, ast.AST) and not is_text:
                yield part


@cache
def _ours() -> tuple[frozenset[int], frozenset[int]]:
    """Hashes of our lessons and of the skeleton: of pieces, and of whole functions."""
    files = [*PACKAGE.glob("*.py"), *PACKAGE.glob("engine/*.py")]  # the lessons, and what they lean on
    ours = [parsed_prints(file.read_text("utf-8")) for file in files]
    skeleton = parsed_prints(submission_text(list(CHAPTERS), {case.function for case in CASES}))
    pieces = _pieces(skeleton).union(*map(_pieces, ours))
    return frozenset(pieces), frozenset(set().union(*map(_wholes, ours)) - _wholes(skeleton))


def _wholes(prints: Prints) -> set[int]:
    return {hash_ for name, hashes in prints.items() if name[0] in "~=" for hash_ in hashes}


def _pieces(prints: Prints) -> set[int]:
    return {hash_ for name, hashes in prints.items() if name[0] not in "~=" for hash_ in hashes}


def pairs_of(prints: Mapping[str, Prints]) -> list[Pair]:
    """Submissions that resemble our own code, then pairs that resemble each other, the most alike first."""
    ours, whole = _ours()
    own = {name: _pieces(one) - ours for name, one in prints.items()}
    spread = Counter(hash_ for pieces in own.values() for hash_ in pieces)
    most = max(MANY, SHARE_OF_MANY * len(own))
    own = {name: {hash_ for hash_ in pieces if spread[hash_] <= most} for name, pieces in own.items()}
    shared: Counter[tuple[str, str]] = Counter()
    owners: dict[int, list[str]] = {}
    for name in sorted(own):
        for hash_ in own[name]:
            owners.setdefault(hash_, []).append(name)
    for names in owners.values():
        shared.update(combinations(names, 2))
    pairs = [_pair(one, other, number, own, prints) for (one, other), number in shared.items()]
    pairs = [pair for pair in pairs if pair.shared >= LEAST_SHARED and pair.share >= LEAST_SHARE]
    copies = filter(None, (_copy(name, one, whole) for name, one in sorted(prints.items())))
    return [*sorted(copies, key=_order), *sorted(pairs, key=_order)]


def _order(pair: Pair) -> tuple[float, int, str, str]:
    return -pair.share, -pair.shared, pair.submission, pair.other


def _pair(
    one: str, other: str, number: int, own: Mapping[str, set[int]], prints: Mapping[str, Prints]
) -> Pair:
    both = own[one] & own[other]
    places = {place: len(both & set(hashes)) for place, hashes in prints[one].items() if place[0] not in "~="}
    where = sorted((place for place, count in places.items() if count), key=lambda place: -places[place])
    share = round(number / max(1, min(len(own[one]), len(own[other]))), 2)
    return Pair(one, other, share, number, ", ".join(where[:8]))


def _copy(name: str, prints: Prints, whole: frozenset[int]) -> Pair | None:
    """Functions whose whole tree is ours, with our names or with others."""
    all_ = [place[1:] for place in prints if place[0] == "~"]
    same = [place[1:] for place, hashes in prints.items() if place[0] == "=" and set(hashes) <= whole]
    renamed = [p[1:] for p, h in prints.items() if p[0] == "~" and set(h) <= whole and p[1:] not in same]
    if len(same) + len(renamed) < LEAST_OWN:
        return None
    said = [f"names too: {', '.join(same[:8])}"] if same else []
    said += [f"but for names: {', '.join(renamed[:8])}"] if renamed else []
    number = len(same) + len(renamed)
    return Pair(name, OURS, round(number / len(all_), 2), number, "; ".join(said))
