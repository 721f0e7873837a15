"""The log: a chain of entries, the only thing that says what a repository holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from strongroom.errors import (
    ConflictError,
    DamagedError,
    LimitError,
    ObjectExistsError,
    ObjectMissingError,
    StrongroomError,
)
from strongroom.keys.schedule import RepositoryKeys
from strongroom.repository.config import Config
from strongroom.repository.entry import (
    CHECKPOINT_EVERY,
    Draft,
    LogEntry,
    SegmentRef,
    len_max_at,
    make_checkpoint,
    make_entry,
)
from strongroom.repository.entry_reader import EntryReader
from strongroom.repository.head import LISTED_MAX, entry_name, find_newest, list_newest
from strongroom.repository.names import SEGMENTS
from strongroom.repository.private import NO_SESSION, Private
from strongroom.repository.snapshots import Snapshot
from strongroom.repository.state import RepositoryState
from strongroom.stores import Store, UnsyncedError

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the entries read so far, and how many there are."""

Revise: TypeAlias = Callable[[Draft, Sequence[LogEntry]], Draft]
"""Called with a draft and entries its writer did not know of when it chose what to change: what
to append instead. Raises OvertakenError when nothing can be."""


class OvertakenError(ConflictError):
    """What a writer relied on was removed before it could commit: begin again."""


