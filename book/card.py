"""The picture that others show beside a link to the site: a network reads «network», a letter ahead."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure
from sphinx.application import Sphinx

CARD = "card.png"
BLUE, ORANGE, PALE = "#0b6fa4", "#c4501b", "#f3f8fb"


def write_card(app: Sphinx) -> None:
    """Draw it where the address of the site is known: no page shows it, and others need a whole address."""
    if app.config.site_published_at:
        made = Path(app.outdir) / "_static"
        made.mkdir(parents=True, exist_ok=True)
        draw(made / CARD)


def draw(path: Path) -> None:
    """Write it as a PNG of 1200 x 630 pixels, the size that previews of links are made for."""
    figure = Figure(figsize=(12, 6.3), dpi=100, facecolor="white")
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, 12), ylim=(0, 6.3))
    axis.axis("off")
    arrow = {"arrowstyle": "-|>", "color": BLUE, "linewidth": 2.5, "shrinkA": 0, "shrinkB": 0}
    for k, (letter, following) in enumerate(zip("network", "etworks")):
        x = 1.2 + 1.6 * k
        for y, text, colour in [(1.15, letter, BLUE), (3.15, "H", BLUE), (5.15, following, ORANGE)]:
            box = {"boxstyle": "round,pad=0.55", "facecolor": PALE, "edgecolor": colour, "linewidth": 2.5}
            axis.text(
                x, y, text, ha="center", va="center", family="monospace", size=34, color=colour, bbox=box
            )
        for y in (1.8, 3.8):
            axis.annotate("", (x, y + 0.7), (x, y), arrowprops=arrow)
        if k < 6:
            axis.annotate("", (x + 1.08, 3.15), (x + 0.52, 3.15), arrowprops=arrow)
    figure.savefig(path)
