"""The comparison as Markdown, and where documents show it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.compare.contestant import OPERATIONS
from bench.compare.results import Comparison, Results, Row
from bench.corpora import MIB

BASE = "strongroom"
ROUNDS_MIN, BYTES_MIN, DISTURBED_MAX = 5, 32 * MIB, 0.1
"""Fewer rounds, less data or more of the processors taken by others make figures provisional."""
COLUMNS = (*OPERATIONS.values(), "CPU s: backup", "CPU s: restore", "peak MiB", "stored MiB")


def markdown(results: Results) -> str:
    """The tables and the settings."""
    found = sections(results)
    return f"{found['table']}\n\n{found['settings']}"


def sections(results: Results) -> dict[str, str]:
    """By the name that a document asks for: all tables, the settings, the table of one corpus."""
    comparisons = results.corpora()
    tables = [_about(comparisons), *map(_table, comparisons)]
    tables += [f"- {name} was not measured: {why}." for name, why in results.absent().items()]
    found = {"table": "\n\n".join(tables), "settings": "\n".join(_settings(comparisons))}
    for each in comparisons:
        found[each.corpus.name] = f"{_about([each])}\n\n{_table(each)}"
    return found


def replace(path: Path, results: Results) -> None:
    """Put each section between the marks that a document has for it. Raises ValueError when it has
    none."""
    text = path.read_text("utf-8")
    found = 0
    for name, section in sections(results).items():
        before, mark, rest = text.partition(f"<!-- compare: {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        if end:
            text = f"{before}{mark}\n{section}\n\n{end}{after}"
            found += 1
    if found == 0:
        raise ValueError(f"{path} has no place such as <!-- compare: table --> … <!-- end -->")
    path.write_text(text, "utf-8")


def provisional(comparisons: Sequence[Comparison]) -> bool:
    """Whether rounds, data or quiet were too little for figures to be quoted."""
    return any(
        each.rounds() < ROUNDS_MIN
        or each.corpus.length < BYTES_MIN
        or each.disturbed() > DISTURBED_MAX
        for each in comparisons
    )


def _about(comparisons: list[Comparison]) -> str:
    line = comparisons[-1].machine
    rounds = min(each.rounds() for each in comparisons)
    disturbed = max(each.disturbed() for each in comparisons)
    kib = int(str(line["memory"]).split()[0])
    words = (
        f"{line['date']}: {line['cpu']}, {line['cores']} cores, {kib / MIB:.0f} GiB,"
        f" {line['place']}; medians of {rounds} interleaved rounds. In"
        f" brackets the time as a multiple of {BASE}'s in the same round; bold is faster. Other"
        f" programs took at most {disturbed:.0%} of the processors."
    )
    if provisional(comparisons):
        return f"**Provisional: short, or on a machine that was busy.** {words}"
    return words


def _table(comparison: Comparison) -> str:
    corpus = comparison.corpus
    title = f"{corpus.name}: {corpus.length / MIB:,.0f} MiB in {corpus.files:,} files"
    lines = [f"| {title} | {' | '.join(COLUMNS)} |", f"|---{'|---:' * len(COLUMNS)}|"]
    base = comparison.row(BASE)
    lines += [_line(row, base) for row in comparison.rows]
    notes = [note for row in comparison.rows for note in _notes(row, base)]
    return "\n".join([*lines, "", *notes]).rstrip()


def _line(row: Row, base: Row | None) -> str:
    times = [_cell(row, base, operation) for operation in OPERATIONS]
    cpu = [_cpu(row, operation) for operation in ("backup", "restore")]
    peak, stored = row.peak_mib(), row.median("backup", "stored")
    sizes = [f"{peak:,.0f}" if peak else "", f"{stored / MIB:,.0f}" if stored else ""]
    return f"| {_escaped(row.name)} | {' | '.join([*times, *cpu, *sizes])} |"


def _escaped(name: str) -> str:
    return name.replace("|", "\\|")


def _cell(row: Row, base: Row | None, operation: str) -> str:
    if operation in row.failed:
        return "failed"
    wall = row.median(operation, "wall")
    if wall is None:
        return ""
    times = row.times(operation, base) if base is not None and base is not row else None
    if times is None:
        return f"{wall:.2f} s"
    cell = f"{wall:.2f} s ({times:.2g} x)"
    return f"**{cell}**" if times < 1 else cell


def _cpu(row: Row, operation: str) -> str:
    user, system = row.median(operation, "user"), row.median(operation, "system")
    return "" if user is None or system is None else f"{user + system:.2f}"


def _notes(row: Row, base: Row | None) -> list[str]:
    notes = [
        f"- {row.name}: {OPERATIONS[operation]} failed: {why}"
        for operation, why in row.failed.items()
    ]
    if "restore" in row.runs and not row.checked:
        notes.append(f"- {row.name}: what it restored was not compared with what it was given")
    faster = [
        words
        for operation, words in OPERATIONS.items()
        if base is not None and (row.times(operation, base) or 1) < 1
    ]
    if faster and row.leaves_out:
        notes.append(f"- {row.name} does without {row.leaves_out}.")
    return notes


def _settings(comparisons: list[Comparison]) -> list[str]:
    rows = {row.name: row for comparison in comparisons for row in comparison.rows}
    lines = ["| | version | settings | no |", "|---|---|---|---|"]
    for row in rows.values():
        lacks = "; ".join(f"{OPERATIONS[what]}: {why}" for what, why in row.lacks.items())
        lines.append(f"| {_escaped(row.name)} | {row.version} | {row.settings} | {lacks} |")
    return lines
