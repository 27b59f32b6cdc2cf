"""mxnet is imported whatever Python and NumPy there are, finds what it reads, and leaves nothing behind."""

import ast
import importlib.util
import math
import os
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from d2lrnn import compat

import numpy as np
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
SPEC = importlib.util.find_spec("mxnet")
MXNET = Path(SPEC.origin).parent if SPEC and SPEC.origin else Path()
LISTS = ("_NUMPY_ARRAY_FUNCTION_LIST", "_NUMPY_ARRAY_UFUNC_LIST")


def _at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """What runs when a module is imported: not the bodies of functions, but their defaults."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            yield from _at_import(node.args)
        else:
            yield node
            yield from _at_import(node)


def _names_read(path: Path) -> set[str]:
    """The attributes of numpy that a module of mxnet reads when it is imported."""
    tree = ast.parse(path.read_text("utf-8"))
    imports = [alias for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    aliases = {alias.asname or alias.name for alias in imports if alias.name == "numpy"}
    names = set()
    for node in _at_import(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
            names.add(node.attr)
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id in LISTS
        ):
            names |= set(ast.literal_eval(node.value))
    return names


def _run(*arguments: str, path: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    """Python in a folder whose modules come first."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(path), str(ROOT)])}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=path, env=environment, capture_output=True, text=True)


def _package(folder: Path, name: str, **modules: str) -> Path:
    (folder / name).mkdir()
    for module, text in modules.items():
        (folder / name / f"{module}.py").write_text(text)
    return folder


@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
def test_what_is_supplied_is_what_mxnet_reads_and_numpy_lacks() -> None:
    read = set().union(*(_names_read(path) for path in MXNET.rglob("*.py")))
    supplied = set(compat.stand_ins(np))

    assert len(read) > 100
    assert supplied <= read
    assert {name for name in read if not hasattr(np, name.partition(".")[0])} <= supplied


def test_a_numpy_that_has_the_names_keeps_its_own() -> None:
    old = types.ModuleType("numpy")
    vars(old).update(vars(np))
    vars(old).update(dict.fromkeys(compat.stand_ins(np), "its own"))
    before = dict(vars(old))

    assert compat.supply_numpy(old) == []
    assert vars(old) == before


