"""The chapters: the same book in two languages. That every cell of it runs is in test_site.py."""

import itertools
import re
import runpy
import unicodedata
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path

import d2lrnn

import jupytext
import pytest
from nbformat import NotebookNode

from book import run, stages
from book.run import CHAPTERS, LANGUAGES

NAMES = sorted({path.name for path in run.chapter_files(*LANGUAGES)})
NUMBERED = [name for name in NAMES if name[0].isdigit()]
SOLUTIONS = [f"solutions/{name}" for name in NAMES]
EXERCISES = {"zh": "练习", "en": "Exercises"}
# the one cell that may differ, where the argument holds in either language
CORPUS = {"zh": 'corpus = "lyrics"', "en": 'corpus = "timemachine"'}
# without code to run
PAGES = {"grading.md", "index.md", "notation.md", "play.md", "references.md", "setup.md", "systems.md"}

every_chapter = pytest.mark.parametrize("name", NAMES)
every_numbered_chapter = pytest.mark.parametrize("name", NUMBERED)
every_page = pytest.mark.parametrize("name", NAMES + SOLUTIONS)
every_file = pytest.mark.parametrize(
    ("language", "name"), [(lang, name) for name in NAMES for lang in LANGUAGES]
)
every_file_with_code = pytest.mark.parametrize(
    ("language", "name"), [(lang, name) for name in NAMES + SOLUTIONS for lang in LANGUAGES]
)


@cache
def _read(language: str, name: str) -> NotebookNode:
    return jupytext.read(CHAPTERS / language / name)


