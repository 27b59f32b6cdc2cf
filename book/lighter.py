"""What makes a page of the site light: only icons that it shows, only styles that it uses, small plots.

Pages have to stay below 1.5 MB each, without a server that compresses. The theme alone takes 2 MB: 1.5 are a
script with all icons of Font Awesome, 0.4 a style sheet for all that a site could have.
"""

from __future__ import annotations

import re
import shutil
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from PIL import Image
from sphinx.application import Sphinx

THEME = Path(str(files("pydata_sphinx_theme") / "theme/pydata_sphinx_theme/static"))
ICONS = "icons.css"  # by write_icons
NAMES = [  # those that the theme's templates ask for
    *("angle-left", "angle-right", "arrow-up", "bars", "chevron-down", "circle-half-stroke", "code"),
    *("download", "file", "file-pdf", "list", "magnifying-glass", "moon", "sun"),
]
SHAPE = """:is(.fa-solid, .fas)::before {
  content: ""; display: inline-block; width: 1em; height: 1em; vertical-align: -.125em;
  background: currentcolor; mask: var(--icon) center / contain no-repeat;
}
"""


def write_icons(app: Sphinx) -> None:
    """Write the style sheet that draws the icons, with their outlines from the theme's script."""
    older = [*THEME.glob("vendor/fontawesome/*/js/all.min.js")]  # the theme of Python 3.10
    script = (older or [THEME / "scripts/fontawesome.js"])[0].read_text("utf-8")
    rules = [SHAPE]
    for name in NAMES:
        icons = re.findall(rf'[{{,]"?{name}"?:\[(\d+),(\d+),\[[^]]*\],"\w+","([^"]+)"', script)
        width, height, path = icons[-1]  # of two, the second one is solid
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"><path d="{path}"/></svg>'
        )
        rules.append(f'.fa-{name} {{ --icon: url("data:image/svg+xml,{quote(svg)}") }}\n')
    made = Path(app.outdir) / "_static"
    made.mkdir(parents=True, exist_ok=True)
    (made / ICONS).write_text("".join(rules), "utf-8")


def lighten(folder: Path) -> None:
    """Take out of a built site what no page of it loads or uses."""
    static = folder / "_static"
    shutil.rmtree(static / "vendor/fontawesome", ignore_errors=True)
    for file in (*static.rglob("*.map"), static / "scripts/fontawesome.js"):
        file.unlink(missing_ok=True)
    pages, scripts = (
        [*folder.glob("*.html"), *folder.glob("solutions/*.html")],
        [*static.glob("*.js"), *static.glob("scripts/*.js")],
    )
    words = {word for file in pages + scripts for word in re.findall(r"[\w-]+", file.read_text("utf-8"))}
    for sheet in (*static.glob("*.css"), *static.glob("styles/*.css")):
        sheet.write_text(used_rules(sheet.read_text("utf-8"), words), "utf-8")
    for plot in folder.glob("_images/*.png"):
        with Image.open(plot) as image:
            few = image.convert("RGB").quantize(64, dither=Image.Dither.NONE)  # colours
        few.convert("RGB").save(plot.with_suffix(".webp"), lossless=True)
        plot.unlink()
    for plot in folder.glob("_images/*.svg"):
        plot.write_text(shorter(plot.read_text("utf-8")), "utf-8")
    for page in pages:
        html = page.read_text("utf-8")
        page.write_text(re.sub(r"(_images/[\w-]+)\.png", r"\1.webp", html), "utf-8")


def shorter(svg: str) -> str:
    """A plot with two fonts in place of a dozen, and numbers to a hundredth of a point."""
    svg = re.sub(r"'DejaVu Sans'(, '[\w ]+')*(, sans-serif)?", "'DejaVu Sans', sans-serif", svg)
    return re.sub(r"(\d\.\d\d)\d+", r"\1", re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S))


def used_rules(styles: str, words: set[str]) -> str:
    """The rules of a style sheet, without fonts, that apply where these words are all classes there are."""

    def keep(rule: re.Match[str]) -> str:
        selectors, declarations = rule.groups()
        if "@" in selectors:
            return "" if "@font-face" in selectors else rule[0]
        used = [one for one in _split(selectors) if words.issuperset(_classes(one))]
        return f"{','.join(used)}{{{declarations}}}" if used else ""

    return re.sub(r"([^{};]+)\{([^{}]*)\}", keep, re.sub(r"/\*.*?\*/", "", styles, flags=re.S))


def _split(selectors: str) -> list[str]:
    """At the commas that stand in no parentheses and brackets."""
    return re.split(r",(?![^(]*\))(?![^\[]*\])", selectors)


def _classes(selector: str) -> list[str]:
    """The classes that an element must have; those in parentheses are alternatives, or must not be there."""
    while (outside := re.sub(r"\([^()]*\)", "", selector)) != selector:
        selector = outside
    return re.findall(r"\.(-?[A-Za-z_][\w-]*)", selector)
