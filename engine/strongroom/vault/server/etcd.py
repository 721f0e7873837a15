"""The store of several machines: etcd, where a majority decides each change.

A body reads at one revision; what it changed is one transaction that compares every row and range
it read. The value of a row is the id of the transaction that wrote it, then the row: by it an
outcome that was lost is found out.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from strongroom.vault.server.access import Access
from strongroom.vault.server.gateway import (
    CompactedError,
    DeniedError,
    Gateway,
    NotDoneError,
    UnknownOutcomeError,
    to_bytes,
    to_text,
)
from strongroom.vault.server.store import (
    PAGE,
    Health,
    StoreFailedError,
    T,
    Tell,
    Transaction,
    unheard,
)

_PATIENCE_S: Final = 6.0
_BACK_OFF_S: Final = (0.002, 0.25)
_ID_LEN: Final = 16
_SCRUBBED: Final = "\0scrubbed"
_SLOW: Final = 600.0
"""Seconds."""
_NO_SPACE: Final = "NOSPACE"
_FIRST: Final = " "
_AFTER: Final = "\x7f"
"""Names are between these, but for _SCRUBBED."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A row as etcd has it; all 0 where there is none."""

    row: bytes | None = None
    writer: bytes = b""
    modified: int = 0
    version: int = 0


@contextmanager
def _understood() -> Iterator[None]:
    """What cannot be read as etcd's answer leaves the outcome open."""
    try:
        yield
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        raise UnknownOutcomeError("etcd: what answers is no etcd") from None


class _Rows:
    """A Transaction."""

    def __init__(self, store: EtcdStore, deadline: float) -> None:
        self._store, self._deadline = store, deadline
        self._revision = self._origin = 0
        self.met: dict[str, _Kept] = {}
        self.ranges: list[tuple[str, str]] = []
        self.changes: dict[str, bytes | None] = {}

    @property
    def revision(self) -> int:
        if not self._revision:
            self._read("")
        return self._revision

    @property
    def origin(self) -> int:
        if not self._revision:
            self._read("")
        return self._origin

    def get(self, name: str) -> bytes | None:
        if name in self.changes:
            return self.changes[name]
        if name not in self.met:
            self.met[name] = dict(self._read(name)).get(name, _Kept())
        return self.met[name].row

    def put(self, name: str, row: bytes) -> None:
        self.changes[name] = row

    def delete(self, name: str) -> None:
        self.changes[name] = None

    def scan(self, prefix: str, start: str, limit: int) -> Iterator[tuple[str, bytes]]:
        start, end = max(prefix, start), prefix + _AFTER
        # Its own changes may hide that many.
        asked = limit + len(self.changes)
        found = self._read(start, end, asked)
        self.met.update(found)
        if len(found) == asked:
            end = found[-1][0] + "\0"
        self.ranges.append((start, end))
        rows = {name: kept.row for name, kept in found} | {
            name: row for name, row in self.changes.items() if start <= name < end
        }
        whole = [(name, row) for name, row in sorted(rows.items()) if row is not None]
        yield from whole[:limit]

    def _read(self, start: str, end: str | None = None, limit: int = 1) -> list[tuple[str, _Kept]]:
        """The first one says at which revision all are."""
        found, revision, origin = self._store.read(
            start, end, limit=limit, revision=self._revision, deadline=self._deadline
        )
        if not self._revision:
            self._revision, self._origin = revision, origin
        return found


