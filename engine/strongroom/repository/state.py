"""What a log amounts to: its entries, one folded onto the other. docs/FORMAT.md, section 9."""

from __future__ import annotations

from collections.abc import Iterator

from strongroom.errors import DamagedError
from strongroom.repository.entry import (
    SEGMENT,
    Checkpoint,
    LogEntry,
    SegmentRef,
    segment_row,
    segments_of,
    seq_of_row,
    tombstone_row,
    tombstones_of,
)
from strongroom.repository.snapshots import Snapshot

_NO_CHECKPOINT = (0, bytes(32))


class RepositoryState:
    """Segments that are live, names that are not to come back, snapshots. One thread at a time.

    Without a key snapshots are not known; everything else is the same.
    """

    def __init__(self) -> None:
        """Of an empty log."""
        self._rows: dict[bytes, bytes] = {}
        self._tombstones: dict[bytes, int] = {}
        self._snapshots: dict[bytes, Snapshot] = {}
        self._checkpoint = _NO_CHECKPOINT

    @property
    def checkpoint(self) -> tuple[int, bytes]:
        """Seq and hash of the last one; 0 and zeros where there is none."""
        return self._checkpoint

    @property
    def snapshots(self) -> list[Snapshot]:
        """Those that are not forgotten, in the order they were committed. Needs keys."""
        return list(self._snapshots.values())

    def __contains__(self, segment_id: object) -> bool:
        """Is that segment live?"""
        return segment_id in self._rows

    def __len__(self) -> int:
        """Live segments."""
        return len(self._rows)

    def segments(self) -> Iterator[SegmentRef]:
        """Those that are live, oldest first."""
        return segments_of(b"".join(self._rows.values()))

    def added_by(self, segment_id: bytes) -> int:
        """The seq of the entry that added a live segment."""
        return seq_of_row(self._rows[segment_id])

    @property
    def tombstones(self) -> dict[bytes, int]:
        """Names removed that the store may still have, and the seq of the entry that did it."""
        return dict(self._tombstones)

    def is_removed(self, name: bytes) -> bool:
        """Was a segment of that name removed?"""
        return name in self._tombstones

    def apply(self, entry: LogEntry) -> None:
        """The next entry. Raises DamagedError where it contradicts those before; nothing is
        changed then."""
        doing = f"reading log entry {entry.seq}"
        if entry.checkpoint is not None:
            self._check(entry, entry.checkpoint, doing=doing)
            self._checkpoint = (entry.seq, entry.hash)
            return
        added = {row[:16]: row for row in _rows_of(entry.segments_stored)}
        if any(name in self._rows or name in self._tombstones for name in added):
            raise DamagedError(f"{doing}: it adds a segment that was there before")
        for name in entry.tombstones:
            self._rows.pop(name, None)
            self._snapshots.pop(name, None)
            self._tombstones.setdefault(name, entry.seq)
        for name in entry.gone:
            self._tombstones.pop(name, None)
        self._rows.update((name, segment_row(row, entry.seq)) for name, row in added.items())
        if entry.private is None:
            return
        if entry.private.snapshot is not None:
            self._snapshots[entry.private.snapshot.id] = entry.private.snapshot
        for change in entry.private.retagged:
            found = self._snapshots.get(change.id)
            if found is not None:
                self._snapshots[change.id] = found._replace(tags=change.tags)

    def to_checkpoint(self) -> Checkpoint:
        """All of it, but for the snapshots."""
        return Checkpoint(
            self._checkpoint,
            b"".join(self._rows.values()),
            b"".join(tombstone_row(*item) for item in self._tombstones.items()),
        )

    @classmethod
    def from_checkpoint(cls, entry: LogEntry) -> RepositoryState:
        """What that entry says of all before it. entry.checkpoint is not None."""
        state = cls()
        found = entry.checkpoint
        if found is None:
            raise ValueError(f"log entry {entry.seq} is no checkpoint")
        state._rows = {row[:16]: row for row in _rows_of(found.segments)}
        state._tombstones = dict(tombstones_of(found.tombstones))
        if entry.private is not None:
            state._snapshots = {s.id: s for s in entry.private.snapshots or ()}
        state._checkpoint = (entry.seq, entry.hash)
        return state

    def _check(self, entry: LogEntry, found: Checkpoint, *, doing: str) -> None:
        snapshots = None if entry.private is None else entry.private.snapshots
        if found != self.to_checkpoint() or (
            snapshots is not None and snapshots != tuple(self._snapshots.values())
        ):
            raise DamagedError(f"{doing}: it does not sum up the entries before it")


def _rows_of(stored: bytes) -> Iterator[bytes]:
    size = SEGMENT.size
    return (stored[at : at + size] for at in range(0, len(stored), size))
