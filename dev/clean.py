"""make clean: remove what set-up, builds and tests made here; the per-user cache stays."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from dev.console import ROOT, say

FOLDERS = (".venv", "build", "dist", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis")
SOURCE_FOLDERS = ("bench", "csrc", "dev", "engine", "tests")
PATTERNS = ("__pycache__", "*.so", "*.o", "*.egg-info")


def main(_arguments: Sequence[str]) -> int:
    """Remove them."""
    for path in list(_made()):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        say("removed", str(path.relative_to(ROOT)))
    return 0


def _made() -> Iterator[Path]:
    yield from (ROOT / name for name in FOLDERS if (ROOT / name).exists())
    for folder in SOURCE_FOLDERS:
        for pattern in PATTERNS:
            yield from (ROOT / folder).rglob(pattern)
