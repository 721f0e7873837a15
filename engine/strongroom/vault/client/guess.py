"""Getting a root key back: an offer is checked before a password is risked on it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from strongroom.errors import DamagedError, StrongroomError, WrongKeyError
from strongroom.keys.password import Password
from strongroom.keys.rootkey import RootKey
from strongroom.keys.vault_slot import VaultPlace
from strongroom.vault.client.derive import (
    RecordName,
    opaque_password,
    reset_key,
    stretch,
    unwrap_root,
    wrong_tag,
)
from strongroom.vault.client.endpoint import CodeError, Endpoint
from strongroom.vault.client.pins import Pins
from strongroom.vault.client.words import after_guess
from strongroom.vault.messages import (
    Answered,
    Offer,
    RecoverAttempt,
    RecoverBegin,
    RecoverFinish,
    Released,
)
from strongroom.vault.opaque import Login, MalformedError, WrongPasswordError
from strongroom.vault.statements import statement_recover
from strongroom.vault.wire import NO_ID, Code, Stretch, hash_of

_GIVEN_UP = bytes(64)


@dataclass(frozen=True, slots=True)
class Guessing:
    """An attempt that is offered and not yet made."""

    endpoint: Endpoint
    offer: Offer
    pins: Pins

    @property
    def name(self) -> RecordName:
        """The record that is offered, which is one that the slot names."""
        return RecordName(self.offer.vault_id, self.offer.record_id, self.offer.server_key)

    def guess(self, password: Password, *, remember: bool, doing: str) -> tuple[RootKey, Pins]:
        """The root key, and what is to be remembered. remember: that a guess was wrong.

        Raises WrongKeyError, without a guess where it is known to be wrong; CodeError,
        UnreachableError, UnsupportedError, LimitError; DamagedError for what is no answer.
        """
        cost = Stretch(self.offer.memory_kib, self.offer.passes, self.offer.lanes)
        stretched = stretch(
            password,
            self.name,
            account=self.endpoint.account,
            salt=self.offer.salt,
            cost=cost,
        )
        tag = wrong_tag(stretched, self.name)
        if remember and self.pins.knows_wrong(tag):
            raise WrongKeyError(
                f"{doing}: this password was wrong before; the vault was not asked",
                hint="no attempt was spent; to ask all the same pass --no-remember; what is "
                f"remembered lies in {self.pins.path}",
            )
        login = Login(opaque_password(stretched, self.name))
        message = RecoverAttempt(self.offer.record_id, self.offer.token, login.ke1)
        answered = self.endpoint.call("recover/attempt", message, Answered)
        try:
            export_key = login.finish(answered.ke2)
        except MalformedError:
            # Nothing is known of the password, so nothing is remembered; the charge stands.
            raise DamagedError(
                f"{doing}: what the vault answered is no answer to a guess",
                hint="it, or something on the way, altered it; the guess counts all the same",
            ) from None
        except WrongPasswordError:
            self._was_wrong(tag, answered, remember=remember)
            raise WrongKeyError(
                f"{doing}: wrong password, {after_guess(self.offer)}",
                hint="or the vault's answer was altered; the 64 digits open it: --key-file",
            ) from None
        released = self._release(export_key, login.ke1, answered)
        root = unwrap_root(export_key, self.name, released.wrapped)
        return root, self.pins.after_success(released.log_seq, released.log_head)

    def _release(self, export_key: bytes, ke1: bytes, answered: Answered) -> Released:
        statement = statement_recover(
            self.offer.vault_id,
            self.offer.record_id,
            answered.attempt,
            hash_of(ke1),
            answered.nonce,
        )
        signature = reset_key(export_key, self.name).sign(statement)
        message = RecoverFinish(self.offer.record_id, answered.attempt, signature)
        return self.endpoint.call("recover/finish", message, Released)

    def _was_wrong(self, tag: bytes, answered: Answered, *, remember: bool) -> None:
        if remember:
            self.pins.with_wrong(tag).write()
        message = RecoverFinish(self.offer.record_id, answered.attempt, _GIVEN_UP)
        with suppress(StrongroomError):  # the charge stands whether this arrives or not
            self.endpoint.call_raw("recover/finish", message, again=False)


def begin_guess(endpoint: Endpoint, place: VaultPlace, pins: Pins, *, doing: str) -> Guessing:
    """Ask for an offer of a record that the slot names. Raises CodeError, UnreachableError;
    DamagedError where the vault offers something else, or forgot what this machine saw."""
    try:
        offer = _offer(endpoint, NO_ID)
    except CodeError as error:
        if error.code != Code.DESTROYED:
            raise
        offer = _named_offer(endpoint, place, doing=doing)  # what replaced it may be destroyed
    if (offer.record_id, offer.server_key) not in place.records:
        offer = _named_offer(endpoint, place, doing=doing)
    if offer.vault_id != place.vault_id:
        raise DamagedError(f"{doing}: this is another vault than the one that was registered with")
    pins.check_log(offer.log_seq, offer.log_head, doing=doing)
    return Guessing(endpoint, offer, pins)


def _named_offer(endpoint: Endpoint, place: VaultPlace, *, doing: str) -> Offer:
    for record_id, server_key in place.records:
        try:
            offer = _offer(endpoint, record_id)
        except CodeError as error:
            if error.code != Code.NO_RECORD:
                raise
            continue
        if (offer.record_id, offer.server_key) == (record_id, server_key):
            return offer
    raise DamagedError(
        f"{doing}: the vault offers another record than the one that was registered",
        hint="no password was sent; use --key-file, and ask the vault's operator",
    )


def _offer(endpoint: Endpoint, record_id: bytes) -> Offer:
    return endpoint.call("recover/begin", RecoverBegin(record_id), Offer)
