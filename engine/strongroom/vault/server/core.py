"""A vault's parts, and the ways to its rows."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from strongroom.errors import StrongroomError, UsageError
from strongroom.vault.server.clock import Clock
from strongroom.vault.server.keys.keeper import Keeper
from strongroom.vault.server.ledger import HEAD_ROW, Ledger, sealed_row
from strongroom.vault.server.policy import Policy
from strongroom.vault.server.rows import NAMES_LEN, Head, Record
from strongroom.vault.server.store import Store, Transaction, WentBackError
from strongroom.vault.server.witness import Witness
from strongroom.vault.wire import label

_T = TypeVar("_T")

_P: Final = 2**255 - 19
_Y8: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
"""Of order 8: 2y^2 = 1 - dy^4, where doubling gives y = 0 (RFC 8032, 5.1)."""
_SMALL_ORDER: Final = frozenset({0, 1, _P - 1, _Y8, _P - _Y8})
"""The y of all points whose order divides 8."""


class Core:
    """A vault's parts, and the ways to its rows. Thread-safe."""

    def __init__(
        self, store: Store, keeper: Keeper, *, policy: Policy, clock: Clock, witness: Witness
    ) -> None:
        """Raises WentBackError where the store is behind its witness; StoreFailedError,
        DamagedError."""
        self.store, self.keeper, self.policy = store, keeper, policy
        self.clock, self.witness = clock, witness
        self._seen: dict[str, int] = {}
        self._newest = 0
        self._tally: Counter[str] = Counter(charged=0, recovered=0, locked_out=0)
        self._forgotten: set[bytes] = set()
        self._lock = threading.Lock()
        self.check_revision()
        self._names = keeper.unseal(self.head().names, _names_context(keeper))

    def transact(self, body: Callable[[Ledger], _T], *, witnessed: bool = False) -> _T:
        """Run body on checked rows, as Store does. witnessed: of a store that is not older than its
        witness. Raises WentBackError, also where this process saw a newer one; StoreFailedError,
        DamagedError, and what body raises."""
        # In this order: whoever commits in between makes the store newer, not older.
        seen = max(self._newest, self.witness.seen() if witnessed else 0)
        last: list[Ledger] = []

        def run(rows: Transaction) -> _T:
            ledger = Ledger(rows, self.keeper, self._seen, self.clock)
            if rows.revision < seen:
                raise WentBackError(f"the store went back: revision {rows.revision}, seen {seen}")
            last[:] = [ledger]
            result = body(ledger)
            ledger.end()
            return result

        result, revision = self.store.transact(run)
        with self._lock:
            self._newest = max(self._newest, revision)
            self._tally.update(last[0].noted)
            for name, sequence in last[0].met.items():
                self._seen[name] = max(sequence, self._seen.get(name, 0))
            self._forgotten |= last[0].forgotten
        if last[0].forgotten:
            # What was asked for is done and durable: a key that cannot be reached now goes later.
            with suppress(StrongroomError):
                self.forget()
        return result

    def tally(self) -> dict[str, int]:
        """How often what happened by this process."""
        with self._lock:
            return dict(self._tally)

    def forget(self) -> None:
        """Destroy the own keys of records that are gone. Raises SourceError: then do it again."""
        with self._lock:
            due = set(self._forgotten)
        for record_id in due:
            self.keeper.forget(record_id)
            with self._lock:
                self._forgotten.discard(record_id)

    def head(self) -> Head:
        """The vault's own row. Raises StoreFailedError, DamagedError."""
        return self.transact(lambda ledger: ledger.head)

    def revision(self) -> int:
        """The store's. Raises StoreFailedError, DamagedError."""
        return self.transact(lambda ledger: ledger.revision)

    def check_revision(self) -> None:
        """Raise WentBackError where the store is older than its witness."""
        self.transact(lambda _ledger: None, witnessed=True)

    def tell_witness(self) -> None:
        """How new the store is, as far as this process knows. Raises StoreFailedError."""
        self.witness.tell(self._newest)

    def user_ref(self, account: str) -> bytes:
        """How an account is named in the store, 32 bytes."""
        return hmac.digest(self._names, label(b"account") + account.encode(), "sha256")

    def setup_of(self, record: Record) -> bytes:
        """A record's OPAQUE setup; also if since it was read a rotation sealed it anew, and ended.
        Raises SourceError, DamagedError, StoreFailedError."""
        try:
            return self.keeper.unseal(record.sealed_setup, context(record))
        except StrongroomError:
            newer = self.transact(lambda ledger: ledger.same(record))
            if newer.sealed_setup == record.sealed_setup:
                raise
            return self.keeper.unseal(newer.sealed_setup, context(newer))

    def sealed_names(self) -> bytes:
        """Head.names anew, by the newest keys."""
        return self.keeper.seal(self._names, _names_context(self.keeper))


def found(store: Store, keeper: Keeper) -> None:
    """Write the first row of a new vault, whose keys are of one generation. Raises UsageError where
    there is one."""
    (generation,) = keeper.generations()
    keeper.use(generation)
    names = keeper.seal(secrets.token_bytes(NAMES_LEN), _names_context(keeper))

    def body(rows: Transaction) -> None:
        _check_empty(rows)
        head = Head(
            sequence=1,
            time=0,
            origin=rows.origin,
            locked=False,
            generation=generation,
            oldest=generation,
            names=names,
        )
        rows.put(HEAD_ROW, sealed_row(keeper, HEAD_ROW, head.pack(), generation))

    store.transact(body)


def check_empty(store: Store) -> None:
    """Raise UsageError where it holds a vault."""
    store.transact(_check_empty)


def _check_empty(rows: Transaction) -> None:
    if rows.get(HEAD_ROW) is not None:
        raise UsageError("the store holds a vault already", hint="nothing of it was changed")


def verify(public_key: bytes, signature: bytes, statement: bytes) -> bool:
    """Whether it is an Ed25519 signature of statement (RFC 8032), by a key that somebody can have:
    signatures by a key of small order, as 32 zeros are, can be found without any secret."""
    if int.from_bytes(public_key, "little") % 2**255 % _P in _SMALL_ORDER:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, statement)
    except (InvalidSignature, ValueError):
        return False
    return True


def context(record: Record) -> bytes:
    """What a sealed setup is bound to."""
    return label(b"setup") + record.vault_id + record.user + record.record_id


def _names_context(keeper: Keeper) -> bytes:
    return label(b"names") + keeper.vault_id
