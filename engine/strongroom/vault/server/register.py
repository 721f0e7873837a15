"""Registration: a record is made beside the old one, which goes once the new one is proved."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace

from strongroom.vault.messages import (
    ConfirmBegin,
    ConfirmFinish,
    Confirming,
    Event,
    Opened,
    Pending,
    RegisterBegin,
    RegisterFinish,
    RegisterRequest,
)
from strongroom.vault.opaque import (
    check_ke1,
    credential_response,
    new_setup,
    password_file_of,
    registration_response,
    server_key_of,
)
from strongroom.vault.server.core import Core, context, verify
from strongroom.vault.server.counters import (
    check_clock,
    check_lock,
    known,
    owners,
    restores,
    settle,
)
from strongroom.vault.server.ledger import Ledger, RefusalError
from strongroom.vault.server.rows import SEALED_LEN, Record, State, User
from strongroom.vault.statements import statement_confirm, statement_register
from strongroom.vault.wire import ID_LEN, NO_ID, NO_KEY, SUITE, Code, Stretch, hash_of, identifier

_NO_FILE = bytes(192)


def begin(core: Core, ref: bytes, asked: RegisterBegin) -> Opened:
    """Make a pending record in place of another pending one. Raises RefusalError."""
    stretch = Stretch(asked.memory_kib, asked.passes, asked.lanes)
    if asked.suite != SUITE or not stretch.allowed:
        raise RefusalError(Code.MALFORMED)
    setup = new_setup()
    record = Record(
        state=State.PENDING,
        vault_id=core.keeper.vault_id,
        user=ref,
        record_id=secrets.token_bytes(ID_LEN),
        memory_kib=stretch.memory_kib,
        passes=stretch.passes,
        lanes=stretch.lanes,
        salt=secrets.token_bytes(32),
        sealed_setup=bytes(SEALED_LEN),
        server_key=server_key_of(setup),
        register_nonce=secrets.token_bytes(32),
    )
    core.head()  # whoever heard of no new keys yet would seal with the old ones
    sealed = core.keeper.seal(setup, context(record), record.record_id)

    def body(ledger: Ledger) -> None:
        check_lock(ledger)
        check_clock(ledger)
        user = ledger.user(ref)
        if user is None:
            most = core.policy.attempts
            user = User(ref=ref, sequence=0, most=most, left=most, lifetime=0, charges=0)
        user = settle(ledger, user, core.policy)
        ledger.drop_record(user.pending)
        # 0 until it is known that the proof is missing.
        wait = ledger.now + core.policy.request_delay if asked.delayed else 0
        ledger.save_record(
            replace(record, sealed_setup=sealed, created=ledger.now, confirm_from=wait)
        )
        ledger.save(replace(user, pending=record.record_id))

    core.transact(body)
    return _opened(record)


def request(core: Core, ref: bytes, asked: RegisterRequest) -> bytes:
    """OPAQUE's response, to one request of a pending record and to no other: each answer to
    another one would be a guess at the record that it becomes. Raises RefusalError,
    MalformedError."""
    digest = hashlib.sha256(asked.request).digest()

    def body(ledger: Ledger) -> Record:
        user = known(ledger, ref, core.policy)
        record = _pending(ledger, user, asked.record_id)
        if record.request_hash == digest:
            return record
        if record.request_hash != NO_KEY:
            raise RefusalError(Code.STALE)
        record = ledger.save_record(replace(record, request_hash=digest))
        ledger.save(user)
        return record

    _check_request(asked.request)
    record = core.transact(body)
    setup = core.setup_of(record)
    return registration_response(
        setup, identifier(record.vault_id, record.record_id), asked.request
    )


def finish(core: Core, ref: bytes, asked: RegisterFinish) -> Pending:
    """Keep what was registered. Raises RefusalError, MalformedError."""
    password_file = password_file_of(asked.upload)

    def body(ledger: Ledger) -> Pending:
        user = known(ledger, ref, core.policy)
        record = _pending(ledger, user, asked.record_id)
        if record.request_hash == NO_KEY:
            raise RefusalError(Code.STALE)
        statement = statement_register(_opened(record), asked)
        if asked.owner_pk == NO_KEY or not verify(asked.owner_pk, asked.proof, statement):
            raise RefusalError(Code.PROOF)
        filled = replace(
            record,
            password_file=password_file,
            wrapped=asked.wrapped,
            owner_pk=asked.owner_pk,
            reset_pk=asked.reset_pk,
            confirm_from=_wait(ledger, user, record, asked.owner_pk),
        )
        if record.password_file != _NO_FILE:
            if filled != record:
                raise RefusalError(Code.STALE)
            return Pending(max(0, record.confirm_from - ledger.now))
        ledger.save_record(filled)
        event = Event.REQUESTED if filled.confirm_from else Event.REGISTERED
        ledger.save(ledger.log(user, event, record.record_id))
        return Pending(max(0, filled.confirm_from - ledger.now))

    return core.transact(body)


def confirm_begin(core: Core, ref: bytes, asked: ConfirmBegin) -> Confirming:
    """Let who registered log in. Only they can: the reset key comes from the password, so that
    no stranger guesses here. Raises RefusalError, MalformedError."""
    check_ke1(asked.ke1)
    digest, nonce = hash_of(asked.ke1), secrets.token_bytes(32)

    def body(ledger: Ledger) -> Record:
        user = known(ledger, ref, core.policy)
        record = _pending(ledger, user, asked.record_id)
        statement = statement_confirm(record.vault_id, record.record_id, digest, b"")
        if record.password_file == _NO_FILE or not verify(
            record.reset_pk, asked.signature, statement
        ):
            raise RefusalError(Code.PROOF)
        if ledger.now < record.confirm_from:
            raise RefusalError(Code.PENDING, record.confirm_from - ledger.now)
        if record.confirms >= core.policy.confirms:
            raise RefusalError(Code.SPENT)
        changed = replace(
            record, confirms=record.confirms + 1, confirm_ke1=digest, confirm_nonce=nonce
        )
        ledger.save(user)
        return ledger.save_record(changed)

    record = core.transact(body)
    setup = core.setup_of(record)
    name = identifier(record.vault_id, record.record_id)
    ke2 = credential_response(setup, name, record.password_file, asked.ke1)
    return Confirming(ke2, record.confirm_nonce, record.wrapped)


def confirm_finish(core: Core, ref: bytes, asked: ConfirmFinish) -> bytes:
    """Make it the account's record, and shred the one before. Again gives the same. Raises
    RefusalError."""

    def body(ledger: Ledger) -> None:
        check_lock(ledger)
        check_clock(ledger)
        user = known(ledger, ref, core.policy)
        if asked.record_id not in (user.pending, user.active) or asked.record_id == NO_ID:
            raise RefusalError(Code.PENDING)
        record = ledger.record(user, asked.record_id)
        statement = statement_confirm(
            record.vault_id, record.record_id, record.confirm_ke1, record.confirm_nonce
        )
        if record.confirm_ke1 == NO_KEY or not verify(record.reset_pk, asked.signature, statement):
            raise RefusalError(Code.PROOF)
        if record.state == State.PENDING:
            _activate(ledger, user, record, core)

    core.transact(body)
    core.store.scrub()
    return b""


def _activate(ledger: Ledger, user: User, record: Record, core: Core) -> None:
    if restores(ledger, user, record.owner_pk):
        most = core.policy.attempts
        user = replace(user, most=most, left=most, lifetime=0, not_before=0)
    if record.delayed and user.active != NO_ID and user.kept == NO_ID:
        user = replace(user, kept=user.active, kept_until=ledger.now + core.policy.kept)
    else:
        ledger.drop_record(user.active)
        user = _without_kept(ledger, user, record.owner_pk)
    ledger.save_record(replace(record, state=State.ACTIVE))
    user = replace(
        user,
        active=record.record_id,
        pending=NO_ID,
        owner_pk=record.owner_pk,
        attempt_over=True,
    )
    ledger.save(ledger.log(user, Event.CONFIRMED, record.record_id))


def _without_kept(ledger: Ledger, user: User, owner_pk: bytes) -> User:
    """Let go of what was kept, if its owner is back."""
    if user.kept == NO_ID or ledger.record(user, user.kept).owner_pk != owner_pk:
        return user
    ledger.drop_record(user.kept)
    return replace(user, kept=NO_ID, kept_until=0)


def _wait(ledger: Ledger, user: User, record: Record, owner_pk: bytes) -> int:
    """When a registration by this owner may be confirmed; 0: at once. Raises RefusalError."""
    if user.owner_pk == NO_KEY or owner_pk in owners(ledger, user):
        return 0
    if record.confirm_from == 0 or user.left == 0:
        raise RefusalError(Code.PROOF)
    return record.confirm_from


def _pending(ledger: Ledger, user: User, record_id: bytes) -> Record:
    check_lock(ledger)
    check_clock(ledger)
    if record_id == NO_ID or user.pending != record_id:
        raise RefusalError(Code.PENDING)
    return ledger.record(user, record_id)


def _opened(record: Record) -> Opened:
    return Opened(
        vault_id=record.vault_id,
        user=record.user,
        record_id=record.record_id,
        salt=record.salt,
        server_key=record.server_key,
        nonce=record.register_nonce,
    )


def _check_request(asked: bytes) -> None:
    registration_response(new_setup(), "", asked)
