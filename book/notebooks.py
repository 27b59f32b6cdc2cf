"""Chapters as notebooks that run without this project around them: what the site's download button gives.

It begins with a cell that installs d2lrnn where it is missing (first_cell.py). Its figures are in it, and its
links lead to the notebooks of other chapters; links to pages that are no notebooks become text.
"""

from __future__ import annotations

import base64
import re
from pathlib import Path

import nbformat.v4
from hatchling.builders.wheel import WheelBuilder
from nbformat import NotebookNode

from book.run import CHAPTERS, ROOT, chapter_files

FIRST_CELL = (Path(__file__).parent / "first_cell.py").read_text(encoding="utf-8")
COMMENT_ZH = "# 本书的程序包 d2lrnn 如果还没有装（例如在 Colab、Kaggle 上），这里就把它和 MXNet 一起装上。"


def first_cell(language: str, wheel: str = "") -> str:
    """The code of the cell that installs d2lrnn.

    wheel: the address of the package; empty: a file beside the notebook.
    """
    comment, _, code = FIRST_CELL.strip().partition("\n")
    comment = COMMENT_ZH if language == "zh" else comment
    return f"{comment}\n{code}".replace('wheel = ""', f'wheel = "{wheel}"', 1)


def colab_address(published: str, language: str, name: str) -> str:
    """Where Colab opens the notebook of a chapter.

    published: OWNER/REPO/blob/BRANCH on GitHub, with the site in it.
    """
    return f"https://colab.research.google.com/github/{published}/{language}/_sources/{name}.ipynb"


def make_independent(notebook: NotebookNode, language: str, *, wheel: str = "", published: str = "") -> None:
    """Make a chapter run without the project: with the first cell, its figures, and links to notebooks only.

    published: see colab_address; empty: the other notebooks are expected beside this one.
    """
    chapters = {path.stem for path in chapter_files(language)}

    def other_notebook(link: re.Match[str]) -> str:
        text, name = link.groups()
        if name not in chapters:
            return text
        return f"[{text}]({colab_address(published, language, name) if published else f'{name}.ipynb'})"

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\[([^][]*)\]\(([\w/-]+)\.md(?:#[^)]*)?\)", other_notebook, cell.source)
            cell.source = re.sub(r"\]\(\.\./(figures/[^)]*\.svg)\)", _embedded, cell.source)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(first_cell(language, wheel), id="install"))


def _embedded(found: re.Match[str]) -> str:
    data = base64.b64encode((CHAPTERS / found[1]).read_bytes()).decode()
    return f"](data:image/svg+xml;base64,{data})"


def build_wheel(folder: Path) -> Path:
    """Build the wheel of the package into a folder, in place of what is there. Needs no network."""
    for old in folder.glob("d2lrnn-*.whl"):
        old.unlink()
    return Path(next(WheelBuilder(str(ROOT)).build(directory=str(folder))))