class EtcdStore:
    """See Store. Reads are linearizable: a member that lost its majority answers none."""

    def __init__(self, access: Access, tell: Tell = unheard) -> None:
        """tell: what goes wrong where nobody asked for anything. Raises SourceError."""
        self._gateway, self._tell = Gateway(access), tell
        self._may_defragment = True
        self._prefix, self._scrub_every = access.prefix.encode(), access.scrub_every
        self._scrub_at = 0.0
        self._scrubbing = threading.Thread()

    def transact(self, body: Callable[[Transaction], T]) -> tuple[T, int]:
        """See Store."""
        deadline = time.monotonic() + _PATIENCE_S
        wait, longest = _BACK_OFF_S
        while True:
            with suppress(CompactedError):
                rows = _Rows(self, deadline)
                result = body(rows)
                if not rows.changes:
                    return result, rows.revision
                revision = self._commit(rows, deadline)
                if revision is not None:
                    return result, revision
            if time.monotonic() > deadline:
                raise StoreFailedError("etcd: no member does it, or others come first each time")
            time.sleep(wait * random.random())  # noqa: S311
            wait = min(2 * wait, longest)

    def read(
        self, start: str, end: str | None, *, limit: int, revision: int, deadline: float
    ) -> tuple[list[tuple[str, _Kept]], int, int]:
        """Rows from start to before end, or the one, as of a revision, 0: now; then the revision
        that is newest now, and the cluster's id."""
        message: dict[str, Any] = {"key": self._key(start), "limit": limit}
        if end is not None:
            message["range_end"] = self._key(end)
        if revision:
            message["revision"] = revision
        answer = self._gateway.ask("kv/range", message, deadline=deadline)
        with _understood():
            found = [self._kept(each) for each in answer.get("kvs", [])]
            return found, int(answer["header"]["revision"]), int(answer["header"]["cluster_id"])

    def scrub(self) -> None:
        """See Store: history older than the time before is compacted, and then the members'
        files are written anew, one after another. In a thread of its own, and no more often than
        was said."""
        now = time.monotonic()
        if self._scrubbing.is_alive() or now < self._scrub_at:
            return
        self._scrub_at = now + self._scrub_every
        self._scrubbing = threading.Thread(target=self._scrub, daemon=True)
        self._scrubbing.start()

    def dump(self) -> Iterator[list[tuple[str, bytes]]]:
        """See Store."""
        revision, start = 0, _FIRST
        while True:
            deadline = time.monotonic() + _PATIENCE_S
            found, newest, _ = self.read(
                start, _AFTER, limit=PAGE, revision=revision, deadline=deadline
            )
            if not found:
                return
            yield [(name, kept.row or b"") for name, kept in found]
            revision, start = revision or newest, found[-1][0] + "\0"

    def health(self) -> Health:
        """See Store."""
        members, size, used, reachable = len(self._gateway.endpoints), 0, 0, 0
        full = False
        for endpoint in self._gateway.endpoints:
            with suppress(StoreFailedError), _understood():
                found = self._gateway.ask_one(endpoint, "maintenance/status", {})
                full = full or any(_NO_SPACE in str(each) for each in found.get("errors", []))
                reachable += int(found.get("leader", 0)) != 0
                size = max(size, int(found.get("dbSize", 0)))
                used = max(used, int(found.get("dbSizeInUse", 0)))
                listed = self._gateway.ask_one(endpoint, "cluster/member/list", {})
                members = max(members, len(listed.get("members", [])))
        return Health(members, reachable, size=size, used=used, full=full)

    def close(self) -> None:
        """See Store."""
        if self._scrubbing.is_alive():
            self._scrubbing.join(_PATIENCE_S)
        self._gateway.close()

    def _commit(self, rows: _Rows, deadline: float) -> int | None:
        """The revision with which it is durable; None if others came first, or nobody did it."""
        writer = secrets.token_bytes(_ID_LEN)
        try:
            answer = self._gateway.order("kv/txn", self._transaction(rows, writer))
            with _understood():
                done = answer.get("succeeded", False)
                return int(answer["header"]["revision"]) if done else None
        except NotDoneError:
            return None
        except UnknownOutcomeError:
            return self._find_out(rows, writer, deadline)

    def _transaction(self, rows: _Rows, writer: bytes) -> dict[str, Any]:
        compare = [
            {"key": self._key(name), "target": "MOD", "mod_revision": kept.modified}
            for name, kept in rows.met.items()
        ]
        compare += [
            {
                "key": self._key(start),
                "range_end": self._key(end),
                "target": "MOD",
                "result": "LESS",
                "mod_revision": rows.revision + 1,
            }
            for start, end in rows.ranges
        ]
        success: list[dict[str, Any]] = [
            {"request_delete_range": {"key": self._key(name)}}
            if row is None
            else {"request_put": {"key": self._key(name), "value": to_text(writer + row)}}
            for name, row in rows.changes.items()
        ]
        return {"compare": compare, "success": success}

    def _find_out(self, rows: _Rows, writer: bytes, deadline: float) -> int | None:
        """The same of a transaction whose answer was lost: some row that it wrote is its, now or,
        where others wrote after it, in the version that followed what it had read. If it comes
        to be done only later, and this went on meanwhile, its comparisons fail."""
        for name, row in rows.changes.items():
            if row is None:
                continue
            before = rows.met.get(name, _Kept())
            kept, newest = self._now(name, 0, deadline)
            while kept.version > before.version + 1 and kept.writer != writer and name in rows.met:
                kept, _ = self._now(name, kept.modified - 1, deadline)
            if kept.writer == writer:
                return newest
        return None

    def _now(self, name: str, revision: int, deadline: float) -> tuple[_Kept, int]:
        try:
            found, newest, _ = self.read(name, None, limit=1, revision=revision, deadline=deadline)
        except CompactedError:
            raise StoreFailedError("etcd: nobody knows any more whether it was done") from None
        return dict(found).get(name, _Kept()), newest

    def _scrub(self) -> None:
        """Whoever of all processes changes a row first does it."""
        try:
            due = self._compact(time.monotonic() + _PATIENCE_S)
        except StoreFailedError as error:
            self._tell(f"old history stays for now: {error}")
            return
        for endpoint in self._gateway.endpoints if due else ():
            if not self._may_defragment:
                return
            try:
                self._defragment(endpoint)
            except DeniedError as error:
                self._may_defragment = False
                self._tell(f"etcd lets its role root alone write files anew: {error}")
            except StoreFailedError as error:
                self._tell(f"a file of etcd is not written anew for now: {error}")

    def _compact(self, deadline: float) -> bool:
        """Whether it was due, and is done by this one."""
        before, _ = self._now(_SCRUBBED, 0, deadline)
        present = int(time.time())
        if before.row is not None and abs(present - int(before.row)) < self._scrub_every:
            return False
        rows = _Rows(self, deadline)
        rows.met[_SCRUBBED] = before
        rows.put(_SCRUBBED, b"%d" % present)
        if self._commit(rows, deadline) is None or not before.modified:
            return False
        with suppress(CompactedError):  # by somebody else
            # Not newer: bodies that still read at an older revision would begin again.
            self._gateway.order("kv/compaction", {"revision": before.modified, "physical": True})
        return True

    def _defragment(self, endpoint: str) -> None:
        """A member answers nothing meanwhile, so its leadership goes to another first."""
        with _understood():
            status = self._gateway.ask_one(endpoint, "maintenance/status", {})
            mine, leader = status["header"]["member_id"], status.get("leader")
            listed = self._gateway.ask_one(endpoint, "cluster/member/list", {})
            others = [each["ID"] for each in listed["members"] if each["ID"] != mine]
        if mine == leader and others:
            message = {"targetID": random.choice(others)}  # noqa: S311
            self._gateway.ask_one(
                endpoint, "maintenance/transfer-leadership", message, timeout=_SLOW
            )
        self._gateway.ask_one(endpoint, "maintenance/defragment", {}, timeout=_SLOW)

    def _key(self, name: str) -> str:
        return to_text(self._prefix + name.encode())

    def _kept(self, found: dict[str, Any]) -> tuple[str, _Kept]:
        name = to_bytes(found["key"])[len(self._prefix) :].decode()
        value = to_bytes(found.get("value", ""))
        return name, _Kept(
            value[_ID_LEN:], value[:_ID_LEN], int(found["mod_revision"]), int(found["version"])
        )
