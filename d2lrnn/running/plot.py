"""The picture of a run: perplexity by epoch, on the text trained on and on the text held out."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, ScalarFormatter

from ..heldout import best_epoch

LINES = {"train_perplexity": ("training", "#0b6fa4"), "heldout_perplexity": ("held out", "#c4501b")}


def draw_curve(metrics: Sequence[dict[str, Any]]) -> bytes:
    """The SVG of metrics, a list of the lines of metrics.jsonl; the same bytes for the same numbers."""
    with matplotlib.rc_context({"svg.hashsalt": "d2lrnn", "font.size": 11, "axes.axisbelow": True}):
        figure = Figure(figsize=(7, 4), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot(xlabel="epoch", ylabel="perplexity", yscale="log")
        for key, (label, color) in LINES.items():
            points = [(m["epoch"], m[key]) for m in metrics if m[key] is not None and math.isfinite(m[key])]
            if not points:
                continue
            axes.plot(*zip(*points), color=color, linewidth=2, marker="o" if len(points) < 3 else None)
            axes.annotate(
                f" {label} {points[-1][1]:,.4g}", points[-1], color=color, va="center", annotation_clip=False
            )
        _mark_best(axes, metrics)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.grid(True, which="major", color="#dddddd", linewidth=0.7)
        axes.spines[["top", "right"]].set_visible(False)
        picture = io.BytesIO()
        figure.savefig(picture, format="svg", metadata={"Date": None}, facecolor="white")
    figure.clear()  # its parts refer to each other: freed now, not when the collector comes by
    return picture.getvalue()


def _mark_best(axes: Any, metrics: Sequence[dict[str, Any]]) -> None:
    """A ring, and in words, where the held-out perplexity was lowest, unless that is where the line ends."""
    heldout = [m["heldout_perplexity"] for m in metrics]
    perplexities = [math.nan if value is None else value for value in heldout]
    if all(map(math.isnan, perplexities)):
        return
    k, color = best_epoch(perplexities) - 1, LINES["heldout_perplexity"][1]
    place = metrics[k]["epoch"], perplexities[k]
    axes.plot(*place, marker="o", markersize=8, markerfacecolor="white", markeredgewidth=2, color=color)
    words = f"best {perplexities[k]:,.4g} at epoch {metrics[k]['epoch']}"
    axes.annotate(words, place, (0, -10), textcoords="offset points", color=color, ha="center", va="top")
