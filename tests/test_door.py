"""From outside: a wheel in an empty environment, other Pythons, other pips, fresh clones, a bare Debian.

`make test` runs a share of it, `make door` the rest, which takes an hour or two. Nothing of this checkout's
environment is used: the tracked files are copied, and the environment variables are few.
"""

import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from checkout import copy_checkout, tracked
from pythons import HERE, OTHERS, PYTHONS, VERSION

from setup import check

# how to reach an index, too
KEPT = ("LANG", "LC_ALL", "PATH", "PIP_", "SSL_", "REQUESTS_CA_BUNDLE", "D2LRNN_")
PIPS = {"23.0": "3.11", "23.2": "3.11", "": "3.13"}  # "": the newest. With the Python that brings such a one
SMALL = ["--hidden-dim", "8", "--max-chars", "2000", "--epochs", "2", "--batch-size", "4", "--num-steps", "9"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # an environment is installed, perhaps twice


def _environment(home: Path) -> dict[str, str]:
    """What a new user's shell has, without this checkout's .venv on the PATH."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(KEPT)}
    ours = str(Path(sys.executable).parent)
    folders = [folder for folder in kept["PATH"].split(os.pathsep) if folder != ours]
    home.mkdir(exist_ok=True)
    return {**kept, "PATH": os.pathsep.join(folders), "HOME": str(home), "PYENV_ROOT": _pyenv()}


def _pyenv() -> str:
    return os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv"))


def _run(command: Sequence[Any], folder: Path, *, home: Path, **variables: str) -> str:
    """What a command prints, which must not fail."""
    environment = {**_environment(home), **variables}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, env=environment, text=True, stdout=-1, stderr=subprocess.STDOUT)
    assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout[-3000:]}"
    return done.stdout


# The wheel


@pytest.fixture(
    scope="module",
    params=[HERE, *(pytest.param(version, marks=pytest.mark.door) for version in OTHERS)],
)
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder of the programs of an environment with the wheel, and the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--no-index", "--no-deps", "--no-build-isolation"]
    build += ["--quiet", "--wheel-dir", folder, copy_checkout(folder / "source")]
    _run(build, folder, home=folder / "home")
    (wheel,) = folder.glob("d2lrnn-*.whl")
    shutil.copytree(folder / "source" / "setup", folder / "setup")
    shutil.copy(folder / "source" / "pyproject.toml", folder)
    shutil.rmtree(folder / "source")
    _run([PYTHONS[request.param], "-m", "venv", "env"], folder, home=folder / "home")
    python = folder / "env/bin/python"
    _run([python, folder / "setup/install.py", folder / "setup/train.lock"], folder, home=folder / "home")
    _run([python, "-m", "pip", "install", "--no-index", "--no-deps", wheel], folder, home=folder / "home")
    return folder / "env/bin", wheel


def test_the_wheel_holds_what_the_package_and_data_hold(installed: tuple[Path, Path]) -> None:
    data = [f"d2lrnn/{name}" for name in [*tracked("data"), "setup/train.lock"]]

    found = [name for name in zipfile.ZipFile(installed[1]).namelist() if ".dist-info/" not in name]

    assert sorted(found) == sorted(tracked("d2lrnn") + data)


def test_every_command_of_the_wheel_runs_from_any_folder(
    installed: tuple[Path, Path], tmp_path: Path
) -> None:
    d2lrnn, python = installed[0] / "d2lrnn", installed[0] / "python"

    def run(*command: Any) -> str:
        return _run(command, tmp_path, home=tmp_path / "home")

    assert run(d2lrnn, "--version") == run(python, "-m", "d2lrnn", "--version") == "d2lrnn 0.1.0\n"
    assert "d2lrnn train --corpus" in run(d2lrnn)
    assert "let it write: " in run(d2lrnn, "train", *SMALL)
    assert "2 workers" in run(python, "-m", "d2lrnn.train", *SMALL, "--workers", "2", "--out", "two")
    assert run(d2lrnn, "predict", "two", "--prefix", "我", "--length", "5").splitlines()[-1][0] == "我"
    assert "held out" in run(d2lrnn, "evaluate", "two")
    run(d2lrnn, "export", "--out", "network.safetensors")
    assert "runs/lyrics-rnn" in run(d2lrnn, "runs")
    assert "workers" in run(d2lrnn, "runs", "compare", "runs/lyrics-rnn", "two")
    written = run(d2lrnn, "predict", "network.safetensors", "--prefix", "我", "--length", "5")
    assert len(written.splitlines()[-1]) == 6
    run(d2lrnn, "assignment", "new", "mine", "--lesson", "sampling")
    assert run(d2lrnn, "assignment", "check", "mine").endswith("nothing is written yet\n")
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "ada.py").write_text("def perplexity(nats_per_char):\n    return 2.0\n")
    run(d2lrnn, "grade", "class", "--lesson", "loss", "--out", "results", "--seed", "1")
    assert "ada" in (tmp_path / "results" / "grades.csv").read_text("utf-8")
    run(d2lrnn, "grade", "--gradescope", "autograder.zip", "--seed", "1", "--lesson", "loss")
    assert "mxnet==1.9.1" in zipfile.ZipFile(tmp_path / "autograder.zip").read("requirements.txt").decode()


# Other Pythons


def _quick_tests(version: str, folder: Path) -> None:
    copy = copy_checkout(folder / "copy")
    _run(
        ["make", ".venv/.notebook", ".venv/.d2lrnn", f"PYTHON={PYTHONS[version]}"], copy, home=folder / "home"
    )
    found = _run([".venv/bin/python", "-c", VERSION], copy, home=folder / "home")
    assert found.startswith(f"{version}.")
    assert _run([".venv/bin/python", "setup/check.py", "notebook"], copy, home=folder / "home").startswith(
        "whole"
    )
    names = [name for name in tracked("tests") if re.match(r"tests/test_([01]\d_(?!layout)|compat)", name)]
    quick = [".venv/bin/python", "-m", "pytest", "-q", "-m", "not slow", *names]
    printed = _run(quick, copy, home=folder / "home")
    assert re.search(r"\b1\d\d\d passed", printed), printed[-2000:]
    _resume_here(copy, folder / "home")
    shutil.rmtree(copy)


def _resume_here(copy: Path, home: Path) -> None:
    """A run that was begun there goes on here, and is told of another NumPy."""
    there, here, which = copy / ".venv/bin/python", sys.executable, "import numpy; print(numpy.__version__)"
    numpys = {_run([python, "-c", which], copy, home=home) for python in (there, here)}
    _run([there, "-m", "d2lrnn.train", *SMALL, "--out", "run"], copy, home=home)
    printed = _run([here, "-m", "d2lrnn.train", "--resume", "run", "--epochs", "3"], copy, home=home)
    assert "epoch   3  perplexity" in printed
    assert ("numpy was" in printed) == (len(numpys) == 2)


@pytest.mark.parametrize("version", OTHERS[:1])
def test_the_lessons_on_the_oldest_other_python(version: str, tmp_path: Path) -> None:
    _quick_tests(version, tmp_path)


@pytest.mark.door
@pytest.mark.parametrize("version", OTHERS[1:])
def test_the_lessons_on_the_other_pythons(version: str, tmp_path: Path) -> None:
    _quick_tests(version, tmp_path)


# A fresh clone


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """Lines of a table that is printed at the end."""
    rows: list[str] = []
    yield rows
    print(
        "",
        "| Python | make train, set-up included | MB | make test | MB |",
        "|---|--:|--:|--:|--:|",
        *rows,
        sep="\n",
    )


def _megabytes(folder: Path) -> int:
    return int(subprocess.run(["du", "-sm", folder], capture_output=True, text=True).stdout.split()[0])


@pytest.mark.door
@pytest.mark.timeout(3 * 3600)
@pytest.mark.parametrize("version", PYTHONS)
def test_a_fresh_clone_trains_and_passes_its_tests(
    version: str, tmp_path: Path, table: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    clone, row = copy_checkout(tmp_path / "clone"), [version]
    _run(["git", "init", "--quiet"], clone, home=tmp_path / "home")
    _run(["git", "add", "--all"], clone, home=tmp_path / "home")
    for target in ("train", "test"):
        start = time.monotonic()
        printed = _run(["make", target, f"PYTHON={PYTHONS[version]}"], clone, home=tmp_path / "home")
        row += [f"{(time.monotonic() - start) / 60:.1f} min", str(_megabytes(clone / ".venv"))]
        assert {"train": "let it write: ", "test": " passed"}[target] in printed
    table.append(f"| {' | '.join(row)} |")
    with capsys.disabled():
        print(f"\n{table[-1]}")
    shutil.rmtree(clone)


# Other pips, and an index that has newer versions of everything


@pytest.mark.door
@pytest.mark.parametrize("pip", PIPS)
def test_every_lock_installs_with_old_pips_and_the_newest(pip: str, tmp_path: Path) -> None:
    copy = copy_checkout(tmp_path / "copy")
    _run([PYTHONS.get(PIPS[pip], sys.executable), "-m", "venv", ".venv"], copy, home=tmp_path / "home")
    wanted = f"pip=={pip}" if pip else "pip"
    _run([".venv/bin/python", "-m", "pip", "install", "--upgrade", wanted], copy, home=tmp_path / "home")
    for group in check.GROUPS:
        lock = f"setup/{group}.lock"
        _run([".venv/bin/python", "setup/install.py", lock], copy, home=tmp_path / "home")
    assert _run([".venv/bin/python", "setup/check.py"], copy, home=tmp_path / "home").startswith("whole")
    shutil.rmtree(copy)


@pytest.mark.door
def test_newer_versions_of_everything_change_nothing(tmp_path: Path) -> None:
    copy, newer = copy_checkout(tmp_path / "copy"), tmp_path / "newer"
    newer.mkdir()
    locked = check.locked_here(("train", "notebook"))
    for name in locked:
        stem = f"{name.replace('-', '_')}-9999"
        with zipfile.ZipFile(newer / f"{stem}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(
                f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 9999\n"
            )
    _run([sys.executable, "-m", "venv", ".venv"], copy, home=tmp_path / "home")
    links = f"{os.environ.get('PIP_FIND_LINKS', '')} {newer}"
    for group in ("train", "notebook"):
        command = [".venv/bin/python", "setup/install.py", f"setup/{group}.lock"]
        _run(command, copy, home=tmp_path / "home", PIP_FIND_LINKS=links)
    freeze = _run([".venv/bin/python", "-m", "pip", "freeze", "--all"], copy, home=tmp_path / "home")
    found = dict(line.split("==") for line in freeze.split() if "==" in line)
    assert "9999" not in freeze
    assert {check.canonicalize_name(name) for name in found} >= set(locked)
    shutil.rmtree(copy)


# A machine with nothing on it

TERMINALS = "mount -t devpts -o ptmxmode=666 devpts /dev/pts && mount --bind /dev/pts/ptmx /dev/ptmx"
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")  # of this machine: it may trust an index in between


@pytest.mark.door
@pytest.mark.timeout(2 * 3600)
def test_a_bare_debian_asks_for_what_it_lacks_then_trains_and_passes_the_tests(tmp_path: Path) -> None:
    if os.getuid() != 0 or not shutil.which("debootstrap"):
        pytest.skip("only root can make a Debian, with debootstrap")
    root = tmp_path / "debian"
    packages = "--include=python3-venv,make,git,ca-certificates"
    _run(["debootstrap", packages, "trixie", root], tmp_path, home=tmp_path / "home")
    shutil.copy("/etc/resolv.conf", root / "etc")
    shutil.copy(BUNDLE, root / BUNDLE.relative_to("/"))
    copy_checkout(root / "clone")
    inside = ["unshare", "--mount", "--pid", "--fork", f"--mount-proc={root}/proc", "chroot", str(root)]
    inside += ["sh", "-c", f'{TERMINALS} && exec "$@"', "sh", "env", "-i", "HOME=/root"]
    inside += ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", f"PIP_CERT={BUNDLE}"]

    refused = subprocess.run([*inside, "make", "-C", "/clone", "train"], capture_output=True, text=True)
    assert refused.returncode == 2
    assert "libgomp.so.1 libquadmath.so.0" in refused.stderr

    _run([*inside, "apt-get", "install", "-y", "libgomp1", "libquadmath0"], tmp_path, home=tmp_path / "home")
    _run([*inside, "git", "-C", "/clone", "init", "--quiet"], tmp_path, home=tmp_path / "home")
    _run([*inside, "git", "-C", "/clone", "add", "--all"], tmp_path, home=tmp_path / "home")
    printed = _run([*inside, "make", "-C", "/clone", "train"], tmp_path, home=tmp_path / "home")
    assert "let it write: " in printed
    assert " passed" in _run([*inside, "make", "-C", "/clone", "test"], tmp_path, home=tmp_path / "home")
    shutil.rmtree(root)
