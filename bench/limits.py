"""python -m bench limits FILE: what was measured against what was aimed at. Never fails."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Target:
    """A figure of one case and the bound it should keep."""

    words: str
    bench: str
    case: str
    figure: str
    bound: float
    unit: str = "x"
    at_least: bool = False

    def holds(self, value: float) -> bool:
        """Is the bound kept?"""
        return value >= self.bound if self.at_least else value <= self.bound


TARGETS = (
    Target(
        "seal a frame in cache, of 1/(1/AES + 1/BLAKE3) there",
        *("memory", "frame_seal_hot", "of_ceiling", 0.85),
        at_least=True,
    ),
    Target(
        "open a frame in cache, of 1/(1/AES + 1/BLAKE3) there",
        *("memory", "frame_open_hot", "of_ceiling", 0.85),
        at_least=True,
    ),
    Target(
        "seal in memory, one thread, of 1/(1/AES + 1/BLAKE3) over as much of it",
        *("memory", "seal_1", "of_walking_ceiling", 0.85),
        at_least=True,
    ),
    Target(
        "open in memory, one thread, of 1/(1/AES + 1/BLAKE3) over as much of it",
        *("memory", "open_1", "of_walking_ceiling", 0.85),
        at_least=True,
    ),
    Target(
        "seal in memory, two threads of one",
        *("memory", "seal_2", "of_one_thread", 1.85),
        at_least=True,
    ),
    Target(
        "open in memory, two threads of one",
        *("memory", "open_2", "of_one_thread", 1.85),
        at_least=True,
    ),
    Target("seal a file, user CPU", "stream", "seal", "user_s_per_gb", 0.25, "s/GB"),
    Target("open a file, user CPU", "stream", "open", "user_s_per_gb", 0.25, "s/GB"),
    Target("seal a file, user CPU, of a bare loop", "stream", "seal", "user_vs_bare", 1.28),
    Target("open a file, user CPU, of a bare loop", "stream", "open", "user_vs_bare", 1.28),
    Target("seal a file, wall, of cp", "stream", "seal", "wall_vs_cp", 1.0),
    Target("open a file, wall, of cp", "stream", "open", "wall_vs_cp", 1.0),
    Target(
        "seal text in memory at level 3, two threads, time of bare zstd",
        *("memory", "seal_text_2", "time_of_zstd", 1.5),
    ),
    Target(
        "seal a file of text at level 3, wall, of bare zstd",
        *("stream-text", "seal", "wall_vs_zstd", 1.5),
    ),
    Target("scrub a file", "stream", "scrub", "mb_per_s", 5000, "MB/s", at_least=True),
    Target("scrub in memory", "memory", "scrub_2", "gb_per_s", 5, "GB/s", at_least=True),
    Target("seek and 64 KiB, media", "moments", "seek media", "seconds", 0.005, "s"),
    Target("seek and 64 KiB, text", "moments", "seek text", "seconds", 0.005, "s"),
    Target("peak memory, any run", "any", "any", "peak_mib", 200, "MiB"),
    Target("slowest of fastest size on a pipe", "any", "any", "flat", 0.9, at_least=True),
    Target("strongroom --version", "moments", "strongroom --version", "seconds", 0.12, "s"),
)


def read_results(path: Path) -> list[dict[str, Any]]:
    """The lines of a file of results."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def find(results: Sequence[Mapping[str, Any]], target: Target) -> float | None:
    """What was measured last, or None."""
    if target.figure == "peak_mib":
        return _peak_mib(results)
    if target.figure == "flat":
        return _flat(results)
    for line in reversed(results):
        if (line["bench"], line["case"]) == (target.bench, target.case) and target.figure in line:
            return float(line[target.figure])
    return None


def _peak_mib(results: Sequence[Mapping[str, Any]]) -> float | None:
    ours = [
        line[name] / 1024
        for line in results
        for name in ("peak_kib", "seal_peak_kib", "open_peak_kib")
        if name in line and (line["bench"] == "sizes" or line["case"] in {"seal", "open", "scrub"})
    ]
    return max(ours, default=None)


def _flat(results: Sequence[Mapping[str, Any]]) -> float | None:
    rates = [
        line["mb_per_s"]
        for line in results
        if line["bench"] == "sizes" and line["corpus"] == "media" and line["bytes"] >= 1024 * MIB
    ]
    return min(rates) / max(rates) if len(rates) > 1 else None


def table(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each target."""
    lines = []
    for target in TARGETS:
        value = find(results, target)
        sense = "at least" if target.at_least else "at most"
        bound = f"{sense} {target.bound:g} {target.unit}"
        if value is None:
            lines.append(f"| {target.words} | {bound} | not measured | |")
        else:
            verdict = "met" if target.holds(value) else "**not met**"
            lines.append(f"| {target.words} | {bound} | {value:.3g} {target.unit} | {verdict} |")
    return ["| what | target | measured | |", "|---|---|---|---|", *lines]


def main(arguments: Sequence[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench limits", description=__doc__)
    parser.add_argument("file", type=Path, help="JSON lines")
    asked = parser.parse_args(arguments)
    print("\n".join(table(read_results(asked.file))))
    return 0
