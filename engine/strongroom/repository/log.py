"""The log: a chain of entries, the only thing that says what a repository holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from strongroom.errors import (
    ConflictError,
    ObjectExistsError,
    ObjectMissingError,
    StrongroomError,
)
from strongroom.keys.schedule import RepositoryKeys
from strongroom.repository.config import Config
from strongroom.repository.entry import (
    ENTRY_LEN_MAX,
    Draft,
    EntryReader,
    LogEntry,
    SegmentRef,
    make_entry,
)
from strongroom.repository.snapshots import Snapshot
from strongroom.stores import Store, UnsyncedError

PREFIX: Final = "log/"

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the entries read so far, and how many there are."""

_NAME = re.compile(r"log/([0-9a-f]{16})", re.ASCII)


def entry_name(seq: int) -> str:
    """The object that holds an entry."""
    return f"{PREFIX}{seq:016x}"


class Log:
    """All entries of a repository, each read once and checked. One thread at a time.

    keys: None reads what is public, for a scrub; nothing can be appended then.
    """

    def __init__(self, store: Store, config: Config, keys: RepositoryKeys | None) -> None:
        self._store = store
        self._config = config
        self._keys = keys
        self._reader = EntryReader(config.public_key, config.repo_id, keys)
        self._entries: list[LogEntry] = []

    @property
    def entries(self) -> Sequence[LogEntry]:
        """The first has seq 1."""
        return self._entries

    @property
    def head(self) -> tuple[int, bytes]:
        """(seq, hash) of the newest entry; of an empty log 0, and what entry 1 will name."""
        if not self._entries:
            return 0, self._config.digest
        return self._entries[-1].seq, self._entries[-1].hash

    @property
    def snapshots(self) -> list[Snapshot]:
        """In the order they were committed. Needs keys."""
        privates = [entry.private for entry in self._entries]
        return [p.snapshot for p in privates if p is not None and p.snapshot is not None]

    def segments(self) -> Iterator[SegmentRef]:
        """Every segment that the log names, oldest first."""
        for entry in self._entries:
            yield from entry.segments

    def load(self, progress: Progress | None = None) -> None:
        """Read what others appended since, or everything the first time.

        Raises DamagedError where an entry is missing, altered or out of place, UnsupportedError,
        SourceError.
        """
        last = self._last_listed()
        while (seq := self.head[0] + 1) <= last:
            self._extend(seq, self._get(seq, last))
            if progress is not None:
                progress(seq, last)

    def append(self, draft: Draft) -> LogEntry:
        """Commit: make the next entry, whatever others append meanwhile.

        Raises what the store raises; the entry is not in the log then, unless a store that did
        not answer took it all the same.
        """
        if self._keys is None:
            raise StrongroomError("appending to the log: it was opened without a key")
        while True:
            seq, prev = self.head[0] + 1, self.head[1]
            mine = make_entry(draft, self._keys, seq=seq, prev=prev, repo_id=self._config.repo_id)
            there = self._put(seq, mine)
            self._extend(seq, there)
            if there == mine:
                return self._entries[-1]

    def holds(self, seq: int, digest: bytes) -> bool:
        """Is an entry of that hash at that place? (0 stands for the config.)"""
        if seq == 0:
            return digest == self._config.digest
        return 0 < seq <= len(self._entries) and self._entries[seq - 1].hash == digest

    def _put(self, seq: int, stored: bytes) -> bytes:
        """Try to make entry seq; return what it is now, which may be another writer's."""
        name = entry_name(seq)
        try:
            self._store.put(name, stored)
        except UnsyncedError:
            raise  # others see it already, but it cannot be promised
        except StrongroomError as error:
            # Whether it was there before or the answer was lost: what is there now decides.
            try:
                return self._store.get(name, limit=ENTRY_LEN_MAX)
            except ObjectMissingError:
                if isinstance(error, ObjectExistsError):
                    raise ConflictError(
                        f"appending log entry {seq}: the store says that it is there, and that "
                        "it is not"
                    ) from None
                raise error from None
        return stored

    def _last_listed(self) -> int:
        last = self.head[0]
        for name in self._store.list(PREFIX):
            if (match := _NAME.fullmatch(name)) is not None:
                last = max(last, int(match[1], 16))
        return last

    def _get(self, seq: int, last: int) -> bytes:
        try:
            return self._store.get(entry_name(seq), limit=ENTRY_LEN_MAX)
        except ObjectMissingError:
            raise ObjectMissingError(f"reading the log: entry {seq} of {last} is missing") from None

    def _extend(self, seq: int, stored: bytes) -> None:
        entry = self._reader.read(stored, seq=seq, prev=self.head[1])
        self._entries.append(entry)
