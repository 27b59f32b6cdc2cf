"""A function is lent what comes before it, and never itself: as text that runs alone."""

import ast
import re
import subprocess
import sys
from pathlib import Path

from d2lrnn import CHAPTERS, LESSON_OF
from d2lrnn.grading import lent_code
from d2lrnn.grading.lent_code import IMPORTS, NEVER_LENT, bound, source_of, support

import pytest

pytestmark = pytest.mark.slow

ORDER = list(LESSON_OF)
each_function = pytest.mark.parametrize("function", ORDER)


def _names(text: str) -> set[str]:
    return {name for statement in ast.parse(text).body for name in bound(statement)}


@each_function
def test_the_text_defines_what_is_lent_and_neither_the_function_nor_what_comes_after_it(
    function: str,
) -> None:
    text, lent = support(function)

    assert set(lent) <= _names(text)
    assert not _names(text) & set(ORDER[ORDER.index(function) :])
    assert f"def {function}(" not in text and f"class {function}" not in text


@each_function
def test_all_that_comes_before_is_lent_but_what_would_give_it_away(function: str) -> None:
    _, lent = support(function)
    kept = set(ORDER[: ORDER.index(function)]) - set(lent)

    assert kept <= NEVER_LENT | lent_code.GIVEN_AWAY_BY.get(function, set())


def test_what_one_function_gives_away_of_another_is_not_lent_with_it() -> None:
    text, lent = support("generate")

    assert "predict_rnn" not in lent and "_write" not in _names(text)
    assert "one_hot" in lent and "Vocab" in lent


@each_function
def test_the_text_imports_only_the_standard_library_numpy_and_mxnet(function: str) -> None:
    imports = [node for node in ast.walk(ast.parse(support(function)[0])) if isinstance(node, IMPORTS)]
    lines = [re.sub(r"\W", " ", ast.unparse(node)).split() for node in imports]

    assert {words[1] for words in lines} <= {*sys.stdlib_module_names, "numpy", "mxnet"}


@pytest.mark.slow
def test_the_largest_text_runs_where_there_is_no_d2lrnn(tmp_path: Path) -> None:
    text, lent = support(ORDER[-1])
    (tmp_path / "lent.py").write_text(text, "utf-8")
    program = (
        "import sys, d2lrnn, mxnet; sys.modules['d2lrnn'] = None; import lent;"
        "print(len([vars(lent)[name] for name in sys.argv[1:]]))"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, *lent]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)

    assert (done.stdout, done.stderr) == (f"{len(lent)}\n", "")


def test_a_lent_function_does_what_ours_does() -> None:
    names: dict = {}
    exec(support("rnn")[0], names)

    assert names["one_hot"]([1, 0], 2).asnumpy().tolist() == [[0, 1], [1, 0]]
    with pytest.raises(IndexError, match="2"):
        names["one_hot"]([2], 2)


def test_an_unknown_function_is_refused() -> None:
    with pytest.raises(KeyError, match="transformer"):
        support("transformer")


# The closure, on a package of three small modules


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(lent_code, "PACKAGE", tmp_path)
    lent_code.read.cache_clear()
    yield tmp_path
    lent_code.read.cache_clear()


def test_what_is_used_comes_first_and_what_is_not_stays_away(package: Path) -> None:
    (package / "ground.py").write_text(
        "import math\nimport os\nPI = math.pi\n\n\ndef unused():\n    return os.sep\n"
    )
    (package / "top.py").write_text(
        "from .ground import PI as TURN\n\n\ndef area(r: Radius) -> float:\n    return half(r) * TURN\n\n\n"
        "def half(r):\n    return r / 2 if r else area(1)\n"
    )

    text = source_of([("top", "area")])
    names: dict = {}
    exec(text, names)

    assert names["area"](4) == pytest.approx(2 * 3.14159265)
    assert "unused" not in text and "import os" not in text and "Radius" in text


def test_one_name_for_two_things_is_refused(package: Path) -> None:
    (package / "a.py").write_text("_size = 1\n\n\ndef f():\n    return _size\n")
    (package / "b.py").write_text("_size = 2\n\n\ndef g():\n    return _size\n")

    with pytest.raises(ValueError, match="_size is two things"):
        source_of([("a", "f"), ("b", "g")])


def test_two_things_under_one_name_in_a_module_are_refused(package: Path) -> None:
    (package / "a.py").write_text("size = 1\nsize = 2\n\n\ndef f():\n    return size\n")

    with pytest.raises(ValueError, match="size"):
        source_of([("a", "f")])


def test_every_lesson_can_be_had_as_one_text() -> None:
    for lesson, names in CHAPTERS.values():
        assert set(names.split()) <= _names(source_of((lesson, name) for name in names.split()))
