"""Time and memory against size, of what `bench scale` measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

Line = Mapping[str, Any]
Curves = dict[str, dict[int, float]]

INDEX: Final = ("index: ", "prune: ")
EACH: Final = {"index bytes": "building the index", "prune bytes": "pruning"}


def draw(figure: Any, results: Sequence[Line]) -> None:
    """Files, chunks, and memory beside each other, sizes and times on logarithmic axes."""
    files, chunks, memory = figure.subplots(1, 3)
    _lines(files, curves(results, "seconds", "manifest: "), "files", "seconds, manifests")
    _lines(chunks, curves(results, "seconds", *INDEX), "chunks", "seconds, index and pruning")
    memory_of = curves(results, "peak_mib", "manifest: ")
    peaks = {f"{name}, MiB": curve for name, curve in memory_of.items()}
    each = {
        f"{words}, bytes a chunk": curve
        for case, words in EACH.items()
        for curve in curves(results, "memory_each", case).values()
    }
    _lines(memory, peaks | each, "files or chunks", "memory: it does not grow, or by the chunk")
    memory.set_yscale("linear")
    memory.set_ylim(bottom=0)


def curves(results: Sequence[Line], what: str, *cases: str) -> Curves:
    """Each case's values by size, of the cases that begin so."""
    found: Curves = defaultdict(dict)
    for line in results:
        for case in cases:
            if line["case"].startswith(case) and what in line:
                found[line["case"].removeprefix("manifest: ")][line["count"]] = line[what]
    return dict(found)


def _lines(axis: Any, found: Curves, size: str, title: str) -> None:
    for name, curve in found.items():
        counts = sorted(curve)
        axis.plot(counts, [curve[count] for count in counts], "o-", label=name, markersize=4)
    axis.set_title(title, fontsize=10)
    axis.set_xlabel(size)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=7)
