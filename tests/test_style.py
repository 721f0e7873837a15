"""Formatters and checkers find nothing to say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOOLS = Path(sys.executable).parent
PYTHON = ["engine", "csrc", "dev", "bench", "tests", "setup.py"]

CHECKS = {
    "ruff check": ["ruff", "check", "--no-cache", *PYTHON],
    "ruff format": ["ruff", "format", "--check", "--no-cache", *PYTHON],
    "mypy": ["mypy"],
}


@pytest.mark.parametrize("check", CHECKS)
def test_style_is_clean(check):
    name, *arguments = CHECKS[check]
    done = subprocess.run(
        [TOOLS / name, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
