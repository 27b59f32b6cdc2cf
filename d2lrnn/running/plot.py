"""The picture of a run, or of several: perplexity by epoch, on training text and on held-out text."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, ScalarFormatter

LINES = {"train_perplexity": ("training", "#0b6fa4"), "heldout_perplexity": ("held out", "#c4501b")}


def draw_curve(metrics: Sequence[dict[str, Any]]) -> bytes:
    """The SVG of metrics, a list of the lines of metrics.jsonl; the same bytes for the same numbers."""
    with matplotlib.rc_context({"svg.hashsalt": "d2lrnn", "font.size": 11, "axes.axisbelow": True}):
        figure = Figure(figsize=(7, 4), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot(xlabel="epoch", ylabel="perplexity", yscale="log")
        for key, (label, color) in LINES.items():
            points = _points(metrics, key)
            if not points:
                continue
            axes.plot(*zip(*points), color=color, linewidth=2, marker="o" if len(points) < 3 else None)
            axes.annotate(
                f" {label} {points[-1][1]:,.4g}", points[-1], color=color, va="center", annotation_clip=False
            )
        _mark_best(axes, metrics)
        _format(axes)
        return _to_svg(figure)


def draw_comparison(runs: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]) -> bytes:
    """The SVG of several runs, (name, metrics) each, over each other: held out solid, training dotted.

    Names may be in any script: they are written as text, which the reader's own fonts show.
    """
    style = {"svg.hashsalt": "d2lrnn", "svg.fonttype": "none", "font.size": 11, "axes.axisbelow": True}
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # while a name is measured
        figure = Figure(figsize=(8, 5), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot(xlabel="epoch", ylabel="perplexity", yscale="log")
        handles = []
        for k, (_, metrics) in enumerate(runs):
            look: Any = {"color": f"C{k % 10}", "linewidth": 2}
            _draw_line(axes, metrics, "train_perplexity", {**look, "linestyle": ":", "linewidth": 1.2})
            best = _draw_line(axes, metrics, "heldout_perplexity", look)
            if best:
                axes.plot(*best, marker="o", **look)
            handles.append(Line2D([], [], **look))
        legend = figure.legend(handles, ["run"] * len(runs), loc="outside lower left", frameon=False)
        for text, (name, _) in zip(legend.get_texts(), runs):
            text.set_parse_math(False)  # a dollar is a dollar
            text.set_text(name)
        axes.set_title("held out (the best marked), training dotted", fontsize=11, loc="left")
        _format(axes)
        return _to_svg(figure)


def _draw_line(axes: Any, metrics: Sequence[Mapping[str, Any]], key: str, look: Any) -> Any:
    """A curve; the point where it is lowest, if there is one."""
    points = _points(metrics, key)
    if points:
        axes.plot(*zip(*points), marker="." if len(points) < 3 else None, **look)
    return min(points, key=lambda point: point[1], default=None)


def _points(metrics: Sequence[Mapping[str, Any]], key: str) -> list[tuple[int, float]]:
    return [(m["epoch"], m[key]) for m in metrics if m[key] is not None and math.isfinite(m[key])]


def _format(axes: Any) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(True, which="major", color="#dddddd", linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)


def _to_svg(figure: Figure) -> bytes:
    """The picture; the same bytes for the same numbers."""
    picture = io.BytesIO()
    figure.savefig(picture, format="svg", metadata={"Date": None}, facecolor="white")
    figure.clear()  # its parts refer to each other: freed now, not when the collector comes by
    return picture.getvalue()


def _mark_best(axes: Any, metrics: Sequence[dict[str, Any]]) -> None:
    """A ring, and in words, where the held-out perplexity was lowest, unless that is where the line ends."""
    points = _points(metrics, "heldout_perplexity")
    if not points:
        return
    place, color = min(points, key=lambda point: point[1]), LINES["heldout_perplexity"][1]
    axes.plot(*place, marker="o", markersize=8, markerfacecolor="white", markeredgewidth=2, color=color)
    words = f"best {place[1]:,.4g} at epoch {place[0]}"
    axes.annotate(words, place, (0, -10), textcoords="offset points", color=color, ha="center", va="top")
