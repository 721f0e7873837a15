"""A picture of the comparison: a row for each corpus, a column for each operation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl  # type: ignore[import-not-found,unused-ignore]
from matplotlib.figure import Figure  # type: ignore[import-not-found,unused-ignore]

from bench.compare.contestant import OPERATIONS
from bench.compare.results import Comparison
from bench.compare.table import provisional
from bench.corpora import MIB
from bench.plot import BASE, OTHERS, OURS

BAR_INCHES = 0.22


def draw(comparisons: Sequence[Comparison], image: Path) -> None:
    """Write an .svg."""
    mpl.rcParams["svg.hashsalt"] = "strongroom"
    mpl.rcParams["svg.fonttype"] = "none"
    heights = [len(each.rows) + 3 for each in comparisons]
    figure = Figure(figsize=(14, BAR_INCHES * sum(heights) + 0.5), layout="constrained")
    axes = figure.subplots(
        len(comparisons), len(OPERATIONS), squeeze=False, height_ratios=heights, sharey="row"
    )
    for across, comparison in zip(axes, comparisons, strict=True):
        for axis, operation in zip(across, OPERATIONS, strict=True):
            _bars(axis, comparison, operation)
    line = comparisons[-1].machine
    label = "Provisional. " if provisional(comparisons) else ""
    figure.suptitle(
        f"{label}Seconds, Strongroom {line['strongroom']} ({line['commit']}) and others,"
        f" {line['date']}: {line['cpu']}, {line['cores']} cores, {line['place']}",
        fontsize=10,
    )
    figure.savefig(image, metadata={"Date": None})


def _bars(axis: Any, comparison: Comparison, operation: str) -> None:
    rows = comparison.rows[::-1]
    seconds = [row.median(operation, "wall") for row in rows]
    colours = [
        OURS if row.name.startswith("strongroom") else BASE if row.name == "cp -r" else OTHERS
        for row in rows
    ]
    bars = axis.barh([row.name for row in rows], [each or 0 for each in seconds], color=colours)
    labels = ["" if each is None else f"{each:.2f}" for each in seconds]
    axis.bar_label(bars, labels=labels, padding=3, fontsize=8)
    corpus = comparison.corpus
    about = f"{corpus.name}, {corpus.length / MIB:,.0f} MiB: {OPERATIONS[operation]}"
    axis.set_title(about, fontsize=9)
    axis.tick_params(labelsize=8)
    axis.margins(x=0.2)
    axis.spines[["top", "right"]].set_visible(False)
