"""All cases, in the order of lessons: each module has the name of a lesson and a list CASES."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from ... import CHAPTERS
from ..case import Case

HERE = Path(__file__).parent

CASES: list[Case] = [
    case
    for lesson, _ in CHAPTERS.values()
    if (HERE / f"{lesson}.py").exists()
    for case in import_module(f"{__name__}.{lesson}").CASES
]
GRADED = {case.function: case.lesson for case in CASES}
