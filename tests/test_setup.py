"""The way in: locks that are whole, a Python that is found, an installation that resolves nothing."""

import copy
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from setup import check

ROOT = Path(__file__).parent.parent
LOCKS = sorted((ROOT / "setup").glob("*.lock"))
TOOLS = ("cat", "head", "ls", "rm", "sh")
GROUPS = check.GROUPS if importlib.util.find_spec("mypy") else check.GROUPS[:-1]  # those that are installed
PYTHON = Path(sys.base_prefix) / "bin" / "python3"


# The locks


def test_there_is_a_lock_for_each_group_of_pyproject() -> None:
    groups = check.read_project()["dependency-groups"]

    assert [path.stem for path in LOCKS] == sorted(groups) == sorted(check.GROUPS)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_a_lock_pins_and_hashes_everything_and_names_no_address(path: Path) -> None:
    lock = check.read_lock(path.stem)

    assert len(lock) > 15
    for requirement, hashes in lock.items():
        assert [specifier.operator for specifier in requirement.specifier] == ["=="], requirement
        assert hashes, requirement
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", one) for one in hashes), requirement
    assert not re.search(r"://|--index|--find-links| @ ", path.read_text())


def test_every_requirement_of_every_locked_package_is_met() -> None:
    assert list(check.unmet(check.read_project(), GROUPS)) == []


@pytest.mark.parametrize("name", ["pyparsing", "numpy", "wcwidth"])
def test_a_lock_that_lacks_a_package_is_not_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read = check.read_lock
    monkeypatch.setattr(
        check, "read_lock", lambda group: {r: hashes for r, hashes in read(group).items() if r.name != name}
    )

    lines = list(check.unmet(check.read_project(), GROUPS))

    assert lines
    assert all(name in line and "none" in line for line in lines)


def test_without_the_stated_overrides_the_locks_would_not_do() -> None:
    project = copy.deepcopy(check.read_project())
    project["tool"]["uv"]["override-dependencies"] = []

    text = "\n".join(check.unmet(project, GROUPS))

    for line in ("train.*mxnet.*graphviz", "train.*mxnet.*numpy", "notebook.*d2l.*pandas==2.0.3"):
        assert re.search(line, text)


def test_what_is_installed_is_what_is_locked() -> None:
    locked = check.locked_here(GROUPS)

    # of this folder only: setuptools, once it is imported, shows packages of its own
    installed = metadata.distributions(path=[sysconfig.get_path("purelib")])
    found = {canonicalize_name(each.metadata["Name"]): each.version for each in installed}

    assert len(found) > 100
    assert {name: locked.get(name, version) for name, version in found.items()} == found


def test_training_needs_few_packages() -> None:
    assert len(check.locked_here(("train",))) < 30


# Nothing is resolved or built


def _commands() -> list[str]:
    """Every line of ours that has something installed."""
    files = [
        "Makefile",
        "environment.yml",
        ".ci/run",
        "README.md",
        "README.zh.md",
        "setup/venv.sh",
        "setup/install.py",
    ]
    files += [f"chapters/{language}/setup.md" for language in ("zh", "en")]
    text = "\n".join((ROOT / name).read_text("utf-8") for name in files)
    return re.findall(r"(?m)^.*\b(?:pip install|uv pip install|uv sync|pip wheel|conda install)\b.*$", text)


def test_nothing_that_installs_asks_an_index_what_is_newest() -> None:
    commands = _commands()

    assert len(commands) > 4
    for line in commands:
        of_the_wheel = "pip install d2lrnn-" in line  # whose requirements have no upper bounds
        assert "--no-deps" in line or of_the_wheel, line


def test_conda_brings_python_and_make_and_nothing_that_pip_would_resolve() -> None:
    import yaml

    python, make = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]

    assert re.fullmatch(r"python=3\.1[0-4]", python)
    assert make == "make"


def _wheel(folder: Path, version: str) -> Path:
    path = folder / f"probe-{version}-py3-none-any.whl"
    info = f"probe-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("probe.py", f"VERSION = {version!r}\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: probe\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


def _install(folder: Path, sha256: str) -> "subprocess.CompletedProcess[str]":
    """Install a lock of one package into a new environment, from a folder that also has a newer version."""
    for version in ("1.0", "9.0"):
        _wheel(folder, version)
    (folder / "probe.lock").write_text(f"probe==1.0 \\\n    --hash=sha256:{sha256}\n")
    subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True)
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}
    command = [folder / "env/bin/python", ROOT / "setup/install.py", folder / "probe.lock"]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_the_locked_version_is_installed_though_there_is_a_newer_one(tmp_path: Path) -> None:
    done = _install(tmp_path, hashlib.sha256(_wheel(tmp_path, "1.0").read_bytes()).hexdigest())

    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"probe .*\d+ s.*\n", done.stdout)
    code = "import probe; print(probe.VERSION)"
    found = subprocess.run([tmp_path / "env/bin/python", "-c", code], capture_output=True, text=True)
    assert found.stdout == "1.0\n"


