"""The comparison runs with the programs that this machine has, and says what it could not do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import quiet
from bench.compare import table
from bench.compare.contestant import OPERATIONS, Contestant, Place
from bench.compare.results import Corpus, Results
from bench.compare.rounds import Race
from bench.corpora import MIB
from bench.libraries import write_library
from bench.processes import machine

ROOT = Path(__file__).parents[2]
PEERS = ["cp -r", "tar | zstd | age", "rclone crypt", "restic, auto", "borg 1, lz4", "borg 2, lz4"]


def compare(*words: str | Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "compare", *words],
        cwd=ROOT,
        env=os.environ | {"BENCH_PATIENCE": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], str]:
    """Lines and table of everyone that is here, warming up, which is when bytes are compared."""
    folder = tmp_path_factory.mktemp("compare")
    lines = folder / "lines.jsonl"
    words = ["--corpora", "small", "--size", "1", "--rounds", "0", "--dir", folder]
    done = compare(*words, "--output", lines, "--only", "strongroom", *PEERS)
    assert {path.name for path in folder.iterdir()} <= {"lines.jsonl", "lines.svg"}
    return lines_of(lines), done.stdout


@pytest.mark.xdist_group("bench")
@pytest.mark.parametrize("name", ["strongroom", *PEERS])
def test_each_is_measured_and_restores_what_it_was_given(
    name: str, run: tuple[list[dict[str, Any]], str]
) -> None:
    lines, printed = run
    for line in lines:
        if "absent" in line and line["contestant"] == name.partition(",")[0]:
            assert line["absent"] in printed
            pytest.skip(line["absent"])
    mine = [line for line in lines if line["contestant"] == name]
    assert [line["failed"] for line in mine if "failed" in line] == []
    assert {line["operation"] for line in mine} | set(mine[0]["lacks"]) == set(OPERATIONS)
    assert [line["same"] for line in mine if "same" in line] == [True]
    for line in mine:
        assert line["wall"] > 0
        assert line["peak_kib"] > 1000
        assert line["stored"] >= line["bytes"]
        assert line["settings"]
        assert line["version"][0].isdigit()
        assert set(machine()) <= set(line)
    assert f"| {name.replace('|', chr(92) + '|')} |" in printed


@pytest.fixture
def race(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Race:
    """A small library, and a file for results."""
    monkeypatch.setattr(quiet, "PATIENCE", 0)
    monkeypatch.setattr(quiet, "TRIES", 1)
    place = Place(tmp_path / "work", tmp_path / "library")
    place.folder.mkdir()
    length, files = write_library(place.source, "small", 0, 20)
    corpus = Corpus("small", length, files, "tmpfs")
    return Race(place, corpus, Results(tmp_path / "lines.jsonl"))


def copying(place: Place, version: str = "1.0", **other: list[str | Path]) -> Contestant:
    """One that can only copy, but for the commands of other."""
    steps: dict[str, list[str | Path]] = {
        "backup": ["cp", "-r", place.source, place.repo],
        "restore": ["cp", "-r", f"{place.repo}/.", place.out],
    }
    return Contestant("copying", version, "as it comes", "all else", steps | other)


def test_figures_are_medians_and_ratios_of_the_same_round(tmp_path: Path) -> None:
    results = Results(tmp_path / "lines.jsonl")
    corpus = Corpus("media", 64 * MIB, 9, "tmpfs").fields()
    about = {"version": "1.0", "settings": "", "leaves_out": "locks", "lacks": {}}
    same = {"user": 1.5, "system": 0.5, "peak_kib": 2048, "stored": MIB, "disturbed": 0.01}
    walls = {"strongroom": [9, 1, 2, 4], "slow": [1, 4, 4, 12], "fast": [8, 0.08, 0.08, 0.08]}
    for name, each in walls.items():
        for turn, wall in enumerate(each):
            run = {"contestant": name, "operation": "backup", "round": turn, "wall": wall}
            results.add(**corpus, **about, **same, **run, **machine())
    printed = table.markdown(results)
    assert "| strongroom | 2.00 s |" in printed
    assert "| slow | 4.00 s (3 x) |  |  |  | 2.00 |  | 2 | 1 |" in printed
    assert "| fast | **0.08 s (0.04 x)** |" in printed
    assert "fast does without locks." in printed
    assert "slow does without" not in printed


def test_a_round_that_is_among_the_results_is_not_run_again(race: Race, tmp_path: Path) -> None:
    race.run([copying(race.place)], rounds=1)
    lines = lines_of(tmp_path / "lines.jsonl")
    assert len(lines) == 4
    again = Race(race.place, race.corpus, Results(tmp_path / "lines.jsonl"))
    again.run([copying(race.place)], rounds=2)
    assert [line["round"] for line in lines_of(tmp_path / "lines.jsonl")] == [0, 0, 1, 1, 2, 2]


def test_another_version_is_measured_anew_and_replaces_the_row(race: Race, tmp_path: Path) -> None:
    race.run([copying(race.place)], rounds=2)
    race.run([copying(race.place, version="2.0")], rounds=1)
    (comparison,) = Results(tmp_path / "lines.jsonl").corpora()
    (row,) = comparison.rows
    assert row.version == "2.0"
    assert set(row.runs["backup"]) == {1}


def test_a_line_cut_by_a_crash_is_passed_over_and_measured_again(
    race: Race, tmp_path: Path
) -> None:
    path = tmp_path / "lines.jsonl"
    race.run([copying(race.place)], rounds=1)
    path.write_bytes(path.read_bytes()[:-40])
    Race(race.place, race.corpus, Results(path)).run([copying(race.place)], rounds=1)
    (comparison,) = Results(path).corpora()
    assert comparison.rounds() == 1
    assert comparison.rows[0].checked


def test_one_that_fails_has_a_row_that_says_so(race: Race, tmp_path: Path) -> None:
    words = "echo no disk left >&2; exit 3"
    race.run([copying(race.place, restore=["sh", "-c", words])], rounds=1)
    printed = table.markdown(Results(tmp_path / "lines.jsonl"))
    assert "| failed |" in printed
    assert "copying: restore failed: exit status 3: no disk left" in printed
    assert list(race.place.folder.iterdir()) == []


def test_one_that_cannot_begin_has_a_row_that_says_so(race: Race, tmp_path: Path) -> None:
    backup: list[str | Path] = [tmp_path / "nothing here"]
    race.run([copying(race.place, backup=backup)], rounds=0)
    assert "backup failed: exit status 1" in table.markdown(Results(tmp_path / "lines.jsonl"))


@pytest.mark.parametrize("harm", ["rm 0000/000007", "printf x >> 0000/000007"])
def test_one_that_restores_otherwise_has_failed(harm: str, race: Race, tmp_path: Path) -> None:
    words = f"cp -r {race.place.repo}/. . && {harm}"
    race.run([copying(race.place, restore=["sh", "-c", words])], rounds=0)
    (_, restored) = lines_of(tmp_path / "lines.jsonl")
    assert "restored otherwise than backed up" in restored["failed"]
    assert "000007" in restored["failed"]


def test_short_runs_are_called_provisional_and_absent_programs_named(
    race: Race, tmp_path: Path
) -> None:
    race.results.add(contestant="restic", absent="it is not on PATH", **machine())
    race.run([copying(race.place)], rounds=1)
    printed = table.markdown(Results(tmp_path / "lines.jsonl"))
    assert printed.startswith("**Provisional")
    assert "restic was not measured: it is not on PATH" in printed


def test_the_table_of_a_document_is_replaced_and_nothing_else(race: Race, tmp_path: Path) -> None:
    race.run([copying(race.place)], rounds=1)
    results = Results(tmp_path / "lines.jsonl")
    document = tmp_path / "README.md"
    document.write_text("above\n<!-- compare: table -->\nwhat was there\n<!-- end -->\nbelow\n")
    table.replace(document, results)
    once = document.read_text()
    table.replace(document, results)
    assert document.read_text() == once
    assert once.startswith("above\n<!-- compare: table -->\n\n**Provisional")
    assert once.endswith("\n\n<!-- end -->\nbelow\n")
    assert "what was there" not in once
    name = results.corpora()[0].corpus.name
    document.write_text(f"<!-- compare: {name} -->\n<!-- end -->\n")
    table.replace(document, results)
    assert f"| {name}: " in document.read_text()
    document.write_text("no marks")
    with pytest.raises(ValueError, match="has no"):
        table.replace(document, results)


def test_a_folder_of_ones_own_is_only_read(tmp_path: Path) -> None:
    library = tmp_path / "mine"
    write_library(library, "small", 0, 5)
    before = {path: path.stat().st_mtime_ns for path in library.rglob("*")}
    lines = tmp_path / "lines.jsonl"
    words = ["--library", library, "--rounds", "0", "--only", "strongroom", "cp -r"]
    compare(*words, "--dir", tmp_path, "--output", lines)
    assert {line["corpus"] for line in lines_of(lines) if "corpus" in line} == {"own"}
    assert {path: path.stat().st_mtime_ns for path in library.rglob("*")} == before
