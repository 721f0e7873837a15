"""Looking at all accounts, a page at a time: how many there are in which state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from strongroom.vault.server.core import Core
from strongroom.vault.server.counters import exhausted
from strongroom.vault.server.ledger import Page
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
    guessed_last_hour: int = 0
    """With a guess since then, and those of them that it locked out."""
    locked_out_last_hour: int = 0

    def add(self, page: Page, policy: Policy) -> None:
        """Count all of a page."""
        self.damaged += len(page.wrong)
        self.users += len(page.users) + len(page.wrong)
        for user in page.users:
            self._add(user, page.now, policy)

    def _add(self, user: User, now: int, policy: Policy) -> None:
        lately = user.charges > 0 and user.attempt_at > now - _HOUR_S
        spent = exhausted(user, policy)
        self.registered += user.active != NO_ID
        self.pending += user.pending != NO_ID
        self.kept += user.kept != NO_ID
        self.spent += spent
        self.attempts += user.charges
        self.guessed_last_hour += lately
        self.locked_out_last_hour += lately and spent


def pages(core: Core) -> Iterator[Page]:
    """All accounts. Raises StoreFailedError, DamagedError."""
    after = b""
    while (page := _page(core, after)).last:
        yield page
        after = page.last


def census(core: Core) -> Census:
    """Of all accounts, read one after the other. Raises StoreFailedError, DamagedError."""
    found = Census()
    for page in pages(core):
        found.add(page, core.policy)
    return found


def _page(core: Core, after: bytes) -> Page:
    return core.transact(lambda ledger: ledger.users(after))
