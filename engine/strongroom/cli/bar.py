"""A progress line on a terminal: bytes, rate, honest time left. Drawn by rich, which takes longer
to load than a small file to seal: cli.progress loads this only where it is seen."""

from __future__ import annotations

from rich.console import Console as RichConsole
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


class Bar:
    """One line, on stderr, gone once it is stopped."""

    def __init__(self, words: str, total: int | None) -> None:
        """total: bytes; None where that cannot be known."""
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=RichConsole(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task(words, total=total)
        self._progress.start()

    def say(self, words: str) -> None:
        """What is being done now."""
        self._progress.update(self._task, description=words)

    def expect(self, total: int) -> None:
        """So many bytes there are."""
        self._progress.update(self._task, total=total)

    def move(self, done: int) -> None:
        """So many bytes are done."""
        self._progress.update(self._task, completed=done)

    def stop(self) -> None:
        """Take the line away."""
        self._progress.stop()
