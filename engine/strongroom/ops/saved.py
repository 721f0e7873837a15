"""A snapshot of an open repository."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from strongroom.manifest.entry import Entry
from strongroom.ops.compare import Changed, compare
from strongroom.ops.listing import list_entries, path_in_snapshot
from strongroom.repository.opened import OpenRepository
from strongroom.repository.snapshots import Snapshot


@dataclass(frozen=True, slots=True)
class SavedSnapshot:
    """A snapshot, of use for as long as its repository is open."""

    info: Snapshot
    """What the log says of it: time, host, user, tags, paths and counts."""
    _opened: OpenRepository = field(repr=False, compare=False)

    @property
    def id(self) -> str:
        """32 hexadecimal digits."""
        return self.info.id.hex()

    def entries(self, path: str | bytes | os.PathLike[str] | None = None) -> Iterator[Entry]:
        """All entries in order, or that of a path and those below it, one after the other.

        The manifest is read as you go on, never held in memory; threads may read several at once.
        Raises DamagedError, and SourceError if nothing has that path.
        """
        below = b"" if path is None else path_in_snapshot(path)
        doing = f"listing snapshot {self.id}"
        with self._opened.open_manifest(self.info) as manifest:
            yield from list_entries(manifest, below=below, doing=doing)

    def compare(self, newer: SavedSnapshot) -> Iterator[Changed]:
        """What changed from this snapshot to that one of the same repository, in order.

        Raises DamagedError.
        """
        doing = f"comparing snapshots {self.id} and {newer.id}"
        with (
            self._opened.open_manifest(self.info) as old,
            self._opened.open_manifest(newer.info) as new,
        ):
            yield from compare(old, new, doing=doing)
