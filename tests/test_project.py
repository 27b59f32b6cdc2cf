"""Every dependency has its reason; no file names a machine or a registry, or may not be published."""

import re
from typing import Any

import pytest
from checkout import ROOT, tracked
from packaging.requirements import Requirement

from setup.check import read_project


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return read_project()["project"]


def test_mxnet_is_no_requirement_of_the_wheel(project: dict[str, Any]) -> None:
    extras = project["optional-dependencies"].values()

    assert not any("mxnet" in line for lines in [project["dependencies"], *extras] for line in lines)


def test_every_dependency_has_its_reason(project: dict[str, Any]) -> None:
    reasons = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    lines = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
        *(line for group in read_project()["dependency-groups"].values() for line in group),
    ]

    for requirement in map(Requirement, lines):
        assert f"`{requirement.name}`" in reasons, requirement.name


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    if not tracked():
        pytest.skip("not a git checkout")
    forbidden = re.compile(r"pypi\.|npmjs|/root/|/home/\w|/work/|/opt/")
    for name in tracked():
        if (
            name.endswith((".py", ".sh", ".md", ".toml", ".lock", ".yml", ".yaml", "Makefile", ".ci/run"))
            and name != "tests/test_project.py"
        ):
            assert not forbidden.search((ROOT / name).read_text(encoding="utf-8")), name


def test_the_wheel_holds_all_data() -> None:
    included = read_project()["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]

    assert set(tracked("data")) <= {name for name in included if name.startswith("data/")}


def test_a_copyrighted_corpus_is_not_in_git() -> None:
    assert set(tracked("data")) <= {
        "data/README.md",
        "data/heldout.json",
        "data/lyrics.txt",
        "data/songci.txt.xz",
        "data/timemachine.txt.xz",
    }
