"""Whole processes: wall-clock and processor seconds, peak memory, interleaved runs."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from strongroom._core import build_info

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Run:
    """One process from start to end."""

    wall: float
    user: float
    system: float
    peak_kib: int


@dataclass(frozen=True, slots=True)
class Case:
    """A command and what stands around it."""

    name: str
    command: Sequence[str | Path]
    before: Callable[[], None]
    """Not timed: removes outputs, warms pages."""


def run(case: Case) -> Run:
    """Time one run. Raises CalledProcessError."""
    case.before()
    start = time.perf_counter()
    process = subprocess.Popen([str(word) for word in case.command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return Run(wall, usage.ru_utime, usage.ru_stime, usage.ru_maxrss)


def interleave(cases: Sequence[Case], rounds: int) -> dict[str, list[Run]]:
    """A B C, A B C, …: what drifts on this machine drifts for all. The first round warms up."""
    runs: dict[str, list[Run]] = {case.name: [] for case in cases}
    for turn in range(rounds + 1):
        for case in cases:
            measured = run(case)
            if turn > 0:
                runs[case.name].append(measured)
    return runs


def summary(runs: Sequence[Run]) -> dict[str, float]:
    """Medians of each figure."""
    fields = [asdict(each) for each in runs]
    return {name: statistics.median(each[name] for each in fields) for name in fields[0]}


def ratio(runs: Sequence[Run], base: Sequence[Run]) -> tuple[float, float, float]:
    """Wall-clock ratios pair by pair: least, median, most."""
    ratios = sorted(a.wall / b.wall for a, b in zip(runs, base, strict=True))
    return ratios[0], statistics.median(ratios), ratios[-1]


def machine() -> dict[str, object]:
    """What every result line says of where it was measured."""
    build = build_info()
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "date": time.strftime("%Y-%m-%d"),
        "strongroom": version("strongroom"),
        "commit": commit.stdout.strip(),
        "openssl": build.openssl,
        "blake3": build.blake3,
        "zstd": build.zstd,
        "cpu_features": list(build.cpu_features),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
    }
