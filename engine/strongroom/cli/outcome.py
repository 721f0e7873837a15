"""What went wrong on the way, where the work goes on."""

from __future__ import annotations

from typing import Any

from strongroom.cli.console import Console
from strongroom.errors import DamagedError, IncompleteError, StrongroomError


class Outcome:
    """Names each failure as it comes, and knows the gravest at the end."""

    def __init__(self, console: Console) -> None:
        self.count = 0
        self._console = console
        self._damaged = False
        self._hints: set[str | None] = set()

    def add(self, error: StrongroomError, **fields: Any) -> None:
        """Say what failed; a hint only once. fields: what --json says beside the error."""
        self.count += 1
        self._damaged = self._damaged or isinstance(error, DamagedError)
        if error.hint in self._hints:
            error.hint = None
        self._hints.add(error.hint)
        self._console.fail(error, **fields)

    def settle(self, message: str, *, hint: str = "") -> None:
        """Raise message with the gravest exit code, if anything failed."""
        if self.count:
            kind = DamagedError if self._damaged else IncompleteError
            raise kind(f"{message}, each named above", hint=hint)