def test_a_numpy_that_has_none_is_given_all_and_keeps_bool() -> None:
    names = compat.stand_ins(np)
    new = types.ModuleType("numpy")
    gone = {*names, "__getattr__"}
    vars(new).update({name: value for name, value in vars(np).items() if name not in gone})

    taken_away = compat.supply_numpy(new)

    assert set(taken_away) == set(names) - {"bool"}
    assert new.bool is np.bool_


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("alltrue", ([1, 0],), False),
        ("alltrue", ([1, 2],), True),
        ("sometrue", ([0, 2],), True),
        ("sometrue", ([0, 0],), False),
        ("product", ([2, 3, 4],), 24),
        ("round_", (2.6,), 3.0),
        ("in1d", ([1, 5], [5, 6]), [False, True]),
        ("msort", ([[3, 1], [2, 4]],), [[2, 1], [3, 4]]),
        pytest.param(
            "trapz",
            ([1, 2, 4],),
            4.5,
            marks=pytest.mark.skipif(not hasattr(np, "trapezoid"), reason="this NumPy has its own trapz"),
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_stand_in_computes_what_the_old_name_did(name: str, arguments: tuple, expected: Any) -> None:
    stand_in = compat.stand_ins(np)[name]

    assert np.array_equal(stand_in(*arguments), expected)
    assert not hasattr(np, name) or np.array_equal(getattr(np, name)(*arguments), expected)


def test_the_constants_are_those_of_their_names() -> None:
    names = compat.stand_ins(np)

    assert (names["PINF"], names["NINF"], names["Inf"]) == (math.inf, -math.inf, math.inf)
    assert math.isnan(names["NAN"])
    assert math.isnan(names["NaN"])
    assert [math.copysign(1, names[name]) for name in ("PZERO", "NZERO")] == [1, -1]


@pytest.mark.parametrize("name", ["mirr", "npv", "pmt", "ppmt", "pv", "rate"])
def test_what_numpy_has_given_away_refuses_by_name(name: str) -> None:
    with pytest.raises(NotImplementedError, match=name):
        compat.stand_ins(np)[name](0.1, [1, 2])


def test_what_was_supplied_is_taken_away_again(tmp_path: Path) -> None:
    _package(tmp_path, "scipy", __init__="HERE = True")
    code = """
import sys, numpy, scipy
before, theirs = set(vars(numpy)), sys.modules["scipy"]
import d2lrnn, mxnet
supplied = set(d2lrnn.compat.stand_ins(numpy)) - {"bool"}
print(len(supplied) > 15, supplied & set(vars(numpy)) - before, sys.modules["scipy"] is theirs)
print("distutils" in sys.modules and sys.version_info >= (3, 12))
"""
    assert _run("-c", code, path=tmp_path).stdout == "True set() True\nFalse\n"


def test_mxnet_does_not_find_scipy_and_others_do(tmp_path: Path) -> None:
    _package(tmp_path, "scipy", __init__="", sparse="")
    code = "import d2lrnn, mxnet.ndarray.utils as m, scipy.sparse; print(m.spsp, scipy.sparse.__name__)"

    assert _run("-c", code, path=tmp_path).stdout == "None scipy.sparse\n"


@pytest.mark.parametrize(
    "code",
    [
        "import d2lrnn, mxnet; from d2lrnn import get_params",
        "from d2lrnn import get_params; import mxnet",
        "import d2lrnn, mxnet.gluon, mxnet; from d2lrnn import get_params",
        "import d2lrnn, numpy; from mxnet import nd; from d2lrnn import get_params; from d2l import mxnet",
    ],
)
@pytest.mark.slow
def test_after_d2lrnn_any_module_may_come_first_and_nothing_warns(code: str) -> None:
    flags = () if "d2l " in code else ("-W", "error")
    done = _run(*flags, "-c", f"{code}; print(get_params(2, 3)[0].shape)")

    assert (done.stdout, done.stderr) == ("(2, 3)\n", "")


BROKEN = """
try:
    import mxnet
except (AttributeError, ImportError):
    pass
import d2lrnn
try:
    from d2lrnn import try_gpu
except ImportError as error:
    print(error)
"""


def test_an_mxnet_that_has_failed_before_is_reported_in_a_line(tmp_path: Path) -> None:
    _package(tmp_path, "mxnet", __init__="from . import base\nimport sys\nsys.gone", base="")

    done = _run("-c", BROKEN, path=tmp_path)

    (line,) = done.stdout.splitlines()
    assert "restart" in line
    assert done.stderr == ""


def test_one_thread_may_look_for_mxnet_while_another_loads_it(tmp_path: Path) -> None:
    asks = "from d2lrnn.compat import MXNetFinder\nprint(MXNetFinder.find_spec('mxnet').name)"
    _package(tmp_path, "mxnet", __init__=f"from . import base\n{asks}", base="")

    done = _run("-c", "import d2lrnn\nimport mxnet", path=tmp_path)

    assert (done.stdout, done.stderr) == ("mxnet\n", "")


def test_an_mxnet_that_is_not_installed_is_reported_in_a_line_each_time() -> None:
    done = _run("-S", "-c", BROKEN * 2)

    line, again = done.stdout.splitlines()
    assert line == again
    assert f"{sys.executable} -m {compat.INSTALL}" in line
    assert done.stderr == ""


MISSING = "raise OSError('libgomp.so.1: cannot open shared object file: No such file or directory')"


@pytest.mark.parametrize("command", ["train", "predict", "export", "grade"])
def test_a_missing_libgomp_is_one_line_of_a_command_and_exit_code_2(command: str, tmp_path: Path) -> None:
    _package(tmp_path, "mxnet", __init__="from . import base", base=MISSING)
    (tmp_path / "submission.py").write_text("def one_hot(): pass\n")
    arguments = ["submission.py", "--out", "results"] if command == "grade" else []

    done = _run("-m", f"d2lrnn.{command}", *arguments, path=tmp_path)

    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "libgomp.so.1" in done.stderr
    assert compat.SYSTEM_LIBRARIES in done.stderr
    assert not (tmp_path / "runs").exists()
