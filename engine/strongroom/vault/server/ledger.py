"""Rows as they mean something: authentic, in order, and never older than what was seen."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Final

from strongroom.errors import DamagedError
from strongroom.vault.messages import Event, LogEntry
from strongroom.vault.server.clock import Clock
from strongroom.vault.server.keys.keeper import TAG_LEN, Keeper, generation_of
from strongroom.vault.server.rows import Head, Record, State, User
from strongroom.vault.server.store import Transaction
from strongroom.vault.wire import NO_ID, SUITE, Code

VERSION: Final = 3
_HEAD: Final = bytes([VERSION, SUITE])
_USE: Final = b"row"
HEAD_ROW: Final = "vault"
_USERS = "user/"
_REF = re.compile(r"user/[0-9a-f]{64}", re.ASCII)
SCAN: Final = 256
TIME_STEP: Final = 10
"""Seconds. If each transaction stored its time, none could go on beside another."""


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
        self.forgotten: set[bytes] = set()
        """Ids of records that are gone: their own keys go after them."""
        self._changed = False
        self.head = self._read_head()
        self.met[HEAD_ROW] = self._check(HEAD_ROW, self.head.sequence)
        keeper.use(self.head.generation)
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

    def set_keys(self, *, generation: int, oldest: int, names: bytes) -> None:
        """Write everything with this generation from now on, and read none before the oldest."""
        self._keeper.use(generation)
        self._save_head(replace(self.head, generation=generation, oldest=oldest, names=names))

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
        if not before and generation_of(record.sealed_setup) != self.head.generation:
            raise RefusalError(Code.STALE)  # a rotation that has begun would not find it
        if record.state == State.DESTROYED:
            self.forgotten.add(record.record_id)
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
            self.forgotten.add(record_id)
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

    def same(self, record: Record) -> Record:
        """As it is now; what was given, if it is gone. Raises DamagedError."""
        body = self._open(_record(record.record_id))
        return record if body is None else Record.unpack(body)

    def holds(self, record_id: bytes) -> bool:
        """Whether there is such a record, though it were damaged, and it is not destroyed."""
        try:
            body = self._open(_record(record_id))
        except DamagedError:
            return True
        return body is not None and Record.unpack(body).state != State.DESTROYED

    def names(self, prefix: str, after: str) -> list[str]:
        """Of up to SCAN rows that are there, in order."""
        start = after + "\0" if after else prefix
        return [name for name, _ in self._rows.scan(prefix, start, SCAN)]

    def renew(self, name: str) -> None:
        """Write a row that means the same by the newest keys. Raises DamagedError."""
        row = self._rows.get(name)
        if row is not None and generation_of(row[-TAG_LEN:]) != self.head.generation:
            self._write(name, self._checked(name, row))

    def outdated(self, name: str) -> Record | None:
        """A record whose setup is sealed by older keys. Raises DamagedError."""
        body = self._open(name)
        found = None if body is None else Record.unpack(body)
        if found is None or found.state == State.DESTROYED:
            return None
        newest = generation_of(found.sealed_setup) == self.head.generation
        return None if newest else found

    def reseal(self, found: Record, sealed_setup: bytes) -> None:
        """Write what outdated found with its setup sealed anew, if nobody else wrote it since."""
        name = _record(found.record_id)
        if self._open(name) == found.pack():
            self._write(name, replace(found, sealed_setup=sealed_setup).pack())

    def _read_head(self) -> Head:
        row = self._rows.get(HEAD_ROW)
        if row is None:
            raise DamagedError(f"row {HEAD_ROW}: it is missing")
        # Not believed before it is authentic: it says only whether its keys could be missing.
        claimed = row[len(_HEAD) : -TAG_LEN]
        whole = len(claimed) == Head.LAYOUT.size and row.startswith(_HEAD)
        if whole and Head.unpack(claimed).generation != generation_of(row[-TAG_LEN:]):
            raise DamagedError(f"row {HEAD_ROW}: authentication failed")
        return Head.unpack(_body(self._keeper, HEAD_ROW, row))

    def _save_head(self, head: Head) -> None:
        self.head = replace(head, sequence=head.sequence + 1)
        self._write(HEAD_ROW, self.head.pack())
        self.met[HEAD_ROW] = self.head.sequence

    def _open(self, name: str) -> bytes | None:
        row = self._rows.get(name)
        return None if row is None else self._checked(name, row)

    def _checked(self, name: str, row: bytes) -> bytes:
        if not self.head.oldest <= generation_of(row[-TAG_LEN:]) <= self.head.generation:
            raise DamagedError(f"row {name}: it is by keys that are gone, or never were")
        return _body(self._keeper, name, row)

    def _write(self, name: str, body: bytes) -> None:
        self._changed = True
        self._rows.put(name, sealed_row(self._keeper, name, body, self.head.generation))

    def _check(self, name: str, sequence: int) -> int:
        if sequence < self._seen.get(name, 0):
            raise DamagedError(f"row {name}: it went back")
        return sequence


def sealed_row(keeper: Keeper, name: str, body: bytes, generation: int) -> bytes:
    """What is kept of a row."""
    body = _HEAD + body
    return body + keeper.tag(_USE, _named(name, body), generation)


def _body(keeper: Keeper, name: str, row: bytes) -> bytes:
    body, tag = row[:-TAG_LEN], row[-TAG_LEN:]
    if body[:2] != _HEAD:
        raise DamagedError(f"row {name}: it was written by another version")
    if not keeper.fits(_USE, _named(name, body), tag):
        raise DamagedError(f"row {name}: authentication failed")
    return body[2:]


def _named(name: str, body: bytes) -> bytes:
    return name.encode() + b"\0" + body


def _record(record_id: bytes) -> str:
    return f"record/{record_id.hex()}"


def _log(ref: bytes, seq: int) -> str:
    return f"log/{ref.hex()}/{seq:016x}"
