"""How far a verb has come, over one file after another."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol

from strongroom._core import Progress
from strongroom.cli.console import Console, printable


class _Bar(Protocol):
    """What cli.bar draws."""

    def say(self, words: str) -> None: ...
    def expect(self, total: int) -> None: ...
    def move(self, done: int) -> None: ...
    def stop(self) -> None: ...


class Meter:
    """Adds up the bytes read, and shows them on a terminal."""

    def __init__(
        self, console: Console, verb: str, total: int | None, *, is_bytes: bool = True
    ) -> None:
        """total: bytes to read in all; None where that cannot be known. is_bytes: else other work
        counts too, and a share of it is shown."""
        self._shown = console.shows_progress
        self._verb = verb
        self._total = total
        self._is_bytes = is_bytes
        self._done = 0
        self._bar: _Bar | None = None

    def __enter__(self) -> Meter:
        if self._shown:
            bar = importlib.import_module("strongroom.cli.bar")
            self._bar = bar.Bar(self._verb, self._total, is_bytes=self._is_bytes)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def is_shown(self) -> bool:
        """Is anybody looking?"""
        return self._shown

    def expect(self, total: int) -> None:
        """So many bytes there are, as is known by now. Any thread."""
        if self._bar is not None:
            self._bar.expect(total)

    @contextmanager
    def file(self, name: str, size: int) -> Iterator[Progress]:
        """The callback for one file. It counts as done when the block ends, read or not."""
        if self._bar is not None:
            self._bar.say(f"{self._verb} {printable(name)[-40:]}")
        try:
            yield self._advance
        finally:
            self._done += size
            self._advance(0, 0)

    def _advance(self, read: int, _written: int) -> None:
        if self._bar is not None:
            self._bar.move(self._done + read)
