"""Settings of the site, read by Sphinx. build.py runs it once a language, with the tag zh or en.

Two sites rather than one, because the language of the buttons and of the search index is a setting of a site.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import d2lrnn

import jupytext
import nbformat
from docutils import nodes
from jupyter_cache import get_cache
from sphinx.application import Sphinx
from sphinx.search.zh import SearchChinese
from sphinx.util import logging

from book import card, lighter, notebooks
from book.run import is_chapter

# Where others find what this site offers, once it is published; all may stay empty.
# OWNER/REPO/blob/BRANCH on GitHub, which holds the site: pages get «open in Colab»
notebooks_published_at = ""
# the address of the wheel, which notebooks install; else they take the file beside them
wheel_published_at = ""
# the address of the site, without a slash at the end: search engines want whole addresses of translations,
# previews of links that of a picture
site_published_at = ""
# the address of the repository: pages get a link to it
repository_published_at = ""

ZH = tags.has("zh")  # type: ignore[name-defined]  # noqa: F821

project = "循环神经网络语言模型：从零开始" if ZH else "Recurrent language models from scratch"
author = "d2lrnn"
version = release = d2lrnn.__version__
language = "zh_CN" if ZH else "en"
extensions = ["myst_nb", "sphinx_copybutton", "sphinx.ext.mathjax", "sphinx-mathjax-offline"]
templates_path = ["templates"]
html_static_path = ["static"]

myst_enable_extensions = ["amsmath", "dollarmath", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_output_stderr = "warn"
nb_ipywidgets_js: dict[str, str] = {}  # they would come from an outside host
nb_code_prompt_show, nb_code_prompt_hide = (
    ("显示代码", "隐藏代码") if ZH else ("Show the code", "Hide the code")
)
# MathJax: TeX in, CHTML out, with the fonts beside it; no menu, whose extras ask an outside host
mathjax3_config = {"loader": {"load": ["input/tex", "output/chtml", "a11y/assistive-mml"]}}
copybutton_selector = "div.cell_input pre, div.highlight-python pre, div.highlight-shell pre"

html_theme = "sphinx_book_theme"
html_title = project
html_favicon = "static/icon.svg"
html_css_files = [lighter.ICONS, "book.css"]
html_js_files = ["book.js"]
html_show_sphinx = html_show_copyright = html_use_index = False
html_theme_options = {
    "article_header_end": ["language.html", "article-header-buttons.html"],
    "footer_content_items": ["source.html"],
    "primary_sidebar_end": [],
    "logo": {"text": project},
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "navbar_persistent": [],  # the search field stands in the sidebar
    "show_toc_level": 2,
    "use_fullscreen_button": False,
}
html_context = {
    "default_mode": "auto",
    "here": "zh" if ZH else "en",
    "other": "en" if ZH else "zh",
    "name_of_other": "English" if ZH else "中文",
    "hint_of_other": "This page in English" if ZH else "本页的中文版",
    "picture_in_words": "网络依次读入 n、e、t、w、o、r、k，每个字母的上方是后一个字母"
    if ZH
    else "A network reads n, e, t, w, o, r, k; above each letter stands the next one",
    "source_of_page": "本页源文件" if ZH else "Source of this page",
    "source_of_program": "程序源代码" if ZH else "Source of the program",
    "licence": "MIT 许可证" if ZH else "MIT licence",
    "has_bootstrap": (lighter.THEME / "styles/bootstrap.css").exists(),  # as a file: the theme of Python 3.10
}


_log = logging.getLogger(__name__)


class SearchCharacters(SearchChinese):
    """Chinese is indexed by its characters and by pairs of them: any are found, without a dictionary."""

    language_name = (
        "English"  # whose stemmer latin words get; "Chinese" makes Sphinx 9.0 look for one that is missing
    )
    js_splitter_code = r"""
var splitQuery = (query) =>
  (query.match(/[\u3400-\u9fff]+|[^\u3400-\u9fff\P{L}]+|[\p{N}_]+/gu) || []).flatMap((run) =>
    /^[\u3400-\u9fff]{2}/.test(run) ? [...run].slice(1).map((char, i) => run[i] + char) : [run]
  );
