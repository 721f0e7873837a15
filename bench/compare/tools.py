"""Where the programs are that are compared, and their versions."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from csrc.deps.cache import cache_root

SHELF = cache_root() / "peers"
"""What `make bench-compare` unpacks; see dev/peers.py."""


class AbsentError(Exception):
    """A program is not to be had; the text says which, and where it was looked for."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that runs here."""

    path: Path
    version: str


def find(program: str, *, peer: str = "", asking: str = "--version", series: str = "") -> Tool:
    """Of what was unpacked as `peer`, or else on PATH, if its version begins with series.
    Raises AbsentError."""
    unpacked = sorted(SHELF.glob(f"{peer or program}-*/bin/{program}"), key=_changed)
    on_path = shutil.which(program)
    for path in [*reversed(unpacked), *([Path(on_path)] if on_path else [])]:
        version = _version(path, asking)
        if version.startswith(series or ""):
            return Tool(path, version)
    wanted = f"{program} {series}".strip()
    raise AbsentError(f"{wanted} was not unpacked by make bench-compare, nor is it on PATH")


def _changed(path: Path) -> float:
    return path.stat().st_mtime


def _version(path: Path, asking: str) -> str:
    """The first number with a dot in what it says of itself."""
    try:
        said = subprocess.run([path, asking], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise AbsentError(f"{path} does not run: {error}") from error
    found = re.search(r"(?<![\w.])v?(\d+\.\d[\w.]*)", said)
    return found[1] if found else "unknown"