def _code(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def _prose(notebook: NotebookNode) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def _formulas(notebook: NotebookNode) -> list[str]:
    return re.findall(r"^\$\$$.*?^\$\$$", _prose(notebook), flags=re.M | re.S)


def _figures(notebook: NotebookNode) -> list[str]:
    return re.findall(r"!\[[^\]]+\]\(([^)]*)\)", _prose(notebook))


def _sections(notebook: NotebookNode) -> list[str]:
    return re.findall(r"^(#+) ", _prose(notebook), flags=re.M)


def _exercises(language: str, notebook: NotebookNode) -> list[str]:
    _, _, section = _prose(notebook).partition(f"\n## {EXERCISES[language]}\n")
    return re.findall(r"^\d+\. .*$", section, flags=re.M)


def test_both_languages_have_the_same_chapters_and_pages() -> None:
    zh, en = ({path.name for path in (CHAPTERS / language).glob("*.md")} for language in LANGUAGES)

    assert zh == en
    assert zh - set(NAMES) == PAGES
    assert len(NUMBERED) == len(d2lrnn.CHAPTERS)


@pytest.mark.parametrize(
    ("header", "is_run"),
    [("kernelspec:\n  name: python3", True), ("html_theme.sidebar: false", False), (None, False)],
)
def test_a_page_is_run_if_its_header_names_a_kernel(header: str | None, is_run: bool, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"---\n{header}\n---\n\n# Title\n" if header else "# Title\n", encoding="utf-8")

    assert run.is_chapter(page) == is_run


def test_every_section_of_the_tutorial_has_its_chapter() -> None:
    table = (CHAPTERS / "README.md").read_text(encoding="utf-8")

    links = re.findall(r"\]\(((?:zh|en)/[^)]*)\)", table)
    assert links
    assert [link for link in links if not (CHAPTERS / link).is_file()] == []


@every_numbered_chapter
def test_a_chapter_is_named_after_its_lesson(name: str) -> None:
    number, lesson = re.fullmatch(r"(\d\d)-([a-z]+)\.md", name).groups()  # type: ignore[union-attr]

    assert d2lrnn.CHAPTERS[int(number)][0] == lesson


@every_page
def test_both_languages_run_the_same_code_but_for_the_choice_of_a_corpus(name: str) -> None:
    zh, en = (_code(_read(language, name)) for language in LANGUAGES)

    assert [CORPUS["en"] if cell == CORPUS["zh"] else cell for cell in zh] == en


@every_page
@pytest.mark.parametrize("part", [_formulas, _figures, _sections])
def test_both_languages_have_the_same_formulas_figures_and_sections(name: str, part) -> None:
    zh, en = (part(_read(language, name)) for language in LANGUAGES)

    assert zh == en


@every_chapter
def test_both_languages_have_the_same_exercises_at_least_four(name: str) -> None:
    zh, en = (_exercises(language, _read(language, name)) for language in LANGUAGES)

    assert len(zh) == len(en) >= 4
    for in_zh, in_en in zip(zh, en):
        assert sorted(re.findall(r"`[^`]*`", in_zh)) == sorted(re.findall(r"`[^`]*`", in_en))


@every_file
def test_an_exercise_has_its_stars_a_hint_and_a_solution(language: str, name: str) -> None:
    exercises = _exercises(language, _read(language, name))
    _, _, section = _prose(_read(language, name)).partition(f"\n## {EXERCISES[language]}\n")
    solutions = re.findall(r"^## (.*)$", _prose(_read(language, f"solutions/{name}")), flags=re.M)

    assert f"](solutions/{name})" in section.partition("\n1. ")[0]
    assert [line for line in exercises if not re.match(r"\d+\. ★{1,3} ", line)] == []
    assert len(re.findall(r"<details><summary>.*?</summary>\n", section)) == len(exercises)
    assert solutions == [line.partition(".")[0] for line in exercises]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_solution_belongs_to_a_chapter(language: str) -> None:
    assert [path.name for path in run.solution_files(language)] == NAMES


@every_numbered_chapter
def test_students_implement_functions_of_this_lesson_and_an_exercise_asks_for_each(name: str) -> None:
    zh, en = (_read(language, name).metadata["implement"] for language in LANGUAGES)
    _, names_of_lesson = d2lrnn.CHAPTERS[int(name[:2])]
    exercises = "\n".join(_exercises("zh", _read("zh", name)))

    assert zh == en
    assert set(zh) <= set(names_of_lesson.split())
    for function in zh:
        assert callable(getattr(d2lrnn, function))
        assert f"`{function}`" in exercises


@every_file_with_code
def test_a_chapter_keeps_no_outputs(language: str, name: str) -> None:
    assert run.kept_outputs(CHAPTERS / language / name) == []


@every_file
def test_a_chapter_proves_what_it_claims_and_ends_with_an_assert(language: str, name: str) -> None:
    assert re.search(r"^assert ", _code(_read(language, name))[-1], flags=re.M)


@every_file_with_code
def test_code_is_at_most_80_columns_wide(language: str, name: str) -> None:
    lines = "\n".join(_code(_read(language, name))).split("\n")
    wide = [
        line for line in lines if len(line) + sum(unicodedata.east_asian_width(c) in "WF" for c in line) > 80
    ]

    assert wide == []


@every_file
def test_a_chapter_defines_nothing_that_the_package_defines(language: str, name: str) -> None:
    defined = re.findall(r"^\s*(?:def|class) (\w+)", "\n".join(_code(_read(language, name))), flags=re.M)

    assert not set(defined) & set(d2lrnn.__all__)


@every_page
def test_a_chapter_uses_public_names_only(name: str) -> None:
    """But for the methods of a NamedTuple, whose underscore keeps them apart from its fields."""
    code = "\n".join(_code(_read("en", name)))

    assert re.findall(r"\._(?!asdict\b|fields\b|replace\b)[a-z]\w*|\bimport _\w+", code) == []


@every_file_with_code
def test_a_chapter_can_be_saved_from_jupyterlab_and_keeps_its_header(language: str, name: str) -> None:
    notebook = _read(language, name)

    saved = jupytext.reads(jupytext.writes(notebook, fmt="md:myst"), fmt="md:myst")

    assert saved.metadata.get("implement") == notebook.metadata.get("implement")
    assert saved.metadata["kernelspec"] == {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    assert [cell.source for cell in saved.cells] == [cell.source for cell in notebook.cells]


@pytest.mark.parametrize("name", sorted({*NAMES} - {*NUMBERED}))
def test_a_chapter_without_a_number_teaches_no_lesson_and_is_in_the_contents(name: str) -> None:
    for language in LANGUAGES:
        index = (CHAPTERS / language / "index.md").read_text(encoding="utf-8")

        assert "implement" not in _read(language, name).metadata
        assert f"\n{Path(name).stem}\n" in index


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_page_has_a_line_for_each_chapter_and_says_how_long_it_takes(language: str) -> None:
    index = (CHAPTERS / language / "index.md").read_text(encoding="utf-8")
    line = r"^\| \[(?:\d+\. )?([^]]*)\]\(([\w-]+\.md)\) \|.*\| (\d+) (?:min|分钟) \|$"
    lines = re.findall(line, index, flags=re.M)

    assert {name for _, name, _ in lines} == {*NAMES} - {"beyond.md"}
    for title, name, minutes in lines:
        assert f"# {title}\n" in (CHAPTERS / language / name).read_text(encoding="utf-8")
        prose = re.sub(r"```.*?```|<!--.*?-->", "", _prose(_read(language, name)), flags=re.S)
        words = re.findall(r"[A-Za-z][\w'-]*", prose)
        chars = re.findall(r"[\u3400-\u9fff]", prose)
        code = re.findall(r"^.*\S.*$", "\n".join(_code(_read(language, name))), flags=re.M)
        needed = len(words) / 180 + len(chars) / 350 + len(code) / 15

        assert abs(int(minutes) - needed) < 10, name


@every_page
def test_every_plot_is_described_in_both_languages(name: str) -> None:
    zh, en = (
        re.findall(r"<!-- alt(?:, as drawn)?: (.*?) -->", _prose(_read(lang, name)), flags=re.S)
        for lang in LANGUAGES
    )

    assert len(zh) == len(en)
    assert all(re.search(r"[\u3400-\u9fff]", words) for words in zh)
    assert not any(re.search(r"[\u3400-\u9fff]", words) for words in en)


@every_file_with_code
def test_the_words_for_a_plot_stand_right_before_its_cell(language: str, name: str) -> None:
    cells = _read(language, name).cells

    for before, cell in zip(cells, cells[1:]):
        if cell.cell_type == "code" and "plt.show()" in cell.source:
            assert before.cell_type == "markdown" and before.source.endswith("-->"), cell.source


def test_every_figure_is_ours_and_every_figure_is_shown() -> None:
    shown = {CHAPTERS / "zh" / target for name in NAMES for target in _figures(_read("zh", name))}

    assert {path.resolve() for path in shown} == {path.resolve() for path in CHAPTERS.glob("figures/*")}


@pytest.mark.parametrize("drawing", stages.DRAWINGS)
def test_the_stages_of_a_drawing_are_made_from_it(drawing: str) -> None:
    made = stages.stages(stages.FIGURES / drawing)

    assert len(made) == 2
    for name, text in made.items():
        assert (stages.FIGURES / name).read_text(encoding="utf-8") == text, "run python -m book.stages"


@pytest.mark.parametrize("path", sorted(CHAPTERS.glob("figures/*.svg")), ids=lambda path: path.name)
def test_a_figure_is_svg_that_loads_nothing(path: Path) -> None:
    elements = list(ET.parse(path).iter())

    assert elements[0].tag == "{http://www.w3.org/2000/svg}svg"
    assert not any(element.tag.endswith(("}script", "}image", "}foreignObject")) for element in elements)
    assert not any(key.endswith("href") for element in elements for key in element.attrib)
    assert "@import" not in path.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import warnings; warnings.warn('stray')", "UserWarning: stray"),
        ("import os; os.write(2, b'from below')", "on stderr: from below"),
        ("![plot](data:image/png;base64,AAAA)", "keeps outputs: data:image"),
    ],
)
def test_the_runner_fails_on_what_a_chapter_must_not_do(
    cell: str,
    complaint: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    header = "---\nkernelspec:\n  display_name: Python 3\n  language: python\n  name: python3\n---\n\n"
    text = cell if cell.startswith("!") else f"```{{code-cell}} python3\n{cell}\n```"
    chapter = tmp_path / "zh" / "04-rnn.md"
    chapter.parent.mkdir()
    chapter.write_text(f"{header}# Title\n\n{text}\n", encoding="utf-8")
    monkeypatch.setattr(run, "CHAPTERS", tmp_path)

    assert run.main(["04", "--language", "zh"]) == 1
    printed = capsys.readouterr().out
    assert complaint in printed
    assert "FAILED" in printed


@pytest.mark.parametrize(
    ("num_chapters", "seconds", "said"),
    [
        (1, run.SECONDS, "ok"),
        (1, run.SECONDS + 1, f"{run.SECONDS + 1} s"),
        (run.SECONDS_IN_ALL // run.SECONDS + 1, run.SECONDS, f"{run.SECONDS_IN_ALL}"),
    ],
    ids=["in time", "one is late", "together they are"],
)
def test_the_runner_fails_where_chapters_take_too_long(
    num_chapters: int,
    seconds: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chapter = run.Run(CHAPTERS / "zh/04-rnn.md", NotebookNode(), float(seconds), [])
    monkeypatch.setattr(run, "execute", lambda path: chapter)
    monkeypatch.setattr(run, "keep_outputs", lambda chapter: None)

    assert run.run_and_report([chapter.path] * num_chapters) == (said == "ok")
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("language", LANGUAGES)
def test_chapter_17_gives_the_figures_that_were_measured(language: str) -> None:
    text = (CHAPTERS / language / "17-dist.md").read_text(encoding="utf-8")
    measured = (run.ROOT / "benchmarks" / "scaling.md").read_text(encoding="utf-8")
    _, _, given = next(line for line in text.splitlines() if "`benchmarks/scaling.md`" in line).partition(
        ".md`"
    )
    links = re.findall(r"^\| ([\d.]+) Gbit/s \|(?:.*\|){2} (\d+) ms \| (\d+) ms \|$", measured, flags=re.M)
    two_workers = re.findall(r"^\| 2 \|.*characters/s \| ([\d.]+) \| [\d.]+ \|$", measured, flags=re.M)

    assert len(links) == 3
    wanted = [*itertools.chain(*zip(*links)), *two_workers]
    assert [*map(float, re.findall(r"\d+(?:\.\d+)?", given))] == [*map(float, wanted)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_chapter_9_lists_the_published_figures(language: str) -> None:
    text = (CHAPTERS / language / "09-training.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| .* – .*$", text, flags=re.M)
    listed = [tuple(line.strip("| ").split(" | ")) for line in lines]
    rows = runpy.run_path(str(run.ROOT / "benchmarks" / "published.py"))["ROWS"]

    assert listed == [
        (
            name,
            row["optimizer"],
            f"{row['lr']:g}",
            f"{row['clipping_theta']:g}",
            str(row["max_chars"] or {"zh": "全部", "en": "all"}[language]),
            str(epoch),
            f"{low:g} – {high:g}",
        )
        for name, row in rows.items()
        for epoch, (low, high) in row["published"].items()
    ]
