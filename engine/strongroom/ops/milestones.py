"""A long backup commits what it has, every now and then, so that an interrupted one goes on there.

Segments that are complete are committed as they are. Together with a manifest of all that was
recorded so far they make a partial snapshot, which tells the next backup what it need not read.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from strongroom.manifest.reader import Readable
from strongroom.manifest.writer import END, ManifestWriter
from strongroom.ops.counts import Counts
from strongroom.repository.entry import SegmentRef
from strongroom.repository.manifests import ManifestTarget
from strongroom.repository.opened import OpenRepository
from strongroom.repository.session import BackupSession
from strongroom.repository.snapshots import Snapshot

SEGMENTS: Final = 64
"""So many that wait are committed: at most 4 GiB."""
SECONDS: Final = 600.0
"""Or what waits so long."""

# A manifest so far is written again each time: never more than a sixteenth of what was stored
# since, or of what even a slow disk writes in the time since.
_SHARE: Final = 16
_SLOW_DISK: Final = 8 << 20  # bytes a second
_BLOCK: Final = 1 << 20

Describe = Callable[[SegmentRef, Counts], Snapshot]
"""The partial snapshot that a manifest makes."""


class Milestones:
    """Commits the parts of one session. Close it."""

    def __init__(
        self, repository: OpenRepository, session: BackupSession, describe: Describe
    ) -> None:
        self._repository = repository
        self._session = session
        self._describe = describe
        self._segments_at = self._snapshot_at = time.monotonic()
        self._parts = 0  # segments committed since the last partial snapshot
        self._saved = 0  # bytes that it holds
        self.manifest = session.new_manifest()
        """Where the manifest is written to; another one after each partial snapshot."""

    def note(self) -> None:
        """While files are read: one of them may take days. Commits segments alone."""
        waiting = self._session.waiting()
        since = time.monotonic() - self._segments_at
        if not waiting or (len(waiting) < SEGMENTS and since < SECONDS):
            return
        self._parts += len(waiting)
        self._repository.commit_partial(self._session, None, None)
        self._segments_at = time.monotonic()

    def keep_parts(self) -> None:
        """Of files none of which was read to its end: what there is need not be stored again."""
        self._session.flush()
        if self._session.waiting():
            self._repository.commit_partial(self._session, None, None)

    def is_due(self, written: int, new_bytes: int) -> bool:
        """Is it time for a partial snapshot? written: bytes of the manifest so far. new_bytes: what
        the session has added."""
        since = time.monotonic() - self._snapshot_at
        new = new_bytes - self._saved
        segments = self._parts + len(self._session.waiting())
        if segments < SEGMENTS and (since < SECONDS or not new):
            return False
        return written <= max(new // _SHARE, int(since * _SLOW_DISK))

    def save(self, writer: ManifestWriter, counts: Counts) -> None:
        """Commit all that writer was given; it goes on in another manifest."""
        writer.finish()
        segment = self.manifest.finish()
        self._session.flush()
        snapshot = self._describe(segment, counts)
        self._repository.commit_partial(self._session, snapshot, segment)
        self.manifest.close()
        self.manifest = self._session.new_manifest()
        with self._repository.open_manifest(snapshot) as before:
            _copy_items(before, len(before) - END.size, self.manifest)
        writer.move_to(self.manifest)
        self._segments_at = self._snapshot_at = time.monotonic()
        self._parts, self._saved = 0, counts.new_bytes

    def close(self) -> None:
        """More than once is fine."""
        self.manifest.close()


def _copy_items(source: Readable, length: int, target: ManifestTarget) -> None:
    while length > 0:
        block = source.read(min(_BLOCK, length)) or b""
        if not block:
            break
        target.write(block)
        length -= len(block)
