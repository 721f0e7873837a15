"""Two ways to end a backup: at once, or early but keeping what there is."""

from __future__ import annotations

import time
from typing import Final

from strongroom._core import Cancel

GRACE_S: Final = 2.0
"""What is being read when a backup is to end early may take so long to be finished."""


class Stopping:
    """Set when the reading is to be given up."""

    def __init__(self, cancel: Cancel | None, stop: Cancel | None) -> None:
        """cancel: at once, and nothing is kept. stop: early."""
        self._cancel = cancel
        self._stop = stop
        self._asked: float | None = None

    def is_set(self) -> bool:
        """For what is being read."""
        if self._is_cancelled():
            return True
        if not self.is_early:
            return False
        if self._asked is None:
            self._asked = time.monotonic()
        return time.monotonic() - self._asked > GRACE_S

    @property
    def is_early(self) -> bool:
        """To be ended early, and not cancelled."""
        return not self._is_cancelled() and self._stop is not None and self._stop.is_set()

    def _is_cancelled(self) -> bool:
        return self._cancel is not None and self._cancel.is_set()


class Promptly:
    """Set as soon as either is: for what need not be finished."""

    def __init__(self, stopping: Stopping) -> None:
        self._stopping = stopping

    def is_set(self) -> bool:
        """Of Cancel."""
        return self._stopping.is_early or self._stopping.is_set()
