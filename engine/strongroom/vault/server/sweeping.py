"""Doing what is due although nobody asks."""

from __future__ import annotations

from strongroom.errors import DamagedError
from strongroom.vault.server.census import Census, pages
from strongroom.vault.server.core import Core
from strongroom.vault.server.counters import check_clock, check_lock, settle
from strongroom.vault.server.ledger import Ledger
from strongroom.vault.server.policy import Policy
from strongroom.vault.server.rows import User
from strongroom.vault.wire import NO_ID


def sweep(core: Core) -> tuple[Census, list[str]]:
    """Settle all accounts, which are counted on the way: what is wrong with single ones stops no
    other, and is returned. Raises RefusalError while nothing may be settled, StoreFailedError."""
    core.transact(_check_due)
    found, wrong = Census(), []
    for page in pages(core):
        found.add(page, core.policy)
        wrong += page.wrong
        for user in page.users:
            if _may_be_due(user, page.now, core.policy):
                try:
                    _settle_one(core, user.ref)
                except DamagedError as error:
                    wrong.append(str(error))
    core.store.scrub()
    core.forget()
    return found, wrong


def _check_due(ledger: Ledger) -> None:
    check_lock(ledger)
    check_clock(ledger)


def _may_be_due(user: User, now: int, policy: Policy) -> bool:
    """As far as the user's row tells."""
    late = not user.attempt_over and now > user.attempt_at + policy.attempt_window
    old = user.kept != NO_ID and now > user.kept_until
    return late or old or user.pending != NO_ID


def _settle_one(core: Core, ref: bytes) -> None:
    def body(ledger: Ledger) -> None:
        user = ledger.user(ref)
        if user is not None:
            settle(ledger, user, core.policy)

    core.transact(body)
