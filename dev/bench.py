"""make bench: measure this machine with everything that python -m bench can run."""

from __future__ import annotations

import os
from collections.abc import Sequence

from dev.console import ROOT
from dev.setup import VENV_PYTHON, everything, install_wheels, pyproject


def main(arguments: Sequence[str]) -> int:
    """Set up, then run all of bench/; `arguments` go to it."""
    everything()
    install_wheels("bench extra", pyproject()["project"]["optional-dependencies"]["bench"])
    os.chdir(ROOT)
    command = [str(VENV_PYTHON), "-m", "bench", "all", *arguments]
    os.execve(VENV_PYTHON, command, os.environ)  # noqa: S606
