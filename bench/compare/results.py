"""The lines of a comparison: one JSON object for each run, so that an interrupted one can go on."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from bench.compare.contestant import OPERATIONS, Contestant

Line: TypeAlias = Mapping[str, Any]

WARM_UP = 0
"""The round that is not counted; what it restores is compared byte for byte."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """What is backed up."""

    name: str
    length: int
    files: int
    place: str
    """The type of file system everything lies on."""

    def fields(self) -> dict[str, object]:
        """What its lines say of it."""
        return {
            "corpus": self.name,
            "bytes": self.length,
            "files": self.files,
            "place": self.place,
        }


class Results:
    """A file of lines, which only grows. Not for two processes at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        text = path.read_text("utf-8") if path.exists() else ""
        self._lines: list[Line] = list(_parsed(text))
        if text and not text.endswith("\n"):
            with path.open("a", encoding="utf-8") as file:
                file.write("\n")

    def add(self, **fields: object) -> None:
        """A line, on disk when this returns."""
        line: dict[str, object] = {"bench": "compare", **fields}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self._lines.append(line)

    def has(self, corpus: Corpus, contestant: Contestant, turn: int) -> bool:
        """Whether a round of a contestant is complete, with this version and these settings."""
        wanted = corpus.fields() | of_contestant(contestant) | {"round": turn}
        done = {
            line["operation"]
            for line in self._lines
            if "wall" in line and all(line.get(key) == value for key, value in wanted.items())
        }
        return set(contestant.steps) <= done

    def corpora(self) -> list[Comparison]:
        """What was measured, of each corpus the latest size."""
        latest = {line["corpus"]: line for line in self._lines if "corpus" in line}
        return [self._comparison(line) for line in latest.values()]

    def absent(self) -> dict[str, str]:
        """Why who is not there."""
        there = {line["contestant"].partition(",")[0] for line in self._lines if "wall" in line}
        said = {line["contestant"]: line["absent"] for line in self._lines if "absent" in line}
        return {name: why for name, why in said.items() if name not in there}

    def _comparison(self, latest: Line) -> Comparison:
        keys = ("corpus", "bytes", "files", "place")
        lines = [each for each in self._lines if all(each.get(k) == latest[k] for k in keys)]
        corpus = Corpus(*(latest[key] for key in keys))
        return Comparison(corpus, latest, _rows(lines))


def of_contestant(contestant: Contestant) -> dict[str, object]:
    """What a line says of who was measured."""
    return {
        "contestant": contestant.name,
        "version": contestant.version,
        "settings": contestant.settings,
    }


@dataclass(slots=True)
class Row:
    """A contestant on one corpus, in the version measured last."""

    name: str
    version: str
    settings: str
    leaves_out: str
    lacks: Mapping[str, str]
    runs: dict[str, dict[int, Line]] = field(default_factory=dict)
    """By operation and round, the warm-up left out."""
    failed: dict[str, str] = field(default_factory=dict)
    checked: bool = False
    """What it restored was compared byte for byte with what it was given."""

    def median(self, operation: str, figure: str) -> float | None:
        """Of all rounds; None where there are none."""
        runs = self.runs.get(operation, {}).values()
        return statistics.median(run[figure] for run in runs) if runs else None

    def times(self, operation: str, base: Row) -> float | None:
        """The median of how many times as long as base it took, round by round."""
        mine, theirs = self.runs.get(operation, {}), base.runs.get(operation, {})
        ratios = [mine[turn]["wall"] / theirs[turn]["wall"] for turn in mine if turn in theirs]
        return statistics.median(ratios) if ratios else None

    def peak_mib(self) -> float | None:
        """The most of all its operations, each the median of its rounds."""
        peaks = [self.median(operation, "peak_kib") for operation in self.runs]
        return max((peak / 1024 for peak in peaks if peak is not None), default=None)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All rows of one corpus."""

    corpus: Corpus
    machine: Line
    """A line that says where and when."""
    rows: list[Row]

    def row(self, name: str) -> Row | None:
        """The row of a contestant."""
        return next((row for row in self.rows if row.name == name), None)

    def rounds(self) -> int:
        """How many every operation of every contestant has at least."""
        counts = [len(runs) for row in self.rows for runs in row.runs.values()]
        return min(counts, default=0)

    def disturbed(self) -> float:
        """The share of the processors that others took at worst."""
        lines = [run for row in self.rows for runs in row.runs.values() for run in runs.values()]
        return max((float(line["disturbed"]) for line in lines), default=0.0)


def _rows(lines: list[Line]) -> list[Row]:
    rows: dict[str, Row] = {}
    for line in lines:
        name = line["contestant"]
        row = rows.get(name)
        if row is None or (row.version, row.settings) != (line["version"], line["settings"]):
            row = Row(name, line["version"], line["settings"], line["leaves_out"], line["lacks"])
        rows[name] = row
        operation = line["operation"]
        row.checked |= line.get("same", False)
        if "failed" in line:
            row.failed[operation] = line["failed"]
        elif line["round"] != WARM_UP:
            row.failed.pop(operation, None)
            row.runs.setdefault(operation, {})[line["round"]] = line
    return list(rows.values())


def _parsed(text: str) -> Iterator[Line]:
    """The lines; one that was being written when the machine stopped is passed over."""
    for words in text.splitlines():
        try:
            line = json.loads(words)
        except ValueError:
            continue
        if line.get("bench") == "compare" and line.get("operation", "backup") in OPERATIONS:
            yield line
