"""The notebooks that the site offers, as on Colab: without d2lrnn, without MXNet, and far from the project.

The first cell installs both: MXNet from where pip finds it, d2lrnn from its wheel. The other cells are those
of chapters, which test_site.py runs; what is new here is what they find around them. So `make test` runs
two of them and imports what all import, and `make door` runs all.
"""

import ast
import os
import platform
import re
import subprocess
import sys
from base64 import b64decode
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import d2lrnn

import jupytext
import nbformat
import pytest
from browser import served
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pythons import NEWEST

from book import notebooks
from book.notebooks import colab_address
from book.run import CHAPTERS, LANGUAGES, ROOT, chapter_files, stray_lines
from setup.check import read_entries

COLAB_HAS = ("ipykernel", "matplotlib", "nbclient", "numpy", "packaging", "requests", "tqdm")
NAMES = [path.stem for path in chapter_files("en")]
# beside the first one, which installs: one whose workers are processes, and which draws
IN_THE_SUITE = (("en", "17-dist"),)
HAS_PARAMETER_SERVER = sys.platform == "linux" and platform.machine() == "x86_64"


class Colab(NamedTuple):
    """A Python, and a folder in which en/ and zh/ hold the notebooks and the wheel."""

    python: Path
    folder: Path

    def run(self, *command: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run this Python, with what the user has set for pip and nothing of what is set for this one."""
        foreign = ("PYTHON", "JUPYTER", "IPYTHON", "VIRTUAL_ENV")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        environment["PATH"] = f"{self.python.parent}{os.pathsep}{environment['PATH']}"
        return subprocess.run(
            [self.python, *map(str, command)],
            cwd=folder or self.folder,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )

    def forget(self, *packages: str) -> None:
        self.run("-m", "pip", "uninstall", "--yes", "--quiet", *packages).check_returncode()

    def versions(self) -> dict[str, str]:
        """The packages that are installed, with their versions."""
        lines = self.run("-m", "pip", "list", "--format=freeze").stdout.splitlines()
        return dict(line.split("==") for line in lines if "==" in line)

    def execute(self, language: str, name: str) -> tuple[nbformat.NotebookNode, str]:
        """Run a notebook; return it with its outputs, or as it was, and what went wrong."""
        path = self.folder / language / f"{name}.ipynb"
        answer = self.run("-c", "from nbclient.cli import main; main()", "--inplace", path)
        return nbformat.read(path, 4), answer.stderr if answer.returncode else ""


@pytest.fixture(scope="module")
def colab(tmp_path_factory: pytest.TempPathFactory) -> Colab:
    """A new environment of the newest Python, with packages that Colab has, at the locked versions."""
    folder = tmp_path_factory.mktemp("colab")
    subprocess.run([NEWEST, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    (folder / "colab.lock").write_text(_lock(COLAB_HAS))
    subprocess.run([python, ROOT / "setup" / "install.py", folder / "colab.lock"], check=True)
    for language in LANGUAGES:
        (folder / language).mkdir()
        for path in chapter_files(language):
            notebook = jupytext.read(path)
            notebooks.make_independent(notebook, language)
            nbformat.write(notebook, folder / language / f"{path.stem}.ipynb")
        notebooks.build_wheel(folder / language)
    return Colab(python, folder)


def _lock(names: tuple[str, ...]) -> str:
    """The entries of these packages, and of all that they require, from the locks."""
    wanted: set[str] = set()
    to_do = list(names)
    while to_do:
        name = canonicalize_name(to_do.pop())
        if name not in wanted:
            wanted.add(name)
            for requirement in map(Requirement, metadata.requires(name) or []):
                if not requirement.marker or requirement.marker.evaluate({"extra": ""}):
                    to_do.append(requirement.name)
    locks = (read_entries(ROOT / "setup" / f"{group}.lock") for group in ("train", "notebook"))
    entries = [(Requirement(pinned), entry) for lock in locks for pinned, entry in lock.items()]
    return "".join(entry for pinned, entry in entries if canonicalize_name(pinned.name) in wanted)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_first_cell_installs_what_is_missing_and_says_so(colab: Colab) -> None:
    colab.forget("d2lrnn", "mxnet")
    before = colab.versions()
    notebook, trouble = colab.execute("en", "01-text")
    (wheel,) = (colab.folder / "en").glob("*.whl")

    assert trouble == ""
    assert stray_lines(notebook, "") == []
    (output,) = notebook.cells[0].outputs
    assert wheel.name in output.text
    assert colab.versions() == before | {"d2lrnn": d2lrnn.__version__, "mxnet": "1.9.1"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_wheel_comes_from_the_address_that_the_site_names(colab: Colab) -> None:
    colab.forget("d2lrnn")
    (wheel,) = (colab.folder / "zh").glob("*.whl")
    with served(wheel.parent) as address:
        answer = colab.run("-c", notebooks.first_cell("zh", f"{address}/{wheel.name}"))

    assert (answer.returncode, answer.stderr) == (0, "")
    assert f"{address}/{wheel.name}" in answer.stdout
    assert colab.versions()["d2lrnn"] == d2lrnn.__version__

    again = colab.run("-c", notebooks.first_cell("zh"))  # where no wheel is, and none is needed
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_without_d2lrnn_and_a_wheel_one_line_says_what_to_do(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", "-c", notebooks.first_cell("en")]  # with the standard library only
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8")

    assert answer.returncode == 1
    assert answer.stdout == ""
    assert re.search(r"d2lrnn.*wheel.*$", answer.stderr.strip())


def test_both_languages_have_the_same_first_cell_but_for_its_comment() -> None:
    zh, en = (notebooks.first_cell(language).splitlines() for language in LANGUAGES)

    assert zh[0] != en[0]
    assert zh[0][:2] == en[0][:2] == "# "
    assert zh[1:] == en[1:]


@pytest.mark.parametrize("published", ["", "owner/name/blob/site"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_figures_are_in_the_notebook_and_links_lead_to_notebooks(language: str, published: str) -> None:
    figures, links, outside = [], [], set()
    for path in chapter_files(language):
        notebook = jupytext.read(path)
        outside |= set(re.findall(r"\]\((https://[^)\s]*)\)", path.read_text(encoding="utf-8")))
        notebooks.make_independent(notebook, language, published=published)
        prose = "".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        figures += re.findall(r"!\[[^\]]*\]\(([^)]*)\)", prose)
        links += re.findall(r"(?<!!)\[[^\]\n]*\]\(([^)\s]*)\)", prose)
    drawings = {path.read_bytes() for path in (CHAPTERS / "figures").glob("*.svg")}
    places = {colab_address(published, language, name) if published else f"{name}.ipynb" for name in NAMES}

    assert {b64decode(figure.removeprefix("data:image/svg+xml;base64,")) for figure in figures} == drawings
    assert len(links) > 20
    assert set(links) <= places | outside


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_notebooks_import_is_there_and_so_are_the_texts_and_the_results(colab: Colab) -> None:
    needed = {
        ast.unparse(node)
        for path in colab.folder.glob("*/*.ipynb")
        for cell in nbformat.read(path, 4).cells[1:]
        if cell.cell_type == "code"
        for node in ast.walk(ast.parse(re.sub("(?m)^%.*$", "", cell.source)))
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    d2lrnn_first = sorted(needed, key=lambda line: "d2lrnn" not in line)
    data = "assert all(map(d2lrnn.load_corpus, ('lyrics', *PACKED_CORPORA))) and d2lrnn.load_results()"
    names = "import d2lrnn\nfrom d2lrnn.corpora.names import PACKED_CORPORA"
    script = [notebooks.first_cell("en"), names, *d2lrnn_first, data]

    answer = colab.run("-c", "\n".join(script), folder=colab.folder / "en")

    assert (answer.returncode, answer.stderr) == (0, "")
    assert len(needed) > 20


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("language", "name"),
    [
        pytest.param(language, name, marks=() if (language, name) in IN_THE_SUITE else pytest.mark.door)
        for language in LANGUAGES
        for name in NAMES
    ],
)
def test_a_notebook_runs_without_the_project(language: str, name: str, colab: Colab) -> None:
    notebook, trouble = colab.execute(language, name)

    if name == "17-dist" and not HAS_PARAMETER_SERVER:
        assert "parameter server" in trouble
    else:
        assert trouble == ""
        assert stray_lines(notebook, "") == []
        assert any(cell.get("outputs") for cell in notebook.cells[1:])