"""

    def split(self, text: str) -> list[str]:
        """Words of latin letters, and of each run of Chinese every character and every two neighbours."""
        runs = re.findall(r"[\u3400-\u9fff]+", text)
        pairs = [run[i : i + 2] for run in runs for i in range(len(run) - 1)]
        return [*super().split(text), *pairs, *"".join(runs)]

    def word_filter(self, word: str) -> bool:
        """Short words of latin letters are left out; short words of Chinese are words."""
        return super().word_filter(word) or "\u3400" <= word <= "\u9fff"


def number_the_chapter(app: Sphinx, name: str, source: list[str]) -> None:
    """Chapter 4 is called 4 wherever its title stands, whatever chapters stand before it."""
    number = re.match(r"(\d\d)-", name)
    if number:
        source[0] = re.sub(r"^# ", f"# {int(number[1])}. ", source[0], count=1, flags=re.M)


def describe_plots(app: Sphinx, tree: nodes.document) -> None:
    """Give the plot of a cell the words that stand before the cell in a comment, <!-- alt: … -->.

    They do not stand in the cell's metadata: outputs are kept by these, and both languages share one run.
    Where the text speaks of dark and pale, <!-- alt, as drawn: … --> keeps a plot as it is on the dark page.
    """
    found: re.Match[str] | None = None
    for node in list(tree.findall(lambda node: isinstance(node, nodes.raw | nodes.image))):
        if isinstance(node, nodes.raw):
            comment = re.search(r"<!-- alt(, as drawn)?: (.*?) -->", node.astext(), flags=re.S)
            if comment:
                found = comment
                node.parent.remove(node)
        elif _is_output(node):
            if found is None:
                _log.warning("a plot without <!-- alt: … --> before its cell", location=node)
            else:
                node["alt"] = " ".join(found[2].split())
                node["classes"] += ["as-drawn"] if found[1] else []
            found = None


def _is_output(node: nodes.Node | None) -> bool:
    while node is not None and "cell_output" not in getattr(node, "attributes", {}).get("classes", []):
        node = node.parent
    return node is not None


def describe_page(app: Sphinx, name: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """Say in a page's head what it is about, with its first paragraph, and where it stands."""
    published = app.config.site_published_at
    paragraphs = tree.findall(nodes.paragraph) if tree else []
    text = next((" ".join(paragraph.astext().split()) for paragraph in paragraphs), project)
    context["description"] = text if len(text) < 200 else text[:199] + "…"
    context["root"] = f"{published}/" if published else context["pathto"]("../", 1)
    context["picture"] = f"{published}/{context['here']}/_static/{card.CARD}" if published else ""
    context["repository"] = app.config.repository_published_at


def is_notebook(app: Sphinx, name: str) -> bool:
    """Whether a page is a chapter (search and the like have no source; solutions stand in a folder)."""
    source = Path(app.srcdir) / f"{name}.md"
    return "/" not in name and source.is_file() and is_chapter(source)


def offer_the_notebook(app: Sphinx, name: str, template: str, context: dict[str, Any], tree: object) -> None:
    """Put a chapter as a notebook with its outputs where the theme's download button looks for it."""
    config = app.config
    if config.nb_execution_mode == "cache" and is_notebook(app, name):
        notebook = jupytext.read(Path(app.srcdir) / f"{name}.md")
        _, notebook = get_cache(config.nb_execution_cache_path).merge_match_into_notebook(notebook)
        notebooks.make_independent(
            notebook,
            context["here"],
            wheel=config.wheel_published_at,
            published=config.notebooks_published_at,
        )
        path = Path(app.outdir) / "_sources" / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        nbformat.write(notebook, path)
        context["ipynb_source"] = path.name


def link_to_colab(app: Sphinx, name: str, template: str, context: dict[str, Any], tree: object) -> None:
    """Give a chapter a button that opens its notebook in Colab (the theme's own would open the .md)."""
    published = app.config.notebooks_published_at
    if published and is_notebook(app, name):
        hint = "在 Colab 中打开" if ZH else "Open in Colab"
        button = {"type": "link", "text": "Colab", "tooltip": hint, "label": "colab-button"}
        button["url"] = notebooks.colab_address(published, context["here"], name)
        context["header_buttons"].append(button)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the search language, the numbers of chapters, the notebooks and their settings."""
    for place in ("notebooks", "wheel", "site", "repository"):
        app.add_config_value(f"{place}_published_at", "", "html", str)
    app.config.mathjax_path = "mathjax/startup.js"  # which loads the parts above, and not all there is
    # where the first cell has changed, all pages are written again
    app.add_config_value("first_cell", notebooks.FIRST_CELL, "html", str)
    app.add_search_language(SearchCharacters)
    app.connect("source-read", number_the_chapter)
    app.connect("doctree-read", describe_plots)
    app.connect("html-page-context", describe_page)
    app.connect("html-page-context", offer_the_notebook, priority=400)  # before the theme's own, at 500
    app.connect("html-page-context", link_to_colab, priority=502)  # after it
    app.connect("builder-inited", lighter.write_icons)
    app.connect("builder-inited", card.write_card)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
