"""The references: whatever a chapter or a docstring leans on has its entry, and every entry is leant on."""

import ast
import re
from pathlib import Path

import d2lrnn

import pytest

from book.run import CHAPTERS, LANGUAGES

PACKAGE = Path(d2lrnn.__file__).parent
CITED = re.compile(
    r"([A-Z][\w-]+)(?:, [A-Z][\w-]+)*(?: & [A-Z][\w-]+| et al\.)? ((?:19|20)\d\d)\b"
)  # as in docstrings: Kingma & Ba 2015

every_language = pytest.mark.parametrize("language", LANGUAGES)


def _entries(language: str) -> list[list[str]]:
    """The headings of the entries, Kingma 2015, section by section."""
    page = (CHAPTERS / language / "references.md").read_text(encoding="utf-8")
    return [re.findall(r"^### (.*)$", section, flags=re.M) for section in page.split("\n## ")[1:]]


def _anchors(language: str) -> set[str]:
    """What GitHub and Sphinx both make of the headings."""
    return {entry.lower().replace(" ", "-") for section in _entries(language) for entry in section}


def _links(path: Path) -> set[str]:
    return set(re.findall(r"\]\(references\.md#([^)]*)\)", path.read_text(encoding="utf-8")))


def _cited_in_docstrings() -> set[str]:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    cited = set()
    for path in PACKAGE.rglob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        texts = (ast.get_docstring(node) or "" for node in nodes if isinstance(node, documented))
        cited |= {match for text in texts for match in CITED.findall(" ".join(text.split()))}
    return {f"{author}-{year}".lower() for author, year in cited}


def test_both_languages_have_the_same_entries_sorted_by_author() -> None:
    zh, en = (_entries(language) for language in LANGUAGES)

    assert zh == en
    assert all(section == sorted(section) for section in zh)


@every_language
def test_every_link_has_its_entry_and_every_entry_is_cited(language: str) -> None:
    linked = set().union(*(_links(path) for path in (CHAPTERS / language).glob("*.md")))
    documented = _cited_in_docstrings()

    assert len(documented) > 10
    assert linked | documented == _anchors(language)


@every_language
def test_a_page_that_names_an_author_and_a_year_links_to_the_entry(language: str) -> None:
    missing = []
    for path in {*(CHAPTERS / language).glob("*.md")} - {CHAPTERS / language / "references.md"}:
        text = path.read_text(encoding="utf-8")
        for anchor in _anchors(language) - _links(path):
            author, _, year = anchor.partition("-")
            if year and re.search(rf"\b{author}\b.{{0,60}}?\b{year}\b", text, flags=re.I):
                missing.append((path.name, anchor))

    assert missing == []
