"""Other programs that encrypt a file, as far as this machine has them."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.processes import ROOT

PROGRAMS = ROOT / "bench/programs"


@dataclass(frozen=True, slots=True)
class Program:
    """A command with SOURCE and TARGET in place of paths."""

    name: str
    command: Sequence[str | Path]
    output: str
    """copy, sealed or opened: what TARGET is."""
    of_source: bool = True
    """SOURCE is the plain file; else what was sealed last."""


def peers(folder: Path, say: Callable[[str], None]) -> list[Program]:
    """Each seals, then opens what it sealed. Who is not installed is named by `say`."""
    found = _age(folder, say)
    found += _loop("aesgcm 1", "aesgcm_loop.py", "1")
    found += _loop("aesgcm 2", "aesgcm_loop.py", "2")
    if importlib.util.find_spec("cryptography.cobblestone") is not None:
        found += _loop("cobblestone", "cobblestone_loop.py")
    else:
        say("left out: Cobblestone needs cryptography 50")
    if importlib.util.find_spec("tink") is not None:
        found += _loop("tink", "tink_loop.py")
    else:
        say("left out: Tink is not installed (pip install tink)")
    return found


def _loop(name: str, program: str, *extra: str) -> list[Program]:
    command: list[str | Path] = [sys.executable, PROGRAMS / program]
    words = ["SOURCE", "TARGET", *extra]
    return _pair(name, [*command, "seal", *words], [*command, "open", *words])


def _pair(name: str, seal: Sequence[str | Path], open_: Sequence[str | Path]) -> list[Program]:
    return [
        Program(f"{name} seal", seal, "sealed"),
        Program(f"{name} open", open_, "opened", of_source=False),
    ]


def _age(folder: Path, say: Callable[[str], None]) -> list[Program]:
    if shutil.which("age") is None or shutil.which("age-keygen") is None:
        say("left out: age is not on PATH")
        return []
    identity = folder / "age.key"
    made = subprocess.run(
        ["age-keygen", "-o", identity], capture_output=True, text=True, check=True
    )
    recipient = made.stderr.split()[-1]
    return _pair(
        "age",
        ["age", "-r", recipient, "-o", "TARGET", "SOURCE"],
        ["age", "-d", "-i", identity, "-o", "TARGET", "SOURCE"],
    )
