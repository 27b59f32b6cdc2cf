"""Build the site of the book: python -m book.build [FOLDER], by default build/book.

Chapters whose outputs are not kept yet are run first (see run.py). Then Sphinx builds one site a language,
zh/ and en/, warnings being errors, and start.html becomes the index.html that leads to both. What pages do
not need is taken out (lighter.py). The page to play with gets the networks of play.py, which are trained,
once, if they are not there. The wheel that notebooks install from is put beside them, in _sources/.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from book import lighter, notebooks, play, run

HERE = Path(__file__).resolve().parent


def build(folder: Path, files: Sequence[Path]) -> int:
    """Build both sites and return 0, or the first exit code that is another.

    files: for the page to play with.
    """
    pages = run.chapter_files(*run.LANGUAGES) + run.solution_files(*run.LANGUAGES)
    missing = [path for path in run.distinct(pages) if not run.has_outputs(path)]
    if missing and not run.run_and_report(missing):
        return 1
    for language in run.LANGUAGES:
        work = folder.with_name(f"{folder.name}.work") / language  # what Sphinx need not do again
        command = [sys.executable, "-m", "sphinx", "--builder", "html", "--fail-on-warning", "--keep-going"]
        command += ["--quiet", "--conf-dir", str(HERE), "--tag", language]
        command += ["--define", f"nb_execution_cache_path={run.outputs_folder()}"]
        command += ["--doctree-dir", str(work / "doctrees")]
        code = subprocess.call([*command, str(run.CHAPTERS / language), str(work / "html")])
        if code:
            return code
        notebooks.build_wheel(work / "html" / "_sources")
        shutil.rmtree(folder / language, ignore_errors=True)
        shutil.copytree(work / "html", folder / language, ignore=shutil.ignore_patterns(".buildinfo"))
        lighter.lighten(folder / language)
        for file in files:
            shutil.copy(file, folder / language / "_static")
    shutil.copy(HERE / "start.html", folder / "index.html")
    shutil.copy(HERE / "404.html", folder)
    shutil.copy(run.ROOT / "LICENSE", folder / "LICENSE.txt")
    return 0


def main() -> int:
    """Build into the folder that is named on the command line."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else run.ROOT / "build" / "book"
    code = build(folder.resolve(), play.make_all(run.ROOT / "build" / "play"))
    if code == 0:
        print(f"The book: {folder.resolve() / 'index.html'}")
    return code


if __name__ == "__main__":
    sys.exit(main())
