"""Run chapters in a fresh kernel each and say how long they took.

    python -m book.run              all chapters in both languages
    python -m book.run 04 -j 2      chapter 4, two kernels at once
    python -m book.run --solutions  the worked solutions of all exercises

Exit code 1: a cell failed, something was written to stderr, a chapter or all of them took too long, or a
chapter keeps outputs. What ran well is kept in build/outputs, where build.py finds it: nothing runs twice.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import jupytext
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.cache.main import JupyterCacheBase
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = ROOT / "chapters"
LANGUAGES = ("zh", "en")
SECONDS = 60  # a chapter
SECONDS_IN_ALL = 15 * 60
HANG_SECONDS = 10 * 60  # a cell, on a busy machine, too
HARMLESS = (
    "Kernel is running over TCP without encryption",
    "Matplotlib is building the font cache",
    "frozen modules",  # the debugger of ipykernel, three lines of it
    "make the debugger miss breakpoints",
    "Debugging will proceed",
)


class Run(NamedTuple):
    """A chapter that has run: with its outputs, and with what is wrong with it, one line each."""

    path: Path
    notebook: NotebookNode
    seconds: float
    complaints: list[str]


def is_chapter(path: Path) -> bool:
    """Whether a page is a notebook that is run: its header names a kernel. Not all of them have a number."""
    return "\nkernelspec:\n" in path.read_text(encoding="utf-8")


def chapter_files(*languages: str) -> list[Path]:
    """The chapters, sorted by name: first those with a number."""
    return _files(languages, "*.md")


def solution_files(*languages: str) -> list[Path]:
    """The pages with worked solutions, one a chapter."""
    return _files(languages, "solutions/*.md")


def distinct(paths: Iterable[Path]) -> list[Path]:
    """One page for each code: that of a chapter is mostly the same in both languages."""
    pages: dict[str, Path] = {}
    for path in paths:
        cells = re.findall(r"(?ms)^```\{code-cell\}.*?^```$", path.read_text(encoding="utf-8"))
        pages.setdefault("\n".join(cells), path)
    return [*pages.values()]


def _files(languages: Sequence[str], pattern: str) -> list[Path]:
    pages = [
        (path.name, k, path) for k, lang in enumerate(languages) for path in (CHAPTERS / lang).glob(pattern)
    ]
    return [path for _, _, path in sorted(pages) if is_chapter(path)]


def execute(path: Path) -> Run:
    """Run a chapter in a fresh kernel of this interpreter."""
    notebook = jupytext.read(path)
    # no folder of kernels: jupyter falls back to the interpreter that runs this
    kernel = KernelManager(kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
    folder = {"metadata": {"path": str(path.parent)}}
    # record_timing would write into the cells, and hide that the code of both languages is the same
    client = NotebookClient(notebook, km=kernel, timeout=HANG_SECONDS, resources=folder, record_timing=False)
    complaints = kept_outputs(path)
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as log:
        try:
            client.execute(cleanup_kc=True, stderr=log)
        except (CellExecutionError, TimeoutError) as error:
            complaints.append(str(error).strip())
        seconds = time.perf_counter() - start
        log.seek(0)
        complaints += stray_lines(notebook, log.read())
    return Run(path, notebook, seconds, complaints)


def kept_outputs(path: Path) -> list[str]:
    """What looks like an output saved into a chapter, or a notebook left beside it."""
    text = path.read_text(encoding="utf-8")
    kept = [mark for mark in ("{code-output}", "data:image") if mark in text]
    return [f"keeps outputs: {thing}" for thing in kept + [str(p) for p in path.parent.glob("*.ipynb")]]


def stray_lines(notebook: NotebookNode, log: str) -> list[str]:
    """The lines on stderr, of the kernel and of its cells, that are not known to be harmless."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    log += "".join(output.text for output in outputs if output.get("name") == "stderr")
    lines = [line for line in log.splitlines() if line.strip()]
    return [f"on stderr: {line}" for line in lines if not any(known in line for known in HARMLESS)]


def outputs_folder() -> Path:
    """Where outputs are kept: another folder as soon as the package, its data or the lock differ."""
    data = [path for name in ("lyrics.txt", "*.xz", "*.json") for path in ROOT.glob(f"data/{name}")]
    files = sorted([*ROOT.glob("d2lrnn/**/*.py"), *ROOT.glob("setup/*.lock"), *data, Path(__file__)])
    digest = hashlib.sha256(sys.version.encode())
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return ROOT / "build" / "outputs" / digest.hexdigest()[:16]


@contextmanager
def outputs_cache() -> Iterator[JupyterCacheBase]:
    """The outputs of chapters that ran well, found again by their code: one run serves both languages."""
    folder = outputs_folder()
    folder.mkdir(parents=True, exist_ok=True)
    cache = get_cache(folder)
    try:
        yield cache
    finally:
        cache.db.dispose()  # the connections to its database


def has_outputs(path: Path) -> bool:
    """Whether the outputs of this chapter's code are kept."""
    try:
        with outputs_cache() as cache:
            cache.match_cache_notebook(jupytext.read(path))
    except KeyError:
        return False
    return True


def keep_outputs(run: Run) -> None:
    """Keep the outputs of a chapter that ran well for the site."""
    if not run.complaints:
        bundle = CacheBundleIn(run.notebook, str(run.path), data={"execution_seconds": run.seconds})
        with outputs_cache() as cache:
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def run_and_report(paths: list[Path], jobs: int = 1) -> bool:
    """Run chapters, print the seconds and the complaints of each, and return whether all is well."""
    seconds, well = 0.0, True
    with ThreadPoolExecutor(jobs) as pool:
        for run in pool.map(execute, paths):
            keep_outputs(run)
            late = [f"took {run.seconds:.0f} s, and may take {SECONDS}"] if run.seconds > SECONDS else []
            complaints = run.complaints + late
            seconds += run.seconds
            well = well and not complaints
            name = run.path.relative_to(CHAPTERS).with_suffix("").as_posix()
            print(f"{name:24} {run.seconds:6.1f} s  {'FAILED' if complaints else 'ok'}", flush=True)
            for complaint in complaints:
                print("    " + complaint.replace("\n", "\n    "), flush=True)
    print(f"{'in all':24} {seconds:6.1f} s  of {SECONDS_IN_ALL}, {len(paths)} pages")
    return well and seconds <= SECONDS_IN_ALL


def main(argv: list[str] | None = None) -> int:
    """Run the chapters that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="beginnings of names, e.g. 04 (default: all)"
    )
    parser.add_argument("-j", "--jobs", type=int, default=1, help="kernels at once (default: 1)")
    parser.add_argument(
        "--language", choices=LANGUAGES, action="append", help="only this one (default: both)"
    )
    parser.add_argument("--solutions", action="store_true", help="worked solutions in place of chapters")
    args = parser.parse_args(argv)
    files = solution_files if args.solutions else chapter_files
    paths = [
        path
        for path in files(*(args.language or LANGUAGES))
        if not args.names or path.name.startswith(tuple(args.names))
    ]
    if not paths:
        parser.error(f"no chapter begins with {' or '.join(args.names)}")
    return 0 if run_and_report(paths, max(1, args.jobs)) else 1


if __name__ == "__main__":
    sys.exit(main())
