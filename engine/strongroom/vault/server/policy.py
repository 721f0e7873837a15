"""How many guesses, how fast, and how long things last."""

from __future__ import annotations

from dataclasses import dataclass

from strongroom.errors import UsageError

_DAY = 24 * 3600


@dataclass(frozen=True, slots=True)
class Policy:
    """Numbers an operator may change; seconds where they are times."""

    attempts: int = 10
    """Wrong guesses in a row that destroy the record."""
    lifetime: int = 100
    """Wrong guesses ever, since the owner last showed their proof, that destroy it."""
    delays: tuple[int, ...] = (0, 0, 0, 60, 300, 900, 3600, 4 * 3600, _DAY, _DAY)
    """Before the first, second … attempt; the last one also before all later ones."""
    attempt_window: int = 600
    """A guess may be asked for again, and finished, for so long."""
    pending: int = 900
    confirms: int = 3
    request_delay: int = 7 * _DAY
    """What a registration without proof has to wait."""
    kept: int = 30 * _DAY
    """How long the record that such a one replaced stays."""

    def __post_init__(self) -> None:
        """Raises UsageError for what would protect nothing."""
        if not 1 <= self.attempts <= 100 or not self.attempts <= self.lifetime <= 10_000:
            raise UsageError("attempts are 1 to 100, and lifetime no less and at most 10,000")
        if not self.delays or any(not 0 <= delay <= 365 * _DAY for delay in self.delays):
            raise UsageError("delays are 0 to 31,536,000 seconds each, one at least")
        times = (self.attempt_window, self.pending, self.confirms, self.request_delay, self.kept)
        if any(not 1 <= number <= 366 * _DAY for number in times):
            raise UsageError(
                "attempt_window, pending, confirms, request_delay and kept are 1 or more"
            )

    def delay_before(self, attempt: int) -> int:
        """Seconds before an attempt, counted from 1."""
        return self.delays[min(attempt, len(self.delays)) - 1]
