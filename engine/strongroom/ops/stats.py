"""How much a repository holds, and how much it takes."""

from __future__ import annotations

from dataclasses import dataclass

from strongroom.repository.opened import OpenRepository


@dataclass(frozen=True, slots=True)
class Stats:
    """Of a whole repository."""

    snapshots: int
    files: int
    """In all snapshots; a file counts in each that has it."""
    raw_bytes: int
    """Sizes of those files."""
    stored_bytes: int
    """Of all segments that the log names."""
    segments: int
    chunks: int
    """Different ones, as far as the index knows."""

    @property
    def ratio(self) -> float:
        """Raw bytes for each stored one; 0 where nothing is stored."""
        return self.raw_bytes / self.stored_bytes if self.stored_bytes else 0.0


def repository_stats(opened: OpenRepository) -> Stats:
    """From the log and the index; no other object is read. Raises what those raise."""
    snapshots = opened.snapshots
    lengths = [segment.length for segment in opened.log.segments()]
    return Stats(
        snapshots=len(snapshots),
        files=sum(snapshot.files for snapshot in snapshots),
        raw_bytes=sum(snapshot.bytes for snapshot in snapshots),
        stored_bytes=sum(lengths),
        segments=len(lengths),
        chunks=len(opened.index),
    )