@pytest.mark.slow
def test_a_package_of_another_hash_is_refused_with_what_pip_says(tmp_path: Path) -> None:
    done = _install(tmp_path, "0" * 64)

    assert done.returncode == 1
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr
    assert done.stdout.startswith("probe")


# A Python is found


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder for the PATH with the tools that setup/venv.sh calls, and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(shutil.which(tool) or "")
    return folder


def _python(folder: Path, name: str, *, lacks: str = "", runs: bool = True) -> None:
    """A Python on this PATH: one that runs none, or whose programs that say `lacks` fail."""
    real = f'exec "{PYTHON}" "$@"' if runs else "exit 127"
    refusal = f'case "$*" in *{lacks}*) exit 1;; esac\n' if lacks else ""
    (folder / name).write_text(f"#!/bin/sh\n{refusal}{real}\n")
    (folder / name).chmod(0o755)


def _venv(folder: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": str(folder), "HOME": str(folder), **variables}
    command = ["sh", str(ROOT / "setup/venv.sh"), *arguments]
    return subprocess.run(command, cwd=folder.parent, env=environment, capture_output=True, text=True)


def _made(folder: Path) -> bool:
    pip = [folder.parent / ".venv/bin/python", "-m", "pip", "--version"]
    return subprocess.run(pip, capture_output=True).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", [{"runs": False}, {"lacks": "ensurepip"}], ids=["does not run", "makes no venv"]
)
def test_a_python_that_does_not_serve_is_left_for_the_next(fault: dict[str, Any], bare: Path) -> None:
    _python(bare, "python3.14", **fault)
    _python(bare, "python3.11")

    done = _venv(bare)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Python 3.")
    assert _made(bare)


def test_without_any_python_one_message_says_what_to_type(bare: Path) -> None:
    _python(bare, "python3", runs=False)

    done = _venv(bare)

    assert done.returncode == 2
    assert "sudo apt install python3-venv make libgomp1 libquadmath0" in done.stderr
    assert "sudo dnf install python3 make libgomp libquadmath" in done.stderr
    assert not (bare.parent / ".venv").exists()


@pytest.mark.parametrize(
    "fault", [None, {"runs": False}, {"lacks": "ensurepip"}], ids=["absent", "broken", "no venv"]
)
def test_a_python_that_is_named_and_does_not_serve_is_refused_in_a_line(fault: Any, bare: Path) -> None:
    _python(bare, "python3.11")
    if fault:
        _python(bare, "other", **fault)
    (bare.parent / ".venv").mkdir()

    done = _venv(bare, str(bare / "other"))

    assert done.returncode == 2
    assert re.fullmatch(f"PYTHON={bare}/other .+\n", done.stderr)
    assert (bare.parent / ".venv").exists()


@pytest.mark.parametrize("name", ["libgomp.so.1", "libquadmath.so.0"])
def test_a_missing_library_is_said_before_anything_is_made(name: str, bare: Path) -> None:
    if name == "libquadmath.so.0" and platform.machine() != "x86_64":
        pytest.skip("only x86-64 has a libquadmath")
    stub = f"import ctypes; ctypes.CDLL = lambda name, load=ctypes.CDLL: load(name.replace({name!r}, 'gone'))"
    (bare.parent / "sitecustomize.py").write_text(stub)
    _python(bare, "python3.11")

    done = _venv(bare, PYTHONPATH=str(bare.parent))

    assert done.returncode == 2
    assert re.fullmatch(rf".*{name}.* sudo apt install libgomp1 libquadmath0 .*\n", done.stderr)
    assert not (bare.parent / ".venv").exists()


@pytest.mark.slow
def test_where_only_uv_is_there_it_finds_a_python(bare: Path) -> None:
    (bare / "uv").symlink_to(Path(sys.executable).with_name("uv"))
    key = f"cpython-{sys.version_info[0]}.{sys.version_info[1]}.{sys.version_info[2]}-linux-x86_64-gnu"
    (bare.parent / "pythons" / key / "bin").mkdir(parents=True)
    (bare.parent / "pythons" / key / "bin" / PYTHON.resolve().name).symlink_to(PYTHON.resolve())

    done = _venv(bare, UV_PYTHON_INSTALL_DIR=str(bare.parent / "pythons"), UV_PYTHON_DOWNLOADS="never")

    assert done.returncode == 0, done.stderr
    assert _made(bare)
