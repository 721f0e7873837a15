"""make bench and make bench-compare: measure this machine with what python -m bench can run."""

from __future__ import annotations

import os
from collections.abc import Sequence

from dev import peers
from dev.console import ROOT
from dev.setup import VENV_PYTHON, everything, install_wheels, pyproject


def main(arguments: Sequence[str]) -> int:
    """Set up, then run all of bench/; `arguments` go to it."""
    _set_up()
    return _run("all", arguments)


def compare(arguments: Sequence[str]) -> int:
    """Set up, others too, and measure beside them; `arguments` go to python -m bench compare."""
    _set_up()
    peers.unpack()
    return _run("compare", arguments)


def _set_up() -> None:
    everything()
    extras = pyproject()["project"]["optional-dependencies"]
    install_wheels("bench extra", [*extras["bench"], *extras["etcd"]])


def _run(piece: str, arguments: Sequence[str]) -> int:
    os.chdir(ROOT)
    command = [str(VENV_PYTHON), "-m", "bench", piece, *arguments]
    os.execve(VENV_PYTHON, command, os.environ)  # noqa: S606
