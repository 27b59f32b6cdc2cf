"""pyproject.toml, the lock and environment.yml say the same; nothing names a machine or a registry."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

if sys.version_info < (3, 11):
    pytest.skip("the lock is for Python 3.11", allow_module_level=True)
import tomllib

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def lock() -> list[tuple[Requirement, int]]:
    """Every requirement of the lock with its number of hashes."""
    entries = (ROOT / "requirements.lock").read_text().replace("\\\n", " ").splitlines()
    entries = [entry for entry in entries if entry and not entry.startswith("#")]
    return [
        (Requirement(re.split(r"\s+--hash", entry)[0]), entry.count("--hash=sha256:")) for entry in entries
    ]


def test_the_lock_holds_what_pyproject_asks_for(
    project: dict[str, Any], lock: list[tuple[Requirement, int]]
) -> None:
    locked = {
        canonicalize_name(r.name): next(iter(r.specifier)).version
        for r, _ in lock
        if not r.marker or r.marker.evaluate()
    }
    extras = project["optional-dependencies"]
    wanted = [
        *project["dependencies"],
        *(line for name in extras if name != "cu112" for line in extras[name]),
    ]

    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), requirement


def test_the_lock_pins_and_hashes_everything(lock: list[tuple[Requirement, int]]) -> None:
    assert len(lock) > 50
    for requirement, num_hashes in lock:
        assert [s.operator for s in requirement.specifier] == ["=="], requirement
        assert num_hashes >= 1, requirement
    assert not re.search(r"://|--index|--find-links| @ ", (ROOT / "requirements.lock").read_text())


def test_what_is_installed_is_what_is_locked(lock: list[tuple[Requirement, int]]) -> None:
    for requirement, _ in lock:
        if not requirement.marker or requirement.marker.evaluate():
            assert requirement.specifier.contains(metadata.version(requirement.name), prereleases=True), (
                requirement
            )


def test_conda_takes_the_python_that_pyproject_allows_and_the_lock(project: dict[str, Any]) -> None:
    python, pip, pinned = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]

    assert SpecifierSet(project["requires-python"]).contains(python.removeprefix("python=") + ".0")
    assert (pip, pinned) == ("pip", {"pip": ["-r requirements.lock"]})


def test_mxnet_comes_for_cpu_or_for_cuda_and_never_both(project: dict[str, Any]) -> None:
    extras = project["optional-dependencies"]

    assert extras["cpu"] == ["mxnet==1.9.1"]
    assert extras["cu112"] == ["mxnet-cu112==1.9.1"]
    assert not any(
        "mxnet" in line for name in extras if name not in ("cpu", "cu112") for line in extras[name]
    )
    assert all("d2l==1.0.3" in extras[name] for name in ("book", "test"))


def test_every_dependency_has_its_reason(project: dict[str, Any]) -> None:
    reasons = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    lines = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]

    for requirement in map(Requirement, lines):
        assert f"`{requirement.name}`" in reasons, requirement.name


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    if not files:
        pytest.skip("not a git checkout")
    forbidden = re.compile(r"pypi\.|npmjs|/root/|/home/\w|/work/|/opt/")
    for name in files:
        if (
            name.endswith((".py", ".md", ".toml", ".lock", ".yml", ".yaml", "Makefile", ".ci/run"))
            and name != "tests/test_project.py"
        ):
            assert not forbidden.search((ROOT / name).read_text(encoding="utf-8")), name


def test_a_copyrighted_corpus_is_not_in_git() -> None:
    files = subprocess.run(
        ["git", "ls-files", "data"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split()

    assert set(files) <= {"data/README.md", "data/lyrics.txt"}
