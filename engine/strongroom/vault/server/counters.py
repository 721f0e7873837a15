"""What guesses and time do to an account, whatever is asked next."""

from __future__ import annotations

from dataclasses import replace

from strongroom.errors import DamagedError
from strongroom.vault.messages import Event
from strongroom.vault.server.ledger import Ledger, RefusalError
from strongroom.vault.server.policy import Policy
from strongroom.vault.server.rows import Record, State, User, shredded
from strongroom.vault.wire import NO_ID, NO_KEY, Code


def exhausted(user: User, policy: Policy) -> bool:
    """No attempt is left."""
    return user.left == 0 or user.lifetime >= policy.lifetime


def settle(ledger: Ledger, user: User, policy: Policy) -> User:
    """Do what became due: a guess nobody finished, a registration nobody confirmed, a record that
    was kept long enough. Writes only what changed; nothing while the vault is locked, or its clock
    not to be believed."""
    if ledger.locked or not ledger.sound:
        return user
    settled = user
    if not user.attempt_over and _attempt_ended(ledger, user, policy):
        settled = over(ledger, settled, policy)
    if user.kept != NO_ID and (ledger.now > user.kept_until or _damaged(ledger, user, user.kept)):
        ledger.drop_record(user.kept)
        settled = _without_kept(settled)
    if user.pending != NO_ID and _expired(ledger, user, policy):
        ledger.drop_record(user.pending)
        settled = replace(settled, pending=NO_ID)
    return user if settled == user else ledger.save(settled)


def over(ledger: Ledger, user: User, policy: Policy) -> User:
    """The latest attempt failed; the last one takes the record with it. Not yet saved."""
    user = ledger.log(replace(user, attempt_over=True), Event.FAILED, user.attempt_record)
    if not exhausted(user, policy):
        return user
    ledger.noted.append("locked_out")
    return destroy(ledger, user)


def destroy(ledger: Ledger, user: User) -> User:
    """Shred all that could still be guessed at. Not yet saved: whoever does calls store.scrub."""
    for record_id in {user.active, user.kept} - {NO_ID}:
        user = shred(ledger, user, record_id)
    return user


def shred(ledger: Ledger, user: User, record_id: bytes) -> User:
    """Leave nothing of a record to be guessed at; where its row is damaged, nothing at all, so that
    the owner can register anew. Not yet saved."""
    if _damaged(ledger, user, record_id):
        ledger.drop_record(record_id)
        user = replace(user, active=NO_ID) if record_id == user.active else _without_kept(user)
        return ledger.log(user, Event.DESTROYED, record_id)
    record = ledger.record(user, record_id)
    if record.state == State.DESTROYED:
        return user
    ledger.save_record(replace(record, **shredded(record)))  # type: ignore[arg-type]
    return ledger.log(user, Event.DESTROYED, record_id)


def restores(ledger: Ledger, user: User, owner_pk: bytes) -> bool:
    """Whether this owner's success or proof counts. While a record is kept that somebody replaced
    without proof, only its owner's does: who replaced it would have guesses at it without end."""
    if user.kept == NO_ID:
        return user.owner_pk in (owner_pk, NO_KEY)
    return ledger.record(user, user.kept).owner_pk == owner_pk


def owners(ledger: Ledger, user: User) -> frozenset[bytes]:
    """Whose proof counts: the owner's, and that of whose record was replaced without proof, as long
    as it is kept."""
    if user.kept == NO_ID:
        return frozenset({user.owner_pk})
    return frozenset({user.owner_pk, ledger.record(user, user.kept).owner_pk})


def known(ledger: Ledger, ref: bytes, policy: Policy) -> User:
    """The settled row of an account. Raises RefusalError where it never registered."""
    user = ledger.user(ref)
    if user is None:
        raise RefusalError(Code.NO_RECORD)
    return settle(ledger, user, policy)


def check_lock(ledger: Ledger) -> None:
    """Raise RefusalError while the operator has to look."""
    if ledger.locked:
        raise RefusalError(Code.LOCKED)


def check_clock(ledger: Ledger) -> None:
    """Raise RefusalError while the time is not to be believed."""
    if not ledger.sound:
        raise RefusalError(Code.CLOCK)


def _attempt_ended(ledger: Ledger, user: User, policy: Policy) -> bool:
    """Too late to finish it, or what it was a guess at goes now."""
    goes = user.attempt_record == user.kept != NO_ID and ledger.now > user.kept_until
    return goes or ledger.now > user.attempt_at + policy.attempt_window


def _damaged(ledger: Ledger, user: User, record_id: bytes) -> bool:
    try:
        ledger.record(user, record_id)
    except DamagedError:
        return True
    return False


def _without_kept(user: User) -> User:
    return replace(user, kept=NO_ID, kept_until=0)


def _expired(ledger: Ledger, user: User, policy: Policy) -> bool:
    try:
        record: Record = ledger.record(user, user.pending)
    except DamagedError:
        return True  # nothing depends on it yet
    if record.delayed:
        return ledger.now > record.confirm_from + policy.request_delay
    return ledger.now > record.created + policy.pending