class Log:
    """The entries of a repository, each read once and checked. One thread at a time.

    keys: None reads what is public, for a scrub; nothing can be appended then.
    """

    def __init__(self, store: Store, config: Config, keys: RepositoryKeys | None) -> None:
        self._store = store
        self._config = config
        self._keys = keys
        self._reader = EntryReader(config.public_key, config.repo_id, keys)
        self._entries: list[LogEntry] = []
        self._state = RepositoryState()
        self._is_listed = False

    @property
    def entries(self) -> Sequence[LogEntry]:
        """The newest ones: those since the first, or since some checkpoint."""
        return self._entries

    @property
    def head(self) -> tuple[int, bytes]:
        """(seq, hash) of the newest entry; of an empty log 0, and what entry 1 will name."""
        if not self._entries:
            return 0, self._config.digest
        return self._entries[-1].seq, self._entries[-1].hash

    @property
    def is_bare(self) -> bool:
        """Has it no entry, although segments are there?"""
        return not self._entries and next(self._store.list(SEGMENTS), None) is not None

    @property
    def state(self) -> RepositoryState:
        """What it amounts to, up to the head."""
        return self._state

    @property
    def snapshots(self) -> list[Snapshot]:
        """In the order they were committed. Needs keys."""
        return self._state.snapshots

    def segments(self) -> Iterator[SegmentRef]:
        """Every segment that is live, oldest first."""
        return self._state.segments()

    def load(self, progress: Progress | None = None, *, whole: bool = False) -> None:
        """Read what others appended since, or, the first time, all from the last checkpoint on.

        whole: the first time, from the first entry on. Raises DamagedError where an entry is
        missing, altered or out of place, UnsupportedError, SourceError.
        """
        known = self.head[0]
        newest = list_newest(self._store) if whole else find_newest(self._store, known)
        self._is_listed = self._is_listed or whole or newest < LISTED_MAX
        if not known and not whole:
            self._begin_at_checkpoint(newest)
        self._load_to(newest, progress)

    def append(self, draft: Draft, revise: Revise | None = None) -> LogEntry:
        """Commit: make the next entry, whatever others append meanwhile.

        revise: told of all that others committed since draft.base, before each attempt. Raises
        OvertakenError where others removed what draft adds, and what the store raises; the entry
        is not in the log then, unless a store that did not answer took it all the same.
        """
        keys = self._writer_keys()
        if not self._is_listed:
            # A lost entry hides those after it from one who probes: never fill its place.
            self._load_to(list_newest(self._store))
            self._is_listed = True
        told = draft.base
        while True:
            if told < self.head[0]:
                others = list(self.since(told))
                _check_names(draft, others)
                draft = draft if revise is None else revise(draft, others)
                told = self.head[0]
            seq, prev = self.head
            mine = self._summary(seq + 1, prev) if (seq + 1) % CHECKPOINT_EVERY == 0 else None
            is_summary = mine is not None
            if mine is None:
                repo_id = self._config.repo_id
                mine = make_entry(draft, keys, seq=seq + 1, prev=prev, repo_id=repo_id)
            there = self._put(seq + 1, mine)
            self._extend(seq + 1, there)
            if there == mine and not is_summary:
                return self._entries[-1]

    def since(self, seq: int) -> Iterator[LogEntry]:
        """The entries after entry seq, up to the head; older ones are read again."""
        first = self._entries[0].seq if self._entries else 1
        prev = None
        for older in range(seq + 1, first):
            entry = self._reader.read(self._get(older, first), seq=older, prev=prev)
            prev = entry.hash
            yield entry
        if prev is not None and prev != self._entries[0].prev:
            raise DamagedError(f"reading log entry {first}: it does not continue the one before")
        yield from self._entries[max(0, seq + 1 - first) :]

    def entry(self, seq: int) -> LogEntry:
        """One entry, which is read again if it is older than what is in memory."""
        first = self._entries[0].seq if self._entries else 1
        if seq >= first:
            return self._entries[seq - first]
        return self._reader.read(self._get(seq, first), seq=seq, prev=None)

    def holds(self, seq: int, digest: bytes) -> bool:
        """Is an entry of that hash at that place? (0 stands for the config.)

        Of what lies before the entries in memory, by way of the checkpoints.
        """
        if seq == 0:
            return digest == self._config.digest
        if not 0 < seq <= self.head[0]:
            return False
        first = self._entries[0]
        if seq >= first.seq:
            return self._entries[seq - first.seq].hash == digest
        later = first
        while later.checkpoint is not None and later.checkpoint.previous[0] >= seq:
            later = self._linked(*later.checkpoint.previous)
        while later.seq > seq + 1:
            later = self._linked(later.seq - 1, later.prev)
        return (later.hash if later.seq == seq else later.prev) == digest

    def _load_to(self, newest: int, progress: Progress | None = None) -> None:
        while (seq := self.head[0] + 1) <= newest:
            self._extend(seq, self._get(seq, newest))
            if self._entries[-1].checkpoint is not None:
                del self._entries[:-1]
            if progress is not None:
                progress(seq, newest)

    def _linked(self, seq: int, digest: bytes) -> LogEntry:
        entry = self._reader.read(self._get(seq, self.head[0]), seq=seq, prev=None)
        if entry.hash != digest:
            raise DamagedError(f"reading log entry {seq}: it is not the one that later ones name")
        return entry

    def _begin_at_checkpoint(self, newest: int) -> None:
        for seq in range(newest - newest % CHECKPOINT_EVERY, 0, -CHECKPOINT_EVERY):
            entry = self._reader.read(self._get(seq, newest), seq=seq, prev=None)
            if entry.checkpoint is not None:
                self._entries = [entry]
                self._state = RepositoryState.from_checkpoint(entry)
                return

    def _summary(self, seq: int, prev: bytes) -> bytes | None:
        """A checkpoint; None: there is too much for one entry."""
        private = Private(time.time_ns(), "", NO_SESSION, snapshots=tuple(self._state.snapshots))
        try:
            return make_checkpoint(
                self._state.to_checkpoint(),
                private,
                self._writer_keys(),
                seq=seq,
                prev=prev,
                repo_id=self._config.repo_id,
            )
        except LimitError:
            return None

    def _writer_keys(self) -> RepositoryKeys:
        if self._keys is None:
            raise StrongroomError("appending to the log: it was opened without a key")
        return self._keys

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
                there = self._store.get(name, limit=len_max_at(seq))
            except ObjectMissingError:
                if isinstance(error, ObjectExistsError):
                    raise ConflictError(
                        f"appending log entry {seq}: the store says that it is there, and that "
                        "it is not"
                    ) from None
                raise error from None
            if there == stored:
                self._store.sync(name)  # what failed may have failed before that
            return there
        return stored

    def _get(self, seq: int, last: int) -> bytes:
        try:
            return self._store.get(entry_name(seq), limit=len_max_at(seq))
        except ObjectMissingError:
            raise ObjectMissingError(f"reading the log: entry {seq} of {last} is missing") from None

    def _extend(self, seq: int, stored: bytes) -> None:
        entry = self._reader.read(stored, seq=seq, prev=self.head[1])
        self._state.apply(entry)
        self._entries.append(entry)


def _check_names(draft: Draft, others: Sequence[LogEntry]) -> None:
    """What is added was not removed meanwhile: a name that was never comes back."""
    removed = {name for entry in others for name in entry.tombstones}
    if any(segment.id in removed for segment in draft.segments):
        raise OvertakenError("committing: somebody took what was to be added for left over")
