"""Putting a root key behind a password: nothing old goes before the new is seen to work."""

from __future__ import annotations

from dataclasses import dataclass

from strongroom.errors import DamagedError
from strongroom.keys.password import Password
from strongroom.keys.rootkey import RootKey
from strongroom.vault.client.derive import (
    RecordName,
    opaque_password,
    owner_key,
    public_of,
    reset_key,
    stretch,
    unwrap_root,
    wrap_root,
)
from strongroom.vault.client.endpoint import Endpoint
from strongroom.vault.messages import (
    ConfirmBegin,
    ConfirmFinish,
    Confirming,
    Nothing,
    Opened,
    Owned,
    OwnerOrder,
    Pending,
    RegisterBegin,
    RegisterFinish,
    RegisterRequest,
    Response,
)
from strongroom.vault.opaque import Login, MalformedError, Registration, WrongPasswordError
from strongroom.vault.statements import (
    statement_confirm,
    statement_order,
    statement_register,
)
from strongroom.vault.wire import MEMORY_MIN_KIB, NO_ID, PASSES_MIN, SUITE, Stretch, hash_of

DEFAULT_COST = Stretch(MEMORY_MIN_KIB, PASSES_MIN, 4)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A record that the vault holds, pending, and that was seen to give the root key back."""

    endpoint: Endpoint
    name: RecordName
    owner_pk: bytes
    _finish: ConfirmFinish

    def confirm(self) -> None:
        """Let it replace the account's old record. Raises CodeError, UnreachableError."""
        self.endpoint.call("register/confirm-finish", self._finish, Nothing)


def enrol(endpoint: Endpoint, root: RootKey, password: Password, *, doing: str) -> Enrolment:
    """Register root behind password, and have it back once, before anything depends on it.

    Raises CodeError, UnreachableError, DamagedError, LimitError.
    """
    cost = DEFAULT_COST
    begin = RegisterBegin(SUITE, cost.memory_kib, cost.passes, cost.lanes, delayed=False)
    opened = endpoint.call("register/begin", begin, Opened)
    name = RecordName(opened.vault_id, opened.record_id, opened.server_key)
    stretched = stretch(password, name, account=endpoint.account, salt=opened.salt, cost=cost)
    secret = opaque_password(stretched, name)
    registration = Registration(secret)
    asked = RegisterRequest(name.record_id, registration.request)
    response = endpoint.call("register/request", asked, Response)
    try:
        upload, export_key, server_key = registration.finish(response.response)
    except MalformedError:
        raise DamagedError(f"{doing}: the vault's answer is none") from None
    if server_key != name.server_key:
        raise DamagedError(f"{doing}: the vault changed its key in between; nothing was registered")
    owner = owner_key(root, name.vault_id)
    unsigned = RegisterFinish(
        record_id=name.record_id,
        upload=upload,
        wrapped=wrap_root(export_key, name, root),
        owner_pk=public_of(owner),
        reset_pk=public_of(reset_key(export_key, name)),
        proof=bytes(64),
    )
    proof = owner.sign(statement_register(opened, unsigned))
    finish = RegisterFinish(
        name.record_id,
        unsigned.upload,
        unsigned.wrapped,
        unsigned.owner_pk,
        unsigned.reset_pk,
        proof,
    )
    endpoint.call("register/finish", finish, Pending)
    confirmation = _prove(endpoint, name, secret, export_key, root, doing=doing)
    return Enrolment(endpoint, name, public_of(owner), confirmation)


def active_record(endpoint: Endpoint) -> bytes:
    """The id of the record that the vault answers for. Raises CodeError, UnreachableError."""
    return state_of(endpoint).active


def state_of(endpoint: Endpoint) -> Owned:
    """What the account holds. Raises CodeError, UnreachableError."""
    return endpoint.call("owner/state", Nothing(), Owned)


def destroy(endpoint: Endpoint, root: RootKey, records: set[bytes]) -> None:
    """Have the vault destroy what it holds of these records. Raises CodeError, UnreachableError."""
    while True:
        state = state_of(endpoint)
        found = [record for record in (state.active, state.kept) if record in records]
        if not found:
            return
        order = OwnerOrder(found[0], state.sequence, bytes(64))
        signed = _signed(order, b"destroy", state, root)
        endpoint.call("owner/destroy", signed, Nothing, again=False)
        records = records - {found[0]}


def revoke_pending(endpoint: Endpoint, root: RootKey) -> bool:
    """Have the vault drop a registration that is not confirmed; whether there was one. Raises
    CodeError, UnreachableError."""
    state = state_of(endpoint)
    if state.pending == NO_ID:
        return False
    order = OwnerOrder(state.pending, state.sequence, bytes(64))
    endpoint.call("owner/revoke", _signed(order, b"revoke", state, root), Nothing, again=False)
    return True


def _signed(order: OwnerOrder, verb: bytes, state: Owned, root: RootKey) -> OwnerOrder:
    owner = owner_key(root, state.vault_id)
    signature = owner.sign(statement_order(verb, state.vault_id, state.user, order))
    return OwnerOrder(order.record_id, order.sequence, signature)


def _prove(
    endpoint: Endpoint,
    name: RecordName,
    secret: str,
    export_key: bytes,
    root: RootKey,
    *,
    doing: str,
) -> ConfirmFinish:
    """Log in, unwrap, compare. Raises DamagedError."""
    login = Login(secret)
    reset = reset_key(export_key, name)
    hashed = hash_of(login.ke1)
    first = statement_confirm(name.vault_id, name.record_id, hashed, b"")
    asked = ConfirmBegin(name.record_id, login.ke1, reset.sign(first))
    answer = endpoint.call("register/confirm-begin", asked, Confirming)
    try:
        again = login.finish(answer.ke2)
    except (WrongPasswordError, MalformedError):
        raise DamagedError(f"{doing}: the vault does not let in what it registered") from None
    if unwrap_root(again, name, answer.wrapped) != root:
        raise DamagedError(f"{doing}: the vault returned another root key than it was given")
    second = statement_confirm(name.vault_id, name.record_id, hashed, answer.nonce)
    return ConfirmFinish(name.record_id, reset.sign(second))
