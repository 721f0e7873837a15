"""What tests of repositories that break have in common."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.injected import Driver, driver
from faults.library import Library

MIB = 2**20


@pytest.fixture(scope="session")
def faulty() -> Iterator[Driver]:
    """Runs backups and restores in a process that faults can be injected into."""
    with driver() as found:
        yield found


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """An empty repository and an empty tree."""
    return Library(tmp_path / "library").create()


def fill(tree: Path) -> None:
    """A bit of everything."""
    noise = random.Random(5)
    (tree / "media").mkdir()
    (tree / "media/film").write_bytes(noise.randbytes(2 * MIB + 77))
    (tree / "text").write_bytes(b"all work and no play " * 60_000)
    (tree / "empty").write_bytes(b"")
    (tree / "deep/er").mkdir(parents=True)
    for n in range(4):
        (tree / f"deep/er/{n}").write_bytes(noise.randbytes(n * 900))
    (tree / "deep/er/2").chmod(0o640)
    Path(tree / "deep/link").symlink_to(b"../nowhere\xff")
    os.link(tree / "deep/er/3", tree / "also 3")
    os.mkfifo(tree / "pipe", 0o644)
    for path in (tree / "deep/er/1", tree / "deep/er", tree):
        os.utime(path, ns=(0, 1_500_000_000_123_456_789))


def change(tree: Path) -> None:
    """Something new, something changed, something gone."""
    noise = random.Random(6)
    (tree / "media/song").write_bytes(noise.randbytes(MIB + 5))
    (tree / "text").write_bytes(b"all play and no work " * 50_000)
    (tree / "deep/er/0").unlink()
    (tree / "new").mkdir()
    for n in range(3):
        (tree / f"new/{n}").write_bytes(noise.randbytes(1200 + n))
