"""Rows as they mean something: authentic, in order, and never older than what was seen."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from strongroom.errors import DamagedError, UsageError
from strongroom.vault.messages import Event, LogEntry
from strongroom.vault.server.clock import Clock
from strongroom.vault.server.keeper import Keeper
from strongroom.vault.server.policy import Policy
from strongroom.vault.server.rows import Head, Record, User
from strongroom.vault.server.store import Store, Transaction, WentBackError
from strongroom.vault.server.witness import Witness
from strongroom.vault.wire import NO_ID, SUITE, Code, label

_T = TypeVar("_T")

VERSION: Final = 2
_HEAD: Final = bytes([VERSION, SUITE])
_MAC_LEN = 32
HEAD_ROW: Final = "vault"
_USERS = "user/"
_REF = re.compile(r"user/[0-9a-f]{64}", re.ASCII)
SCAN: Final = 256
TIME_STEP: Final = 10
"""Seconds. If each transaction stored its time, none could go on beside another."""


_P: Final = 2**255 - 19
_Y8: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
"""Of order 8: 2y^2 = 1 - dy^4, where doubling gives y = 0 (RFC 8032, 5.1)."""
_SMALL_ORDER: Final = frozenset({0, 1, _P - 1, _Y8, _P - _Y8})
"""The y of all points whose order divides 8."""


class RefusalError(Exception):
    """The vault does not do it."""

    def __init__(self, code: Code, seconds: int = 0) -> None:
        super().__init__(code.name)
        self.code, self.seconds = code, min(max(seconds, 0), 2**32 - 1)


@dataclass(frozen=True, slots=True)
class Page:
    """Some accounts, in order."""

    users: list[User]
    wrong: list[str]
    """What is wrong with those that are damaged."""
    last: bytes
    """How the last one is named; empty after all."""
    now: int


class Ledger:
    """The rows of a transaction, checked. now: seconds since 1970, never less than was stored; what
    was stored last while the clock is not to be believed."""

    def __init__(self, rows: Transaction, keeper: Keeper, seen: dict[str, int], clock: Clock):
        """Raises DamagedError."""
        self._rows, self._keeper, self._seen = rows, keeper, seen
        self.met: dict[str, int] = {}
        """Sequence numbers of the rows that were read or written."""
        self.noted: list[str] = []
        """What happened, to be counted."""
        self._changed = False
        stored = self._open(HEAD_ROW)
        if stored is None:
            raise DamagedError(f"row {HEAD_ROW}: it is missing")
        self.head = Head.unpack(stored)
        self.met[HEAD_ROW] = self._check(HEAD_ROW, self.head.sequence)
        self.sound = clock.sound(self.head.time)
        self.now = max(self.head.time, clock.now()) if self.sound else self.head.time

    @property
    def locked(self) -> bool:
        """Whether the operator has to look first: it was said, or the store is another one."""
        return self.head.locked or self.head.origin != self._rows.origin

    @property
    def revision(self) -> int:
        """The store's, when this began."""
        return self._rows.revision

    def set_locked(self, *, locked: bool) -> None:
        """Say whether the operator has to look first."""
        if self.locked != locked:
            origin = self.head.origin if locked else self._rows.origin
            self._save_head(replace(self.head, locked=locked, origin=origin))

    def set_time(self, now: int) -> None:
        """Believe this from now on, though it was later before."""
        self.now = now
        self._save_head(replace(self.head, time=now))

    def end(self) -> None:
        """Keep the time with what was changed. After it nothing may be."""
        if self._changed and self.now >= self.head.time + TIME_STEP:
            self._save_head(replace(self.head, time=self.now))

    def user(self, ref: bytes) -> User | None:
        """The row of an account. Raises DamagedError."""
        name = _USERS + ref.hex()
        body = self._open(name)
        user = None if body is None else self._user(name, body)
        self.met[name] = self._check(name, 0 if user is None else user.sequence)
        return user

    def _user(self, name: str, body: bytes) -> User:
        user = User.unpack(body)
        self._check(name, user.sequence)
        if user.ref.hex() != name.removeprefix(_USERS):
            raise DamagedError(f"row {name}: it is another's")
        return user

    def record(self, user: User, record_id: bytes) -> Record:
        """A record of that user. Raises DamagedError."""
        name = _record(record_id)
        body = self._open(name)
        if body is None:
            raise DamagedError(f"row {name}: it is missing")
        record = Record.unpack(body)
        self.met[name] = self._check(name, record.sequence)
        if (record.user, record.record_id, record.vault_id) != (
            user.ref,
            record_id,
            self._keeper.vault_id,
        ):
            raise DamagedError(f"row {name}: it is another's")
        return record

    def save(self, user: User) -> User:
        """Write the row; what is returned has the new sequence number."""
        user = replace(user, sequence=user.sequence + 1)
        name = _USERS + user.ref.hex()
        self._write(name, user.pack())
        self.met[name] = user.sequence
        return user

    def save_record(self, record: Record) -> Record:
        """Write the row, linked to the one it replaces."""
        name = _record(record.record_id)
        before = self._open(name) or b""
        record = replace(
            record,
            sequence=record.sequence + 1,
            previous=hashlib.sha256(before).digest(),
            changed=self.now,
        )
        self._write(name, record.pack())
        self.met[name] = record.sequence
        return record

    def drop_record(self, record_id: bytes) -> None:
        """Delete a row that no user's row names any more."""
        if record_id != NO_ID:
            self._changed = True
            self._rows.delete(_record(record_id))

    def log(self, user: User, event: Event, record_id: bytes) -> User:
        """Add an entry to the account's chain; the user's row is still to be saved."""
        seq = user.log_seq + 1
        entry = LogEntry(seq, self.now, event, user.left, user.lifetime, record_id, user.log_head)
        self._write(_log(user.ref, seq), entry.pack())
        self.noted.append(event.name.lower())
        return replace(user, log_seq=seq, log_head=entry.hash)

    def entries(self, user: User, start: int, limit: int) -> list[LogEntry]:
        """Entries of an account's chain, from number start on."""
        prefix = f"log/{user.ref.hex()}/"
        found = self._rows.scan(prefix, _log(user.ref, start), limit)
        return [LogEntry.unpack(self._checked(name, row)) for name, row in found]

    def users(self, after: bytes) -> Page:
        """Up to SCAN accounts that follow one, to be looked at."""
        start = _USERS + after.hex() + "\0" if after else _USERS
        users, wrong, last = [], [], b""
        for name, row in self._rows.scan(_USERS, start, SCAN):
            if _REF.fullmatch(name):
                last = bytes.fromhex(name.removeprefix(_USERS))
                try:
                    users.append(self._user(name, self._checked(name, row)))
                except DamagedError as error:
                    wrong.append(str(error))
        return Page(users, wrong, last, self.now)

    def _save_head(self, head: Head) -> None:
        self.head = replace(head, sequence=head.sequence + 1)
        self._write(HEAD_ROW, self.head.pack())
        self.met[HEAD_ROW] = self.head.sequence

    def _open(self, name: str) -> bytes | None:
        row = self._rows.get(name)
        return None if row is None else self._checked(name, row)

    def _checked(self, name: str, row: bytes) -> bytes:
        body, mac = row[:-_MAC_LEN], row[-_MAC_LEN:]
        if not hmac.compare_digest(self._mac(name, body), mac):
            raise DamagedError(f"row {name}: authentication failed")
        if body[:2] != _HEAD:
            raise DamagedError(f"row {name}: it was written by another version")
        return body[2:]

    def _write(self, name: str, body: bytes) -> None:
        body = _HEAD + body
        self._changed = True
        self._rows.put(name, body + self._mac(name, body))

    def _mac(self, name: str, body: bytes) -> bytes:
        return _mac(self._keeper, name, body)

    def _check(self, name: str, sequence: int) -> int:
        if sequence < self._seen.get(name, 0):
            raise DamagedError(f"row {name}: it went back")
        return sequence


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
        self._lock = threading.Lock()
        self.check_revision()

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
        return result

    def tally(self) -> dict[str, int]:
        """How often what happened by this process."""
        with self._lock:
            return dict(self._tally)

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
        return self.keeper.mac(b"account", account.encode())


def found(store: Store, keeper: Keeper) -> None:
    """Write the first row of a new vault. Raises UsageError where there is one."""

    def body(rows: Transaction) -> None:
        _check_empty(rows)
        row = _HEAD + Head(sequence=1, time=0, origin=rows.origin, locked=False).pack()
        rows.put(HEAD_ROW, row + _mac(keeper, HEAD_ROW, row))

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


def _mac(keeper: Keeper, name: str, body: bytes) -> bytes:
    return keeper.mac(b"row", name.encode() + b"\0" + body)


def _record(record_id: bytes) -> str:
    return f"record/{record_id.hex()}"


def _log(ref: bytes, seq: int) -> str:
    return f"log/{ref.hex()}/{seq:016x}"
