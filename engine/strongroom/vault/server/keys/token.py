"""Keys in a hardware module, behind PKCS #11 (OASIS, 2.40): made there, and never outside it.

A vault's keys have its label; those of single records have the record's id behind it. The id of a
key says what it is: use u8 || generation u32 || id 16 of the record, else zeros.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from struct import Struct
from typing import Any, Final, TypeVar

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass, TokenFlag

from strongroom.errors import DamagedError, SourceError, TargetError, UsageError
from strongroom.vault.server.hsm import Hsm
from strongroom.vault.wire import ID_LEN, NO_ID

_T = TypeVar("_T")

_NAME: Final = Struct(f">BI{ID_LEN}s")
_SEAL, _MAC = 1, 2
_NONCE_LEN: Final = 12
_TAG_LEN: Final = 16
_LIVE_BITS: Final = 64
_PROBE: Final = b"is it there"
_REMEMBERED: Final = 4096
_REST_S: Final = 1.0
"""A token that did not answer is not asked again so soon."""

# The module is one for the process: a call that ends it must not meet another that uses it.
_CALLS = threading.RLock()

_TEMPLATE: Final = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.MODIFIABLE: False,
    Attribute.COPYABLE: False,
    Attribute.DERIVE: False,
}
_KINDS: Final = {
    _SEAL: (KeyType.AES, MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT),
    _MAC: (KeyType.GENERIC_SECRET, MechanismFlag.SIGN),
}


class TokenKeys:
    """See Source. A session that was lost is opened again, by whoever needs it next."""

    hardware = True

    def __init__(self, hsm: Hsm) -> None:
        """Raises SourceError; UsageError where the PIN is refused."""
        self._hsm, self.vault_id = hsm, hsm.vault_id
        self._label = f"strongroom vault {hsm.vault}"
        self._pin: str | None = hsm.pin()
        self._session: Any = None
        self._keys: dict[bytes, Any] = {}
        self._rest_until = 0.0
        # The same bytes always have the same MAC: a row that was read again needs no token.
        self._mac = lru_cache(_REMEMBERED)(self._mac_in_token)
        self.generations()

    def describe(self) -> str:
        """See Source."""
        own = ", one for each record" if self._hsm.key_per_record else ""
        return f"keys in the token {self._hsm.token} of {self._hsm.module}{own}"

    def generations(self) -> frozenset[int]:
        """See Source."""

        def act() -> frozenset[int]:
            self._keys = {}
            found = {use: set[int]() for use in _KINDS}
            for key in self._found(self._label_of(NO_ID)):
                use, generation, _ = _NAME.unpack(key[Attribute.ID])
                found[use].add(generation)
            return frozenset(set.intersection(*found.values()))

        return self._do(act)

    def check(self, generation: int) -> None:
        """See Source."""
        self._do(lambda: self._sign(generation, _PROBE))

    def create(self, generation: int) -> None:
        """See Source."""
        for use in (_SEAL, _MAC):
            self._generate(use, generation, NO_ID)

    def destroy_before(self, generation: int) -> None:
        """See Source: with the own keys of records."""

        def act() -> None:
            for key, (_, of, _) in self._all():
                if of < generation:
                    key.destroy()
            self._keys = {}

        self._do(act)

    def mac(self, generation: int, data: bytes) -> bytes:
        """See Source."""
        return self._mac(generation, data)

    def seal(self, generation: int, record_id: bytes, secret: bytes, context: bytes) -> bytes:
        """See Source."""
        own = record_id if self._hsm.key_per_record else NO_ID
        if own != NO_ID:
            self._generate(_SEAL, generation, own)
        nonce = secrets.token_bytes(_NONCE_LEN)
        how = pkcs11.GCMParams(nonce, context, 8 * _TAG_LEN)

        def act() -> bytes:
            key = self._key(_SEAL, generation, own)
            return bytes(key.encrypt(secret, mechanism=Mechanism.AES_GCM, mechanism_param=how))

        return own + nonce + self._do(act)

    def unseal(self, generation: int, sealed: bytes, context: bytes) -> bytes:
        """See Source."""
        own, rest = sealed[:ID_LEN], sealed[ID_LEN:]
        how = pkcs11.GCMParams(rest[:_NONCE_LEN], context, 8 * _TAG_LEN)

        def act() -> bytes:
            try:
                key = self._key(_SEAL, generation, own)
                found = key.decrypt(
                    rest[_NONCE_LEN:], mechanism=Mechanism.AES_GCM, mechanism_param=how
                )
            except pkcs11.PKCS11Error:
                # Modules have many names for a wrong tag. If all else works, it is that.
                self._sign(generation, _PROBE)
                raise DamagedError("unsealing a record: authentication failed") from None
            return bytes(found)

        return self._do(act)

    def forget(self, record_id: bytes) -> None:
        """See Source."""

        def act() -> None:
            for key in self._found(self._label_of(record_id)):
                key.destroy()

        if record_id != NO_ID:
            self._do(act)

    def records(self) -> set[bytes]:
        """See Source."""
        return self._do(lambda: {own for _, (_, _, own) in self._all()} - {NO_ID})

    def _mac_in_token(self, generation: int, data: bytes) -> bytes:
        return self._do(lambda: self._sign(generation, data))

    def _sign(self, generation: int, data: bytes) -> bytes:
        key = self._key(_MAC, generation, NO_ID)
        return bytes(key.sign(data, mechanism=Mechanism.SHA256_HMAC))

    def _generate(self, use: int, generation: int, own: bytes) -> None:
        """A key, unless there is one. It must be one that nobody gets out of the token."""
        kind, capabilities = _KINDS[use]
        name = _NAME.pack(use, generation, own)

        def act() -> None:
            with suppress(pkcs11.NoSuchKey):
                self._key(use, generation, own)
                return
            made = self._session.generate_key(
                kind,
                256,
                id=name,
                label=self._label_of(own),
                store=True,
                capabilities=capabilities,
                template=_TEMPLATE,
            )
            if made[Attribute.EXTRACTABLE] or not made[Attribute.SENSITIVE]:
                made.destroy()
                raise TargetError("making the vault's keys: the token would give them away")

        self._do(act)

    def _key(self, use: int, generation: int, own: bytes) -> Any:
        name = _NAME.pack(use, generation, own)
        if name not in self._keys:
            found = self._search({Attribute.LABEL: self._label_of(own), Attribute.ID: name})
            if not found:
                raise pkcs11.NoSuchKey("no key of that name")
            if len(found) > 1:
                raise SourceError("the token has two keys of one name: two rotations ran at once")
            if own != NO_ID:
                return found[0]
            self._keys[name] = found[0]
        return self._keys[name]

    def _label_of(self, own: bytes) -> str:
        return self._label if own == NO_ID else f"{self._label} {own.hex()}"

    def _found(self, label: str) -> list[Any]:
        return self._search({Attribute.LABEL: label})

    def _search(self, wanted: dict[Attribute, Any]) -> list[Any]:
        # python-pkcs11 writes to standard error when a search cannot begin.
        self._session.generate_random(_LIVE_BITS)
        return list(self._session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY, **wanted}))

    def _all(self) -> Iterator[tuple[Any, tuple[int, int, bytes]]]:
        for key in self._search({}):
            if str(key[Attribute.LABEL]).startswith(self._label):
                yield key, _NAME.unpack(key[Attribute.ID])

    def _do(self, act: Callable[[], _T]) -> _T:
        """With the session that there is, else with a new one, else with the module begun anew.
        Raises SourceError, UsageError, and what act raises."""
        with _CALLS:
            if time.monotonic() < self._rest_until:
                raise SourceError(f"the token {self._hsm.token} did not answer a moment ago")
            last: Exception = pkcs11.SessionClosed()
            for renew in (self._go_on, self._log_in, self._begin_anew):
                try:
                    renew()
                    return act()
                except pkcs11.PKCS11Error as error:
                    last = error
            self._session = None
            self._rest_until = time.monotonic() + _REST_S
            raise SourceError(
                f"the token {self._hsm.token} of {self._hsm.module} does not answer:"
                f" {type(last).__name__} {last}".rstrip(),
                hint="see that it is connected, and that [hsm] names it",
            ) from None

    def _go_on(self) -> None:
        if self._session is None:
            raise pkcs11.SessionClosed

    def _begin_anew(self) -> None:
        module = pkcs11.lib(str(self._hsm.module))
        with suppress(pkcs11.PKCS11Error):
            module.finalize()
        self._log_in()

    def _log_in(self) -> None:
        """A PIN is tried once: a token that is asked again and again locks itself."""
        self._keys, self._session = {}, None
        if self._pin is None:
            raise self._refused()
        token = pkcs11.lib(str(self._hsm.module)).get_token(token_label=self._hsm.token)
        if token.flags & (TokenFlag.USER_PIN_FINAL_TRY | TokenFlag.USER_PIN_LOCKED):
            raise self._refused()
        try:
            self._session = token.open(rw=True, user_pin=self._pin)
        except pkcs11.UserAlreadyLoggedIn:
            self._session = token.open(rw=True)
        except (pkcs11.PinIncorrect, pkcs11.PinLocked, pkcs11.PinInvalid, pkcs11.PinLenRange):
            self._pin = None
            raise self._refused() from None

    def _refused(self) -> UsageError:
        return UsageError(
            f"the token {self._hsm.token} refuses the PIN, or has one try left, which is not made",
            hint="it is not tried again: set it right, then start the service anew",
        )
