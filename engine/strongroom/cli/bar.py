"""A progress line on a terminal: bytes and rate, or a share; honest time left. Drawn by rich, which
takes longer to load than a small file to seal: cli.progress loads this only where it is seen."""

from __future__ import annotations

from rich.console import Console as RichConsole
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


class Bar:
    """One line, on stderr, gone once it is stopped."""

    def __init__(self, words: str, total: int | None, *, is_bytes: bool = True) -> None:
        """total: of bytes or other work; None where that cannot be known."""
        amount = (DownloadColumn(binary_units=True), TransferSpeedColumn())
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            *(amount if is_bytes else (TaskProgressColumn(),)),
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
        """So much there is."""
        self._progress.update(self._task, total=total)

    def move(self, done: int) -> None:
        """So much is done."""
        self._progress.update(self._task, completed=done)

    def stop(self) -> None:
        """Take the line away."""
        self._progress.stop()
