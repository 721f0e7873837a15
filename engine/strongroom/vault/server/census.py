"""Looking at all accounts, a page at a time: how many there are in which state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from strongroom.errors import DamagedError
from strongroom.vault.messages import Event, LogEntry
from strongroom.vault.server.core import Core
from strongroom.vault.server.counters import exhausted
from strongroom.vault.server.ledger import SCAN, Ledger, Page
from strongroom.vault.server.policy import Policy
from strongroom.vault.server.rows import User
from strongroom.vault.wire import NO_ID

_HOUR_S = 3600


@dataclass(slots=True)
class Census:
    """Counts of accounts, nothing of single ones."""

    users: int = 0
    registered: int = 0
    """With a record that was confirmed, destroyed or not."""
    pending: int = 0
    kept: int = 0
    """With a record that somebody replaced without proof."""
    spent: int = 0
    """Locked out: without attempts."""
    damaged: int = 0
    attempts: int = 0
    """Ever made."""

    def add(self, page: Page, policy: Policy) -> None:
        """Count all of a page."""
        self.damaged += len(page.wrong)
        self.users += len(page.users) + len(page.wrong)
        for user in page.users:
            self._add(user, policy)

    def _add(self, user: User, policy: Policy) -> None:
        self.registered += user.active != NO_ID
        self.pending += user.pending != NO_ID
        self.kept += user.kept != NO_ID
        self.spent += exhausted(user, policy)
        self.attempts += user.charges


@dataclass(slots=True)
class LastHour:
    """Counts of guesses, as the accounts' logs have them."""

    attempts_last_hour: int = 0
    lock_outs_last_hour: int = 0
    """By those attempts."""

    def add(self, core: Core, page: Page) -> int:
        """Count those of a page. Returns of how many accounts the log is damaged. Raises
        StoreFailedError."""
        since, damaged = page.now - _HOUR_S, 0
        for user in page.users:
            if user.charges and user.attempt_at > since:
                try:
                    self._add(core.transact(partial(_entries, user=user, since=since)), core.policy)
                except DamagedError:
                    damaged += 1
        return damaged

    def _add(self, entries: list[LogEntry], policy: Policy) -> None:
        charged = False
        for entry in entries:
            if entry.event == Event.CHARGED:
                self.attempts_last_hour += 1
                charged = True
            elif entry.event == Event.FAILED and charged:
                last = entry.left == 0 or entry.lifetime >= policy.lifetime
                self.lock_outs_last_hour += last


def pages(core: Core) -> Iterator[Page]:
    """All accounts. Raises StoreFailedError, DamagedError."""
    after = b""
    while (page := _page(core, after)).last:
        yield page
        after = page.last


def census(core: Core) -> tuple[Census, LastHour]:
    """Of all accounts, read one after the other, and of the logs of those that had a guess in the
    last hour. Raises StoreFailedError, DamagedError."""
    found, lately = Census(), LastHour()
    for page in pages(core):
        found.add(page, core.policy)
        found.damaged += lately.add(core, page)
    return found, lately


def _entries(ledger: Ledger, user: User, since: int) -> list[LogEntry]:
    """Of its log, those that came after that time."""
    found: list[LogEntry] = []
    end = user.log_seq + 1
    while end > 1 and (not found or found[0].time > since):
        start = max(1, end - SCAN)
        found = ledger.entries(user, start, end - start) + found
        end = start
    return [entry for entry in found if entry.time > since]


def _page(core: Core, after: bytes) -> Page:
    return core.transact(lambda ledger: ledger.users(after))
