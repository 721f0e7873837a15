"""The store of a single machine: SQLite, durable with every commit."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from strongroom.vault.server.store import PAGE, Health, StoreFailedError, T, Transaction

_BUSY_MS = 5000
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS rows (name TEXT PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS counter (one INTEGER PRIMARY KEY CHECK (one = 1), revision INT)",
    "INSERT OR IGNORE INTO counter VALUES (1, 0)",
)


class _Rows:
    """A Transaction."""

    origin = 0

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._changes = connection.total_changes
        self.revision: int = connection.execute("SELECT revision FROM counter").fetchone()[0]

    def end(self) -> int:
        """Count what was changed: the revision with it."""
        if self._connection.total_changes == self._changes:
            return self.revision
        self._connection.execute("UPDATE counter SET revision = revision + 1")
        return self.revision + 1

    def get(self, name: str) -> bytes | None:
        found = self._connection.execute("SELECT row FROM rows WHERE name = ?", (name,)).fetchone()
        return None if found is None else bytes(found[0])

    def put(self, name: str, row: bytes) -> None:
        self._connection.execute("INSERT OR REPLACE INTO rows VALUES (?, ?)", (name, row))

    def delete(self, name: str) -> None:
        self._connection.execute("DELETE FROM rows WHERE name = ?", (name,))

    def scan(self, prefix: str, start: str, limit: int) -> Iterator[tuple[str, bytes]]:
        found = self._connection.execute(
            "SELECT name, row FROM rows WHERE name >= ? AND name < ? ORDER BY name LIMIT ?",
            (max(prefix, start), prefix + "\x7f", limit),
        )
        for name, row in found.fetchall():
            yield name, bytes(row)


class SqliteStore:
    """See Store. Writers of all threads and processes take turns."""

    def __init__(self, path: Path) -> None:
        """Makes the file, mode 0600, if there is none. Raises StoreFailedError."""
        self._lock = threading.Lock()
        self._path = path
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._prepare()
        except (OSError, sqlite3.Error) as error:
            raise StoreFailedError(f"opening {path}: {error}") from None

    def _prepare(self) -> None:
        for pragma in (
            f"busy_timeout = {_BUSY_MS}",
            "journal_mode = WAL",
            # With NORMAL a power cut could take back a committed charge: one more guess.
            "synchronous = FULL",
            "secure_delete = ON",
            "trusted_schema = OFF",
        ):
            self._connection.execute(f"PRAGMA {pragma}")
        for statement in _SCHEMA:
            self._connection.execute(statement)

    def transact(self, body: Callable[[Transaction], T]) -> tuple[T, int]:
        """See Store."""
        with self._lock:
            try:
                # Immediate: who reads here to decide what to write is alone from now on.
                self._connection.execute("BEGIN IMMEDIATE")
                rows = _Rows(self._connection)
                result = body(rows)
                revision = rows.end()
                self._connection.execute("COMMIT")
            except BaseException as error:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise StoreFailedError(str(error)) from None
                raise
            return result, revision

    def scrub(self) -> None:
        """See Store: overwritten pages are zeroed by secure_delete, the log is cut here."""
        with self._lock, suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def health(self) -> Health:
        """See Store."""
        with self._lock:
            try:
                pages, free, length = (
                    int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])
                    for name in ("page_count", "freelist_count", "page_size")
                )
            except sqlite3.Error:
                return Health(members=1, reachable=0, size=0, used=0)
        return Health(1, 1, size=pages * length, used=(pages - free) * length)

    def dump(self) -> Iterator[list[tuple[str, bytes]]]:
        """See Store. Over a connection of its own, beside which others go on."""
        try:
            with closing(sqlite3.connect(self._path)) as connection:
                found = connection.execute("SELECT name, row FROM rows ORDER BY name")
                while page := found.fetchmany(PAGE):
                    yield [(name, bytes(row)) for name, row in page]
        except sqlite3.Error as error:
            raise StoreFailedError(f"reading {self._path}: {error}") from None

    def close(self) -> None:
        """See Store."""
        with self._lock:
            self._connection.close()
