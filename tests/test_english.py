"""No phrase of patterns.txt, which lists English that reads as translated, is in anything that we ship."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILES = (
    "README.md CONTRIBUTING.md CHANGELOG.md data/README.md chapters/README.md chapters/en/**/*.md "
    "d2lrnn/**/*.py book/**/*.py book/**/*.html book/**/*.js audits/**/*.py audits/*.md "
    "benchmarks/**/*.py benchmarks/*.md setup/*.py"
)
LINES = (Path(__file__).parent / "patterns.txt").read_text("utf-8").splitlines()
ROWS = [line.split("\t") for line in LINES if not line.startswith("#")]
GAP = r'(?:[\s#]|"\s*[fr]*")+'  # what a blank of a pattern stands for


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{pattern.replace(' ', GAP)})", re.IGNORECASE)


PATTERNS = {pattern: _compiled(pattern) for pattern, _, _ in ROWS}
ANY = _compiled("|".join(PATTERNS))  # one search instead of sixty
BETTER = {pattern: better for pattern, better, _ in ROWS}


def _found(text: str) -> Iterator[tuple[int, str, str]]:
    """(line, what was found, the better form) of each hit."""
    for hit in ANY.finditer(text):
        pattern = next(p for p, compiled in PATTERNS.items() if compiled.match(text, hit.start()))
        line = text.count("\n", 0, hit.start()) + 1
        yield line, " ".join(hit.group().split()), BETTER[pattern]


def test_nothing_that_we_ship_reads_as_translated() -> None:
    """The whole source of a module is searched: its names and its code are no phrases."""
    paths = sorted({path for pattern in FILES.split() for path in ROOT.glob(pattern)})
    assert len(paths) > 400
    hits = [
        f"{path.relative_to(ROOT)}:{line}: «{found}»: better: {better}"
        for path in paths
        for line, found, better in _found(path.read_text("utf-8"))
    ]
    assert not hits, "\n" + "\n".join(hits)


def test_every_pattern_finds_its_example() -> None:
    assert len(ROWS) == len(PATTERNS) >= 50
    assert [row for row in ROWS if not PATTERNS[row[0]].search(row[2])] == []
    assert [row for row in ROWS if ANY.search(row[1])] == []


def test_a_phrase_is_found_across_lines_comments_and_parts_of_a_string() -> None:
    for text in ("more is not to\nbe had", "# is not to be\n    # had", 'f"{x} is not "\n    f"to be had"'):
        assert [found[2] for found in _found(text)] == [BETTER[r"to be had\b"]], text
