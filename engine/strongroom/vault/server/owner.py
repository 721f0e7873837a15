"""What an account may see of itself, and what its owner alone may order."""

from __future__ import annotations

from dataclasses import replace

from strongroom.vault.messages import Event, LogFrom, Nothing, Owned, OwnerOrder
from strongroom.vault.server.core import Core, verify
from strongroom.vault.server.counters import check_lock, known, owners, shred
from strongroom.vault.server.ledger import Ledger, RefusalError
from strongroom.vault.server.rows import User
from strongroom.vault.statements import statement_order
from strongroom.vault.wire import LOG_PAGE, NO_ID, Code


def owned(core: Core, ref: bytes, _asked: Nothing) -> Owned:
    """What the account holds. Raises RefusalError."""

    def body(ledger: Ledger) -> Owned:
        check_lock(ledger)
        user = known(ledger, ref, core.policy)
        return Owned(core.keeper.vault_id, ref, user.active, user.pending, user.kept, user.sequence)

    return core.transact(body)


def destroy(core: Core, ref: bytes, asked: OwnerOrder) -> bytes:
    """Shred a record, by its owner's proof. Raises RefusalError."""

    def body(ledger: Ledger) -> None:
        user = _ordered(ledger, core, ref, asked)
        if asked.record_id == NO_ID or asked.record_id not in (user.active, user.kept):
            raise RefusalError(Code.NO_RECORD)
        whose = owners(ledger, user)
        if asked.record_id == user.kept:  # its own owner alone decides
            whose = frozenset({ledger.record(user, user.kept).owner_pk})
        _check_order(core, user, asked, b"destroy", whose)
        shredded = shred(ledger, user, asked.record_id)
        if shredded != user:
            over = user.attempt_over or user.attempt_record == asked.record_id
            ledger.save(replace(shredded, attempt_over=over))

    core.transact(body)
    core.store.scrub()
    return b""


def revoke(core: Core, ref: bytes, asked: OwnerOrder) -> bytes:
    """Cancel a registration that is not confirmed, by the owner's proof. Raises RefusalError."""

    def body(ledger: Ledger) -> None:
        user = _ordered(ledger, core, ref, asked)
        if asked.record_id == NO_ID or asked.record_id != user.pending:
            raise RefusalError(Code.PENDING)
        _check_order(core, user, asked, b"revoke", owners(ledger, user))
        ledger.drop_record(user.pending)
        user = ledger.log(replace(user, pending=NO_ID), Event.REVOKED, asked.record_id)
        ledger.save(user)

    core.transact(body)
    core.store.scrub()
    return b""


def log(core: Core, ref: bytes, asked: LogFrom) -> bytes:
    """Up to LOG_PAGE entries of the account's own log. Raises RefusalError."""

    def body(ledger: Ledger) -> bytes:
        user = known(ledger, ref, core.policy)
        entries = ledger.entries(user, asked.seq, LOG_PAGE)
        return b"".join(entry.pack() for entry in entries)

    return core.transact(body)


def _ordered(ledger: Ledger, core: Core, ref: bytes, asked: OwnerOrder) -> User:
    check_lock(ledger)
    user = known(ledger, ref, core.policy)
    if asked.sequence != user.sequence:
        raise RefusalError(Code.STALE)
    return user


def _check_order(
    core: Core, user: User, asked: OwnerOrder, verb: bytes, whose: frozenset[bytes]
) -> None:
    statement = statement_order(verb, core.keeper.vault_id, user.ref, asked)
    if not any(verify(owner_pk, asked.signature, statement) for owner_pk in whose):
        raise RefusalError(Code.PROOF)
