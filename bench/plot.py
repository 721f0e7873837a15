"""python -m bench plot FILE IMAGE: a picture of what was measured, of `scale` or of files."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl  # type: ignore[import-not-found,unused-ignore]
from matplotlib.figure import Figure  # type: ignore[import-not-found,unused-ignore]

from bench import plot_scale
from bench.limits import read_results

OURS, OTHERS, BASE = "#2a6f97", "#b8c4cc", "#6b7780"
STRONGROOM = {"seal", "open", "scrub"}
SYSTEM = {"cp", "cat", "sha256sum", "bare 1", "bare 2"}


def main(arguments: Sequence[str]) -> int:
    """Draw."""
    parser = argparse.ArgumentParser(prog="python -m bench plot", description=__doc__)
    parser.add_argument("file", type=Path, help="JSON lines")
    parser.add_argument("image", type=Path, help="an .svg to write")
    asked = parser.parse_args(arguments)
    results = read_results(asked.file)
    mpl.rcParams["svg.hashsalt"] = "strongroom"
    mpl.rcParams["svg.fonttype"] = "none"
    figure = Figure(figsize=(13, 5), layout="constrained")
    if all(line["bench"] == "scale" for line in results):
        plot_scale.draw(figure, results)
    else:
        _draw(figure, results)
    line = results[-1]
    figure.suptitle(
        f"Strongroom {line['strongroom']} ({line['commit']}), {line['date']}: {line['cpu']},"
        f" {line['cores']} cores, OpenSSL {line['openssl']}",
        fontsize=10,
    )
    figure.savefig(asked.image, metadata={"Date": None})
    return 0


def _draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    axes = figure.subplots(1, 3)
    streams = {line["case"]: line for line in results if line["bench"] == "stream"}
    _bars(axes[0], streams, "mb_per_s", "MB/s, one file to another, fresh")
    _bars(axes[1], streams, "user_s_per_gb", "user CPU, seconds a GB")
    _sizes(axes[2], results)


def _bars(axis: Any, streams: Mapping[str, Mapping[str, Any]], what: str, title: str) -> None:
    names = list(streams)[::-1]
    colours = [OURS if name in STRONGROOM else BASE if name in SYSTEM else OTHERS for name in names]
    bars = axis.barh(names, [streams[name][what] for name in names], color=colours)
    axis.bar_label(bars, fmt="{:,.2f}" if what == "user_s_per_gb" else "{:,.0f}", padding=3)
    axis.set_title(title, fontsize=10)
    axis.margins(x=0.18)
    axis.spines[["top", "right"]].set_visible(False)


def _sizes(axis: Any, results: Sequence[Mapping[str, Any]]) -> None:
    lines = {
        line["bytes"] / 2**30: line
        for line in results
        if line["bench"] == "sizes" and line["corpus"] == "media"
    }
    sizes = sorted(lines)
    axis.plot(sizes, [lines[size]["mb_per_s"] for size in sizes], "o-", color=OURS, label="MB/s")
    peaks = [lines[size]["seal_peak_kib"] / 1024 for size in sizes]
    axis.plot(sizes, peaks, "s--", color=BASE, label="peak memory, MiB")
    axis.set_title("sealing a pipe into a pipe, by GiB", fontsize=10)
    axis.set_xscale("log", base=2)
    axis.set_xticks(sizes, [f"{size:g}" for size in sizes])
    axis.set_ylim(bottom=0)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
