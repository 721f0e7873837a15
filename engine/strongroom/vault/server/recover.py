"""Recovery: a guess is charged, durably, before it is answered."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import replace

from strongroom.vault.messages import (
    Answered,
    Event,
    Offer,
    RecoverAttempt,
    RecoverBegin,
    RecoverFinish,
    Released,
)
from strongroom.vault.opaque import check_ke1, credential_response
from strongroom.vault.server.core import Core, verify
from strongroom.vault.server.counters import (
    check_clock,
    check_lock,
    exhausted,
    known,
    over,
    restores,
)
from strongroom.vault.server.ledger import Ledger, RefusalError
from strongroom.vault.server.rows import Record, State, User
from strongroom.vault.statements import statement_recover
from strongroom.vault.wire import ID_LEN, NO_ID, Code, hash_of, identifier

_GIVEN_UP = bytes(64)


def begin(core: Core, ref: bytes, asked: RecoverBegin) -> Offer:
    """Say what a guess needs and costs. Raises RefusalError."""

    def body(ledger: Ledger) -> Offer | RefusalError:
        check_lock(ledger)
        user = known(ledger, ref, core.policy)
        try:
            record = _guessable(ledger, user, asked.record_id, core)
        except RefusalError as refusal:
            return refusal  # not raised: what was settled stays
        return _offer(core, ledger, user, record)

    found = core.transact(body, witnessed=True)
    if isinstance(found, RefusalError):
        core.store.scrub()
        raise found
    return found


def attempt(core: Core, ref: bytes, asked: RecoverAttempt) -> Answered:
    """Charge a guess, then answer it. The latest one is answered again without a charge. Raises
    RefusalError, MalformedError, StoreFailedError."""
    check_ke1(asked.ke1)

    def body(ledger: Ledger) -> tuple[User, Record] | RefusalError:
        check_lock(ledger)
        check_clock(ledger)
        user = known(ledger, ref, core.policy)
        charges, attempt_id = _read_token(core, user, asked)
        if attempt_id == user.attempt or hash_of(asked.ke1) == user.attempt_ke1:
            _check_same(user, asked)
        else:
            if charges != user.charges:
                raise RefusalError(Code.STALE)
            try:
                record = _guessable(ledger, user, asked.record_id, core)
            except RefusalError as refusal:
                return refusal
            user = _charge(core, ledger, user, asked, attempt_id)
        record = ledger.record(user, asked.record_id)
        if record.state == State.DESTROYED:
            raise RefusalError(Code.DESTROYED)
        return user, record

    charged = core.transact(body, witnessed=True)
    if isinstance(charged, RefusalError):
        raise charged
    user, record = charged
    core.tell_witness()
    # Only now: whoever has KE2 knows whether the guess was right.
    setup = core.setup_of(record)
    name = identifier(record.vault_id, record.record_id)
    ke2 = credential_response(setup, name, record.password_file, asked.ke1)
    return Answered(ke2, user.attempt, user.attempt_nonce)


def finish(core: Core, ref: bytes, asked: RecoverFinish) -> Released | bytes:
    """Release the wrapped root key to who shows that the guess was right. Again gives the same, as
    long as no other guess was made. Raises RefusalError."""
    given_up = asked.signature == _GIVEN_UP

    def body(ledger: Ledger) -> Released | bytes:
        check_lock(ledger)
        user = known(ledger, ref, core.policy)
        same = (user.attempt, user.attempt_record) == (asked.attempt, asked.record_id)
        again = user.attempt_right and not given_up and _in_time(core, ledger, user)
        if not same or (user.attempt_over and not again):
            raise RefusalError(Code.STALE)
        if given_up:
            ledger.save(over(ledger, user, core.policy))
            return b""
        record = ledger.record(user, asked.record_id)
        if record.state == State.DESTROYED:
            raise RefusalError(Code.DESTROYED)
        statement = statement_recover(
            record.vault_id, record.record_id, user.attempt, user.attempt_ke1, user.attempt_nonce
        )
        if not verify(record.reset_pk, asked.signature, statement):
            raise RefusalError(Code.PROOF)
        return _released(user, record) if again else _release(ledger, user, record)

    done = core.transact(body)
    if given_up:
        core.store.scrub()
    return done


def _guessable(ledger: Ledger, user: User, wanted: bytes, core: Core) -> Record:
    """The record that is asked for, if there is an attempt left for it. Raises RefusalError."""
    record_id = user.active if wanted == NO_ID else wanted
    if record_id == NO_ID or record_id not in (user.active, user.kept):
        raise RefusalError(Code.NO_RECORD)
    record = ledger.record(user, record_id)
    if record.state == State.DESTROYED:
        raise RefusalError(Code.DESTROYED)
    if exhausted(user, core.policy):
        end = user.attempt_at + core.policy.attempt_window - ledger.now
        raise RefusalError(Code.SPENT, end)
    return record


def _charge(
    core: Core, ledger: Ledger, user: User, asked: RecoverAttempt, attempt_id: bytes
) -> User:
    if ledger.now < user.not_before:
        raise RefusalError(Code.WAIT, user.not_before - ledger.now)
    left = user.left - 1
    user = replace(
        user,
        left=left,
        lifetime=user.lifetime + 1,
        charges=user.charges + 1,
        not_before=ledger.now + core.policy.delay_before(user.most - left + 1),
        attempt=attempt_id,
        attempt_record=asked.record_id,
        attempt_ke1=hash_of(asked.ke1),
        attempt_nonce=secrets.token_bytes(32),
        attempt_at=ledger.now,
        attempt_over=False,
        attempt_right=False,
    )
    return ledger.save(ledger.log(user, Event.CHARGED, asked.record_id))


def _check_same(user: User, asked: RecoverAttempt) -> None:
    """Raise RefusalError unless it is the latest attempt once more."""
    same = (user.attempt_ke1, user.attempt_record) == (hash_of(asked.ke1), asked.record_id)
    if not same or user.attempt_over:
        raise RefusalError(Code.STALE)


def _release(ledger: Ledger, user: User, record: Record) -> Released:
    if restores(ledger, user, record.owner_pk):
        user = replace(user, left=user.most, not_before=0)
    else:
        user = replace(user, left=user.left + 1)  # this one was right
    user = replace(user, lifetime=user.lifetime - 1, attempt_over=True, attempt_right=True)
    user = ledger.save(ledger.log(user, Event.RECOVERED, record.record_id))
    ledger.save_record(replace(record, recovered=ledger.now))
    return _released(user, record)


def _released(user: User, record: Record) -> Released:
    return Released(record.wrapped, user.log_seq, user.log_head)


def _in_time(core: Core, ledger: Ledger, user: User) -> bool:
    """And what it was a guess at is still there."""
    there = user.attempt_record in (user.active, user.kept)
    return there and ledger.now <= user.attempt_at + core.policy.attempt_window


def _offer(core: Core, ledger: Ledger, user: User, record: Record) -> Offer:
    following = min(user.most - user.left + 2, user.most)
    return Offer(
        vault_id=record.vault_id,
        user=user.ref,
        record_id=record.record_id,
        server_key=record.server_key,
        salt=record.salt,
        memory_kib=record.memory_kib,
        passes=record.passes,
        lanes=record.lanes,
        token=_token(core, user, record.record_id, secrets.token_bytes(ID_LEN)),
        left=user.left,
        most=user.most,
        lifetime_left=core.policy.lifetime - user.lifetime,
        wait=max(0, user.not_before - ledger.now),
        delay=core.policy.delay_before(following),
        log_seq=user.log_seq,
        log_head=user.log_head,
    )


def _token(core: Core, user: User, record_id: bytes, attempt_id: bytes) -> bytes:
    return _token_for(core, user.ref, record_id, user.charges.to_bytes(8, "big") + attempt_id)


def _token_for(core: Core, ref: bytes, record_id: bytes, head: bytes) -> bytes:
    return head + core.keeper.mac(b"attempt", ref + record_id + head)[:16]


def _read_token(core: Core, user: User, asked: RecoverAttempt) -> tuple[int, bytes]:
    """(charges when it was made, the attempt's id). Raises RefusalError."""
    head = asked.token[: 8 + ID_LEN]
    made = _token_for(core, user.ref, asked.record_id, head)
    if not hmac.compare_digest(made, asked.token):
        raise RefusalError(Code.STALE)
    return int.from_bytes(head[:8], "big"), head[8:]
