"""Ctrl-C: once, and a backup keeps what it has; twice, and it stops at once."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

from cli.photos import Library, tree


def fill(library: Library) -> None:
    """A batch of little files, and one that takes a while to compress."""
    (library.source / "a").mkdir()
    for number in range(256):
        (library.source / "a" / f"{number:03}").write_text(str(number))
    (library.source / "b.txt").write_text(random.Random(5).randbytes(8 * 2**20).hex())


def begun(library: Library) -> subprocess.Popen[bytes]:
    """A backup that has begun to store something."""
    process = library.program.start(
        *("backup", "-r", "repo", "--key-file", "my.key", "--level", "19", "--threads", "1", "src"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    working = library.store.folder / "tmp"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if working.exists() and len([p for p in working.glob("*/*") if p.name != "lock"]) >= 2:
            break
        time.sleep(0.05)
    time.sleep(0.3)
    assert process.poll() is None
    return process


def restored(library: Library, folder: str) -> dict[Path, bytes | None]:
    library("restore", "latest", "--target", folder)
    return tree(library.program.folder / folder / "src")


def test_interrupted_once_it_keeps_what_it_has_and_twice_it_stops(library: Library) -> None:
    fill(library)
    process = begun(library)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert b"interrupted: storing what was read; once more stops at once" in err
    assert b"partial snapshot" in err
    (found,) = library("snapshots", "--json").lines
    assert (found["partial"], found["files"]) == (True, 256)
    assert out.decode().strip() == found["snapshot"]
    assert "(partial)" in library("snapshots").out.decode()
    assert len(restored(library, "first")) == 257

    process = begun(library)
    process.send_signal(signal.SIGINT)
    process.stderr.readline()  # type: ignore[union-attr]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert len(library("snapshots").out.splitlines()) == 1
    assert list((library.store.folder / "tmp").iterdir()) == []

    library.backup()
    assert not library("snapshots", "--json").lines[-1]["partial"]
    assert restored(library, "whole") == tree(library.source)
