"""The time left that a check of a repository shows is the time that it still takes.

Of a store that gives so many bytes a second, on a clock that goes on by what this process has read.
"""

from __future__ import annotations

import io
import os
import re
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import click
import pytest
import rich.console

from strongroom import CancelledError, Repository, RootKey, scrub_repository
from strongroom._core import CHUNK_LEN
from strongroom.cli import bar, scrub, verify
from strongroom.cli.console import Console
from strongroom.ops import scrub_segments
from strongroom.ops.subset import SubsetSource

KEY = RootKey(bytes(range(32)))
SPEED = 2 * CHUNK_LEN
"""Bytes a second."""


def clock() -> float:
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"]) / SPEED


@dataclass
class Shown:
    """What was seen on the progress line, and when."""

    left: list[tuple[float, float]] = field(default_factory=list)

    def note(self, line: str) -> None:
        if found := re.search(r"(\d+):(\d\d):(\d\d)\s*$", line):
            hours, minutes, seconds = map(int, found.groups())
            self.left.append((clock(), hours * 3600 + minutes * 60 + seconds))


@pytest.fixture
def shown(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shown:
    """Of a repository of so many data segments, each of so many chunks, on a terminal."""
    count, chunks = request.param
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Path("my.key").write_text(KEY.to_digits())
    Path("my.key").chmod(0o600)
    Path("src").mkdir()
    with Repository.create("repo", key=KEY) as repository:
        for number in range(count):
            Path("src", str(number)).write_bytes(os.urandom(chunks * CHUNK_LEN))
            repository.backup("src")
    seen = Shown()

    class Watched(bar.Bar):
        def move(self, done: int) -> None:
            super().move(done)
            line = io.StringIO()
            rich.console.Console(file=line, width=150).print(self._progress)
            seen.note(line.getvalue())

    monkeypatch.setattr(rich.console, "monotonic", clock)
    monkeypatch.setattr(bar, "Bar", Watched)
    monkeypatch.setattr(Console, "shows_progress", property(lambda _: True))
    monkeypatch.setattr(SubsetSource, "at_once", 1)
    return seen


def watched(command: click.Command, shown: Shown, *words: str) -> None:
    """In the second half, the times shown are those that were left, but for a fifth of all."""
    begun = clock()
    command.main(["-r", "repo", *words], standalone_mode=False)
    took = clock() - begun
    seen = [(now - begun, left) for now, left in shown.left if now - begun > took / 2]
    assert len(seen) >= 3
    assert seen[-1][1] == 0
    for after, left in seen:
        assert abs(after + left - took) <= took / 5 + 1, (took, seen)


@pytest.mark.parametrize("shown", [(8, 4)], indirect=True)
def test_the_next_subset_takes_as_long_as_it_says(shown: Shown) -> None:
    words = ("--key-file", "my.key", "--subset")
    verify.command.main(["-r", "repo", *words, "30%"], standalone_mode=False)
    shown.left.clear()
    watched(verify.command, shown, *words, "60%")


@pytest.mark.parametrize("shown", [(24, 1)], indirect=True)
def test_a_scrub_that_goes_on_takes_as_long_as_it_says(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub_segments, "_TELL_S", -1.0)
    stop = threading.Event()

    def progress(read: int, _: int) -> None:
        if read > 8 * CHUNK_LEN:
            stop.set()

    with suppress(CancelledError):
        scrub_repository("repo", threads=1, progress=progress, cancel=stop)
    assert stop.is_set()
    watched(scrub.command, shown, "--resume", "--threads", "1")
