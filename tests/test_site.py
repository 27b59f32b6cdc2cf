"""Every chapter runs, and the site: complete in itself, and fit to be read in a browser of any width.

It is built from the outputs of the chapters that have just been run, so that none runs twice.
"""

import itertools
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import d2lrnn
from d2lrnn import load_corpus

import axe_playwright_python
import jupytext
import nbformat
import pytest
from browser import Page, chromium, served
from PIL import Image

from book import lighter, notebooks, play
from book.build import build
from book.run import (
    CHAPTERS,
    LANGUAGES,
    ROOT,
    chapter_files,
    distinct,
    execute,
    keep_outputs,
    outputs_folder,
    solution_files,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

SOURCES = [
    (language, path.relative_to(CHAPTERS / language).with_suffix("").as_posix())
    for language in LANGUAGES
    for path in sorted((CHAPTERS / language).rglob("*.md"))
]
SMALL = "--max-chars 3000 --hidden-dim 16 --num-steps 10 --epochs 1"
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
HEAVY = 1_500_000  # bytes, that a page and all that it loads may have, unpacked
STATES = (1400, "light"), (1400, "dark"), (390, "dark"), (390, "light")  # of a page: its width, and its theme
# axe-core takes seconds for each: in `make test` the pages take turns, and a page's two languages differ. Of
# the solutions, whose code and layout are the same in both, one language is opened
TURNS = [(i + LANGUAGES.index(language)) % 4 for i, (language, _) in enumerate(SOURCES)]
AUDITS = [
    (*page, (STATES[turn],))
    for page, turn in zip(SOURCES, TURNS)
    if page[0] == LANGUAGES[0] or not page[1].startswith("solutions/")
]
# code that is wider than its box, and output that cannot be scrolled to its end
CUT = """[...document.querySelectorAll("article pre")].filter((pre) => {
  const mustFit = innerWidth >= 1400 && !pre.closest(".output");
  return pre.scrollWidth > pre.clientWidth + 1 && (mustFit || getComputedStyle(pre).overflowX !== "auto");
}).map((pre) => pre.textContent.slice(0, 200))"""
WEIGHT = """["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind)).reduce(
  (sum, entry) => sum + entry.decodedBodySize, 0)"""
PLACE, WHEEL = "owner/name/blob/site", "https://example.org/d2lrnn-9-py3-none-any.whl"
ADDRESS = "https://example.org/book"
LOADED = {"src", "srcset", "data", "poster", "action"}  # what a browser fetches or sends to by itself


class Links(HTMLParser):
    """The addresses in a page: those that are loaded, those that can be clicked, and the anchors."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.clicked: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            if name in LOADED or (name == "href" and tag == "link"):
                self.loaded.append(value or "")
            elif name == "href" and tag in ("a", "area"):
                self.clicked.append(value or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, run = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("run")
    for name in play.NETWORKS:
        play.make(name, shlex.split(SMALL), run)
    assert build(folder, play.make_all(run)) == 0, "Sphinx warns: see the captured output"
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with served(site) as address:
        yield address


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as page:
        yield page


@pytest.mark.parametrize(
    "path",
    distinct(chapter_files(*LANGUAGES) + solution_files(*LANGUAGES)),
    ids=lambda path: path.relative_to(CHAPTERS).with_suffix("").as_posix(),
)
def test_a_chapter_runs_in_a_fresh_kernel(path: Path) -> None:
    chapter = execute(path)

    keep_outputs(chapter)
    assert chapter.complaints == []


def test_every_page_of_both_languages_is_built_and_is_in_the_contents(site: Path) -> None:
    for language, name in SOURCES:
        contents = Links(site / language / "index.html").clicked

        assert (site / language / f"{name}.html").is_file()
        assert name == "index" or f"{name}.html" in contents


def test_a_chapter_keeps_its_number(site: Path) -> None:
    for language, name in SOURCES:
        title = re.search(r"<h1>(.*?)<", (site / language / f"{name}.html").read_text(encoding="utf-8"))[1]

        assert (re.match(r"\d+", title) or [""])[0] == (re.match(r"\d+", name) or [""])[0].lstrip("0")


def test_every_link_inside_the_site_leads_somewhere(site: Path) -> None:
    pages = {path: Links(path) for path in site.rglob("*.html") if "_static" not in path.parts}
    broken = []
    for path, links in pages.items():
        for link in links.loaded + links.clicked:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link.startswith("#!"):
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not file.is_file() or (anchor and file in pages and anchor not in pages[file].anchors):
                broken.append(f"{path.relative_to(site)}: {link}")

    assert len(pages) > len(SOURCES)
    assert broken == []


def test_no_page_loads_anything_from_an_outside_host(site: Path) -> None:
    outside = re.compile(r"(?:https?:)?//")
    for path in site.rglob("*.html"):
        assert not [link for link in Links(path).loaded if outside.match(link)], path
    for path in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//", path.read_text(encoding="utf-8")), (
            path
        )


def test_a_chapter_can_be_taken_away_as_a_notebook_that_is_complete_in_itself(site: Path) -> None:
    for path in chapter_files(*LANGUAGES):
        language = path.parent.name
        page = site / language / f"{path.stem}.html"
        link = next(link for link in Links(page).clicked if link.endswith(".ipynb"))
        notebook = nbformat.read(page.parent / link, 4)
        expected = jupytext.read(path)
        notebooks.make_independent(expected, language)

        assert notebook.metadata.kernelspec.name == "python3"
        assert [cell.source for cell in notebook.cells] == [cell.source for cell in expected.cells]
        assert any(cell.get("outputs") for cell in notebook.cells)
        assert "find_spec" not in page.read_text(encoding="utf-8"), "the page shows the cell that installs"


def test_the_wheel_lies_beside_the_notebooks(site: Path) -> None:
    for language in LANGUAGES:
        names = [path.name for path in (site / language / "_sources").glob("*.whl")]

        assert names == [f"d2lrnn-{d2lrnn.__version__}-py3-none-any.whl"]


def test_the_game_has_the_text_that_its_network_was_not_trained_on(site: Path) -> None:
    for language, name in (("zh", "lyrics"), ("en", "timemachine")):
        text = load_corpus(name, max_chars=3000)
        script = (site / language / "_static" / f"{name}.js").read_text("utf-8")
        game = json.loads(script.removeprefix("d2lrnn.add(").removesuffix(");\n"))
        counts = Counter(text[:2700])

        assert game["text"] == text[2700:]
        assert game["counts"] == [counts[char] for char in d2lrnn.Vocab(text).idx_to_char]
        assert f'data-game="_static/{name}.js"' in (site / language / "play.html").read_text("utf-8")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Chapter 4 of a site whose settings name a published place for notebooks, wheel and pages."""
    folder = tmp_path_factory.mktemp("published")
    source, html = folder / "en", folder / "html"
    source.mkdir()
    shutil.copytree(CHAPTERS / "figures", folder / "figures")
    shutil.copy(CHAPTERS / "en" / "04-rnn.md", source)
    (source / "index.md").write_text("# Book\n\n```{toctree}\n04-rnn\n```\n")
    command = [sys.executable, "-m", "sphinx", "--quiet", "--builder", "html", "--tag", "en"]
    command += ["--conf-dir", str(ROOT / "book"), "--define", f"nb_execution_cache_path={outputs_folder()}"]
    command += ["--define", f"notebooks_published_at={PLACE}", "--define", f"wheel_published_at={WHEEL}"]
    command += ["--define", f"site_published_at={ADDRESS}"]
    subprocess.run([*command, str(source), str(html)], cwd=ROOT, check=True)
    return html


def test_chapters_open_in_colab_where_a_published_place_is_named(published: Path) -> None:
    target = f"https://colab.research.google.com/github/{PLACE}/en/_sources/04-rnn.ipynb"
    notebook = (published / "_sources" / "04-rnn.ipynb").read_text(encoding="utf-8")

    assert target in Links(published / "04-rnn.html").clicked
    assert not [link for link in Links(published / "index.html").clicked if "colab.research" in link]
    assert f'wheel = \\"{WHEEL}\\"' in notebook


def test_no_page_leads_to_colab_where_no_published_place_is_named(site: Path) -> None:
    for path in site.rglob("*.html"):
        assert not [link for link in Links(path).clicked if "colab.research" in link], path


@pytest.mark.parametrize("width", [1280, 390])
def test_the_button_for_colab_is_seen_and_loads_nothing_from_outside(
    width: int, published: Path, page: Page
) -> None:
    with served(published) as address:
        page.resize(width)
        page.open(f"{address}/04-rnn.html")
        box = "document.querySelector('.btn-colab-button').getBoundingClientRect()"

        assert page.evaluate(f"{box}.width > 0 && {box}.left >= 0 && {box}.right <= window.innerWidth")
        assert page.evaluate(f"{box}.height < 50")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert [url for url in page.requests if not url.startswith((address, "data:", "blob:"))] == []


def test_each_kind_of_page_is_audited_in_every_state() -> None:
    kinds = [
        *itertools.product(LANGUAGES, "01"),
        (LANGUAGES[0], "solutions/0"),
        (LANGUAGES[0], "solutions/1"),
    ]
    for language, kind in kinds:
        seen = {
            state
            for lang, name, states in AUDITS
            if (lang, name[: len(kind)]) == (language, kind)
            for state in states
        }

        assert seen == {*STATES}


@pytest.mark.parametrize(
    ("language", "name", "audited"),
    [*AUDITS, *(pytest.param(*page, STATES, marks=pytest.mark.door) for page in SOURCES)],
    ids=lambda value: (
        value if isinstance(value, str) else "-".join(map(str, value[0])) if len(value) == 1 else "all"
    ),
)
def test_a_page_opens_without_errors_fits_is_light_and_can_be_used_by_everyone(
    language: str, name: str, audited: tuple[tuple[int, str], ...], address: str, page: Page
) -> None:
    source = (CHAPTERS / language / f"{name}.md").read_text(encoding="utf-8")
    page.resize(1400)
    page.send("Network.setCacheDisabled", cacheDisabled=True)  # what comes from a cache has no size
    page.open(f"{address}/{language}/{name}.html")
    page.evaluate("window.MathJax ? MathJax.startup.promise.then(() => true) : true")
    page.evaluate("document.fonts.ready.then(() => true)")
    for width, theme in STATES:
        page.resize(width)
        page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        in_colours = f"document.documentElement.dataset.theme === '{theme}'"
        page.wait(partial(page.evaluate, in_colours), f"{theme} colours")
        page.wait(partial(page.evaluate, "document.getAnimations().length === 0"), "colours that stay")

        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (width, theme)
        assert page.evaluate(CUT) == [], (width, theme)
        if (width, theme) in audited:
            assert violations(page) == [], (width, theme)
    assert page.troubles == []
    assert [url for url in page.requests if not url.startswith((address, "data:", "blob:"))] == []
    assert page.evaluate(WEIGHT) <= HEAVY or "data-networks" in source
    assert page.evaluate("document.querySelectorAll('mjx-merror').length") == 0
    assert page.evaluate("document.querySelectorAll('mjx-container').length") == page.evaluate(
        "document.querySelectorAll('.math').length"
    )
    assert page.evaluate("document.querySelectorAll('.math').length > 0") or "\\math" not in source
    assert page.evaluate("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    assert page.evaluate("document.documentElement.lang.slice(0, 2)") == language


def violations(page: Page) -> list[str]:
    """What axe-core finds on the page, by its rules and with the elements."""
    page.evaluate(AXE.read_text(encoding="utf-8") + "; true")
    return page.evaluate(
        "axe.run({ resultTypes: ['violations'], preload: false })"
        ".then(({ violations }) => violations.flatMap(({ id, nodes }) =>"
        " nodes.map((node) => `${id}: ${node.html.slice(0, 200)}`)))"
    )


def test_every_plot_is_described_in_words(site: Path) -> None:
    for path in chapter_files(*LANGUAGES) + solution_files(*LANGUAGES):
        page = site / path.relative_to(CHAPTERS).with_suffix(".html")
        html = page.read_text(encoding="utf-8")
        images = re.findall(r"<img [^>]*>", html)
        words = [re.search(r'alt="([^"]*)"', image) for image in images]

        assert len(images) >= path.read_text(encoding="utf-8").count("<!-- alt")
        assert all(found and len(found[1]) > 10 and "_images" not in found[1] for found in words), path
        assert "<!-- alt" not in html


def test_a_page_says_what_it_is_about_and_where_its_translation_is(site: Path) -> None:
    for language, name in SOURCES:
        html = (site / language / f"{name}.html").read_text(encoding="utf-8")
        head = html[: html.index("</head>")]

        for wanted in ('<meta name="description" content="', '<meta property="og:description" content="'):
            assert len(re.findall(wanted + r'([^"]{10,})"', head)) == 1, (language, name)
        top, clicked = "../" * name.count("/"), Links(site / language / f"{name}.html").clicked
        for other in LANGUAGES:
            assert f'<link rel="alternate" hreflang="{other}" href="{top}../{other}/{name}.html">' in head
        assert f"{top}../LICENSE.txt" in clicked
        assert f"{top}_sources/{name}.md" in clicked


def test_a_link_to_a_page_is_shown_with_a_picture_where_the_address_is_known(published: Path) -> None:
    for name in ("index.html", "04-rnn.html"):
        pictures = re.findall(r'property="og:image" content="([^"]*)"', (published / name).read_text("utf-8"))

        assert pictures == [f"{ADDRESS}/en/_static/card.png"]
    with Image.open(published / "_static" / "card.png") as card:
        assert card.size == (1200, 630)


def test_no_page_names_a_picture_where_no_address_is_known(site: Path) -> None:
    for path in site.rglob("*.html"):
        assert "og:image" not in path.read_text("utf-8"), path
    assert [*site.rglob("card.png")] == []


def test_code_is_printed_whole(address: str, page: Page) -> None:
    page.resize(1400)
    page.open(f"{address}/en/06-clipping.html")
    assert page.evaluate("document.querySelectorAll('article details:not([open])').length > 0")

    page.send("Emulation.setEmulatedMedia", media="print")
    page.resize(720)
    page.evaluate("dispatchEvent(new Event('beforeprint')), true")
    box = "[...document.querySelectorAll('article pre')]"

    assert page.evaluate("document.querySelectorAll('article details:not([open])').length") == 0
    assert page.evaluate(f"{box}.every((pre) => pre.clientHeight > 0 && pre.scrollWidth <= pre.clientWidth)")
    page.evaluate("dispatchEvent(new Event('afterprint')), true")
    assert page.evaluate("document.querySelectorAll('article details:not([open])').length > 0")
    page.send("Emulation.setEmulatedMedia", media="")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_networks_also_run_on_pages_that_are_opened_as_files(
    language: str, site: Path, page: Page
) -> None:
    page.resize(1400)
    page.open((site / language / "index.html").as_uri())
    written = "document.getElementById('play-text').textContent.length"
    page.wait(lambda: page.evaluate(written) > 25, "the first page to write")

    page.open((site / language / "play.html").as_uri())
    page.wait(
        lambda: page.evaluate("document.querySelector('.play').dataset.state") == "ready", "the network"
    )
    page.wait(lambda: page.evaluate("document.querySelector('.guess').dataset.state") == "ready", "the game")
    assert page.troubles == []


def test_an_address_without_a_page_leads_back_into_the_book(site: Path, address: str, page: Page) -> None:
    page.open(f"{address}/404.html")

    assert page.evaluate("document.links[0].href") == f"{address}/zh/index.html"
    assert violations(page) == []


def test_styles_that_no_page_uses_are_left_out() -> None:
    styles = (
        "@font-face{font-family:x}@media print{.a{b:c}.unused{d:e}}.a.unused,p .a>b,.unused:is(.a){f:g}"
        ":is(.unused,.a) i{h:j}@keyframes k{0%{l:m}to{n:o}}.a,.unused{p:q}"
    )

    assert lighter.used_rules(styles, {"a"}) == (
        "@media print{.a{b:c}}p .a>b{f:g}:is(.unused,.a) i{h:j}@keyframes k{0%{l:m}to{n:o}}.a{p:q}"
    )


def test_a_drawing_keeps_what_it_shows_and_loses_what_it_does_not() -> None:
    fonts = "'DejaVu Sans', 'Bitstream Vera Sans', 'Arial', sans-serif"
    drawn = '<svg><metadata>who drew it</metadata><path d="M 1.234567 20.5 L 3 0.001234"/>'
    one, other = (f'<text style="font-family: {names}">' for names in (fonts, "'DejaVu Sans'"))

    short = lighter.shorter(f"{drawn}{one}河</text>{other}H</text></svg>")

    assert short.startswith('<svg><path d="M 1.23 20.5 L 3 0.00"/>')
    assert short.count("font-family: 'DejaVu Sans', sans-serif\">") == 2
    assert ">河<" in short


@pytest.mark.parametrize("name", ["index", "04-rnn", "play", "solutions/04-rnn"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_switch_of_languages_leads_to_the_same_page_and_back(
    language: str, name: str, address: str, page: Page
) -> None:
    page.resize(390)
    page.open(f"{address}/{language}/{name}.html")
    other = LANGUAGES[1 - LANGUAGES.index(language)]

    for expected in (other, language):
        page.forget()
        page.evaluate("document.querySelector('.language-switch').click()")
        page.wait(lambda: page.loaded, "the other language")
        assert page.evaluate("location.href") == f"{address}/{expected}/{name}.html"
        assert page.troubles == []


@pytest.mark.parametrize(
    ("language", "query"), [("zh", "隐藏状态"), ("zh", "字"), ("en", "hidden states"), ("zh", "softmax")]
)
def test_the_search_finds_chapters(language: str, query: str, address: str, page: Page) -> None:
    page.resize(1280)
    page.open(urljoin(address, f"/{language}/search.html?q={query}"))
    links = (
        "[...document.querySelectorAll('#search-results .search a, #search-results li a')].map((a) => a.href)"
    )

    def found() -> bool:  # results come in one by one
        return any("/04-rnn.html" in urldefrag(link)[0] for link in page.evaluate(links))

    page.wait(found, "chapter 4 among the results", seconds=20)
    excerpts = "[...document.querySelectorAll('#search-results .context')].map((p) => p.textContent)"
    page.wait(lambda: page.evaluate(excerpts), "an excerpt", seconds=20)
    for excerpt in page.evaluate(excerpts):
        assert not re.search(r"\.ipynb|^import |\\|Print to PDF", excerpt)
    assert page.troubles == []


def test_the_page_can_be_dark_and_a_cell_can_be_copied(address: str, page: Page) -> None:
    page.resize(1280)
    page.open(f"{address}/en/04-rnn.html")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate("document.documentElement.dataset.theme = 'light'; " + background)
    dark = page.evaluate("document.documentElement.dataset.theme = 'dark'; " + background)

    assert light != dark
    assert page.evaluate(
        "document.querySelectorAll('div.cell_input button.copybtn').length"
    ) == page.evaluate("document.querySelectorAll('div.cell_input').length")


def test_the_first_page_leads_to_a_language(address: str, page: Page) -> None:
    page.open(f"{address}/index.html")
    page.wait(
        lambda: re.search(r"/(zh|en)/index\.html$", page.evaluate("location.href")), "the book to open", 20
    )

    assert page.troubles == []


def test_kept_outputs_are_stale_when_any_module_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "d2lrnn" / "engine" / "layers.py"
    for file in (module, tmp_path / "data" / "lyrics.txt"):
        file.parent.mkdir(parents=True)
        file.write_text("x = 1\n")
    monkeypatch.setattr("book.run.ROOT", tmp_path)
    before = outputs_folder()

    module.write_text("x = 2\n")

    assert outputs_folder() != before
