"""What time it is: never earlier than it was, and not believed when it jumps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

JUMP_MAX: Final = 300
"""Seconds."""


def _uptime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)  # goes on while the machine sleeps


class Clock:
    """Local time beside the time since this process began. Thread-safe."""

    def __init__(
        self, wall: Callable[[], float] = time.time, uptime: Callable[[], float] = _uptime
    ) -> None:
        self._wall, self._uptime = wall, uptime
        self._begun = wall() - uptime()

    def now(self) -> int:
        """Seconds since 1970, as this machine says."""
        return int(self._wall())

    def sound(self, stored: int) -> bool:
        """Whether attempts may be judged by it: it did not jump since this process began, and is
        not far behind what was stored."""
        drift = self._wall() - self._uptime() - self._begun
        return abs(drift) <= JUMP_MAX and self._wall() >= stored - JUMP_MAX
