"""Benchmarks run, say what they should, and leave nothing behind. Figures are not judged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench import limits, memory, plot_scale, quiet
from bench.corpora import CORPORA, MIB
from bench.libraries import write_library
from bench.native import Kernels
from bench.processes import Case, interleave, machine
from program import Program

ROOT = Path(__file__).parents[2]
STAGES = ["write", "read", "hash", "open", "seal", "compress", "file"]


def bench(*words: str | Path) -> list[dict[str, Any]]:
    """The JSON lines of a piece."""
    done = subprocess.run(
        [sys.executable, "-m", "bench", *words],
        cwd=ROOT,
        env=os.environ | {"BENCH_PATIENCE": "0"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def kernels() -> Kernels:
    if shutil.which("cc") is None:
        pytest.skip("no compiler")
    return Kernels(2 * MIB, MIB // 2 * 2)


@pytest.mark.xdist_group("bench")
def test_every_kernel_takes_time_and_goes_over_bytes(kernels: Kernels) -> None:
    assert len(kernels.names) > 20
    for name in kernels.names:
        assert kernels.seconds(name, 1) > 0
        assert kernels.bytes_of(name) >= 4096


@pytest.mark.xdist_group("bench")
def test_every_ratio_is_of_kernels_that_exist(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiet, "PATIENCE", 0)
    monkeypatch.setattr(quiet, "TRIES", 1)
    (speeds,) = memory.measure(kernels, rounds=1, seconds=0.001)
    assert set(speeds) == set(kernels.names)
    assert all(ratio(speeds) > 0 for ratio in memory.RATIOS.values())


@pytest.mark.xdist_group("bench")
def test_streams_are_measured_beside_cp(tmp_path: Path) -> None:
    lines = bench("stream", "--mib", "2", "--rounds", "1", "--dir", tmp_path)
    assert {"cp", "seal", "scrub", "open"} <= {line["case"] for line in lines}
    for line in lines:
        assert line["bench"] == "stream"
        assert line["wall"] > 0
        assert line["bytes"] == 2 * MIB
        assert set(machine()) <= set(line)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.xdist_group("bench")
def test_what_grows_is_drawn_against_size(tmp_path: Path) -> None:
    lines = [
        line
        for count in (2000, 4000)
        for line in bench("scale", "manifest", "--count", str(count), "--dir", tmp_path)
    ]
    times = plot_scale.curves(lines, "seconds", "manifest: ")
    assert {"write", "list", "diff"} <= set(times)
    assert all(set(curve) == {2000, 4000} for curve in times.values())
    assert plot_scale.curves(lines, "seconds", "index: ") == {}


@pytest.mark.xdist_group("bench")
def test_moments_and_sizes_are_measured(tmp_path: Path) -> None:
    moments = bench("moments", "--mib", "2", "--reads", "3", "--starts", "1", "--dir", tmp_path)
    assert {"seek media", "seek text", "strongroom --version"} <= {it["case"] for it in moments}
    sizes = bench("sizes", "--mib", "2", "--text-mib", "1", "--rounds", "1")
    assert [line["bytes"] for line in sizes] == [2 * MIB, MIB]
    assert all(line["seal_peak_kib"] > 0 for line in sizes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.xdist_group("bench")
@pytest.mark.parametrize("corpus", ["media", "small", "text"])
def test_repositories_are_measured_beside_cp(corpus: str, tmp_path: Path) -> None:
    words = ["--mib", "3", "--files", "40", "--rounds", "1", "--dir", tmp_path]
    lines = bench("repository", "--corpus", corpus, *words)
    cases = {"cp -r", "backup", "unchanged", "scrub", "verify --data", "restore"}
    assert {line["case"] for line in lines} == cases
    assert all(line["wall"] > 0 and line["bytes"] > 0 for line in lines)
    assert list(tmp_path.iterdir()) == []


def test_targets_are_held_against_what_was_measured(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    lines = [
        {"bench": "memory", "case": "seal_1", "of_walking_ceiling": 0.9},
        {"bench": "stream", "case": "seal", "wall_vs_cp": 1.5, "peak_kib": 1024},
    ]
    results.write_text("".join(json.dumps(line) + "\n" for line in lines))
    table = "\n".join(limits.table(limits.read_results(results)))
    assert "at least 0.85 x | 0.9 x | met" in table
    assert "at most 1 x | 1.5 x | **not met**" in table
    assert "not measured" in table


@pytest.mark.parametrize("corpus", CORPORA)
def test_corpora_are_the_same_every_time(corpus: str) -> None:
    length = MIB + 7
    first, again = (b"".join(CORPORA[corpus](length)) for _ in range(2))
    assert first == again
    assert len(first) == length


def test_peak_memory_is_that_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "PATIENCE", 0)
    ballast = bytearray(64 * MIB)
    ballast[::4096] = b"x" * (len(ballast) // 4096)
    (run,) = interleave([Case("true", ["true"], lambda: None)], 1)["true"]
    assert run.peak_kib < 40 * 1024


def test_peak_memory_is_that_of_all_processes_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "PATIENCE", 0)
    ballast = f"import time; b = bytearray(b'x') * {40 * MIB}; time.sleep(0.3)"
    both = f'"{sys.executable}" -c "{ballast}" & "{sys.executable}" -c "{ballast}"; wait'
    (run,) = interleave([Case("two", ["sh", "-c", both], lambda: None)], 1)["two"]
    assert run.peak_kib > 80 * 1024


def test_no_two_files_of_a_library_are_alike(tmp_path: Path) -> None:
    for corpus in ("media", "text", "small"):
        length, count = write_library(tmp_path / corpus, corpus, 20 * MIB, 40)
        files = [path.read_bytes() for path in (tmp_path / corpus).glob("*/*")]
        assert len(files) == len({content[:4096] for content in files}) == count
        assert sum(map(len, files)) == length


def test_the_program_measures_every_stage(program: Program) -> None:
    run = program("bench", "--json", "--mib", "2")
    assert [line.get("stage") for line in run.lines] == [*STAGES, None]
    for line in run.lines[:-1]:
        assert line["bytes"] > 0
        assert line["seconds"] > 0
        assert line["mb_per_s"] > 0
    assert run.lines[-1]["limited_by"] in {"read", "seal", "write"}
    assert run.lines[-1]["words"].endswith(".")
    assert [path.name for path in program.folder.iterdir()] == ["my.key"]


def test_the_program_says_in_words_what_limits(program: Program) -> None:
    out = program("bench", "--mib", "1", "--threads", "1").out.decode()
    assert [line.split()[0] for line in out.splitlines()[:-1]] == STAGES
    assert "limits this machine" in out.splitlines()[-1]


def test_interrupted_it_leaves_nothing_behind(program: Program, tmp_path: Path) -> None:
    run = program.start("bench", "--mib", "256", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(1.0)
    run.send_signal(2)
    said = run.communicate(timeout=20)[1]
    assert run.returncode == 130, said
    assert [path.name for path in tmp_path.iterdir()] == ["my.key"]


def test_a_folder_without_room_or_that_is_not_there_is_refused(program: Program) -> None:
    assert "No such file" in program("bench", "--dir", "nowhere", code=1).err
    assert "more room" in program("bench", "--mib", str(1 << 20), code=14).err
