"""A progress line on a terminal: bytes, files, rate, honest time left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console as RichConsole
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as RichProgress

from strongroom._core import Progress
from strongroom.cli.console import Console, printable


class Meter:
    """Adds up the bytes read over one file after another."""

    def __init__(self, console: Console, verb: str, total: int | None) -> None:
        """total: bytes to read in all; None where that cannot be known."""
        self._bar = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=RichConsole(stderr=True),
            transient=True,
            disable=not console.shows_progress,
        )
        self._verb = verb
        self._task = self._bar.add_task(verb, total=total)
        self._done = 0

    def __enter__(self) -> Meter:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    @contextmanager
    def file(self, name: str, size: int) -> Iterator[Progress]:
        """The callback for one file. It counts as done when the block ends, read or not."""
        self._bar.update(self._task, description=f"{self._verb} {printable(name)[-40:]}")

        def advance(read: int, _written: int) -> None:
            self._bar.update(self._task, completed=self._done + read)

        try:
            yield advance
        finally:
            self._done += size
            self._bar.update(self._task, completed=self._done)
