"""Whole processes: wall-clock and processor seconds, peak memory, interleaved runs."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import quiet
from strongroom._core.build import build_info

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build/bench"
MEASURED = (sys.executable, "-I", "-S", str(ROOT / "bench/programs/measured.py"))


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
    """Time one run, undisturbed. Raises CalledProcessError."""
    return quiet.undisturbed(lambda: _run(case), before=case.before)


def _run(case: Case) -> Run:
    with Measured(case.command, stdout=subprocess.DEVNULL) as process:
        return process.run()


class Measured(AbstractContextManager["Measured"]):
    """A command that measures itself; see programs/measured.py. Popen takes the options."""

    def __init__(self, command: Sequence[str | Path], **options: Any) -> None:
        self._report, writing = os.pipe()
        try:
            self._process = subprocess.Popen(
                [*MEASURED, str(writing), *(str(word) for word in command)],
                pass_fds=[writing],
                **options,
            )
        finally:
            os.close(writing)

    def run(self) -> Run:
        """Wait for the end. Raises CalledProcessError."""
        with open(self._report, closefd=False) as report:
            said = report.read()
        if self._process.wait() != 0:
            raise subprocess.CalledProcessError(self._process.returncode, self._process.args)
        return Run(**json.loads(said))

    def __exit__(self, *_error: object) -> None:
        os.close(self._report)
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()


def interleave(cases: Sequence[Case], rounds: int) -> dict[str, list[Run]]:
    """A B C, A B C, …: what drifts on this machine drifts for all. The first round warms up.
    Ctrl-C ends it with the rounds that are complete, if there are any."""
    complete: list[list[Run]] = []
    try:
        for turn in range(rounds + 1):
            measured = [run(case) for case in cases]
            if turn > 0:
                complete.append(measured)
            say(f"round {turn} of {rounds}")
    except KeyboardInterrupt:
        if not complete:
            raise
    return {case.name: [each[i] for each in complete] for i, case in enumerate(cases)}


def summary(runs: Sequence[Run]) -> dict[str, float]:
    """Medians of each figure."""
    fields = [asdict(each) for each in runs]
    return {name: statistics.median(each[name] for each in fields) for name in fields[0]}


def ratio(runs: Sequence[Run], base: Sequence[Run]) -> tuple[float, float, float]:
    """Wall-clock ratios pair by pair: least, median, most."""
    return spread([a.wall / b.wall for a, b in zip(runs, base, strict=True)])


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Least, median, most."""
    return min(values), statistics.median(values), max(values)


def put(bench: str, case: str, **figures: object) -> None:
    """A result: one JSON line on stdout."""
    noise = {"disturbed": round(quiet.worst, 3), "stolen": round(quiet.stolen(), 3)}
    line = {"bench": bench, "case": case, **figures, **noise, **machine()}
    print(json.dumps(line), flush=True)


def say(words: str) -> None:
    """A line for people, on stderr."""
    print(words, file=sys.stderr, flush=True)


@cache
def machine() -> dict[str, object]:
    """What every result line says of where it was measured."""
    build = build_info()
    return {
        "date": time.strftime("%Y-%m-%d"),
        "strongroom": version("strongroom"),
        "commit": _commit(),
        "openssl": build.openssl,
        "blake3": build.blake3,
        "zstd": build.zstd,
        "cryptography": version("cryptography"),
        "python": platform.python_version(),
        "cpu": proc_field("/proc/cpuinfo", "model name"),
        "cpu_features": list(build.cpu_features),
        "cores": os.cpu_count(),
        "memory": proc_field("/proc/meminfo", "MemTotal"),
        "machine": platform.machine(),
        "kernel": platform.release(),
    }


def _commit() -> str:
    """The commit, with a plus if what is measured is not quite that."""
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run(
        [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    changed = subprocess.run(
        [*git, "diff", "--quiet", "HEAD", "--", "csrc", "engine"], capture_output=True, check=False
    )
    return commit.stdout.strip() + ("+" if changed.returncode == 1 else "")


def proc_field(path: str, name: str) -> str:
    """What a file of /proc says first of name."""
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
