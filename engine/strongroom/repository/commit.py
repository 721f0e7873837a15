"""How what a session stored becomes part of a repository."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial

from strongroom._core import TYPE_DATA
from strongroom.errors import DamagedError, StrongroomError, TargetError
from strongroom.repository.chunks import ChunkTables
from strongroom.repository.entry import KIND_ADD, KIND_PARTIAL, Draft, LogEntry, SegmentRef
from strongroom.repository.interval import check_chunks, removed_in
from strongroom.repository.log import Log, OvertakenError
from strongroom.repository.manifests import ManifestSource
from strongroom.repository.names import segment_name
from strongroom.repository.private import Private
from strongroom.repository.session import BackupSession
from strongroom.repository.snapshots import Snapshot
from strongroom.stores import UnsyncedError
from strongroom.stores.local import LocalStore


class Commits:
    """Commits to one repository. One thread at a time."""

    def __init__(
        self,
        store: LocalStore,
        log: Log,
        tables: Callable[[], ChunkTables],
        open_manifest: Callable[[Snapshot], ManifestSource],
    ) -> None:
        self._store = store
        self._log = log
        self._tables = tables
        self._open_manifest = open_manifest

    def publish(
        self, session: BackupSession, snapshot: Snapshot | None, manifest: SegmentRef | None
    ) -> LogEntry:
        """What is complete of a session, and what it amounts to, unless that is None.

        Segments durable, manifest durable, log entry. A snapshot takes the place of the partial
        one that the session had. Raises OvertakenError where others removed what the snapshot
        relies on: then the data is kept. Raises TargetError; nothing is committed then, unless a
        store that did not answer did it all the same.
        """
        draft = _draft(session, snapshot, manifest)
        folder = session.spool.folder
        try:
            self._store.adopt([(folder / s.id.hex(), segment_name(s.id)) for s in draft.segments])
            entry = self._log.append(draft, partial(self._revise, session=session))
        except UnsyncedError:
            raise
        except OvertakenError:
            self._keep_data(draft)
            raise
        except TargetError:
            self._withdraw(draft.segments)
            raise
        session.published(None if manifest is None else manifest.id)
        foreign = [e for e in self._log.since(session.base) if not _is_of(e, session)]
        if not removed_in(foreign):
            session.base = entry.seq
        return entry

    def _revise(self, draft: Draft, others: Sequence[LogEntry], *, session: BackupSession) -> Draft:
        """Is everything that the snapshot refers to still there?"""
        snapshot = draft.private.snapshot
        if snapshot is not None and removed_in([e for e in others if not _is_of(e, session)]):
            try:
                self._check_chunks(snapshot, session)
            except DamagedError:
                # Whoever slept for long may have lost its manifest to an entry further on.
                self._log.load()
                names = {segment.id for segment in draft.segments}
                if removed_in(list(self._log.since(draft.base))).isdisjoint(names):
                    raise
                raise OvertakenError("committing: somebody removed what it had stored") from None
        return draft

    def _check_chunks(self, snapshot: Snapshot, session: BackupSession) -> None:
        tables = self._tables()
        tables.follow(own=session.id)
        doing = f"committing snapshot {snapshot.id.hex()}"
        with self._open_manifest(snapshot) as manifest:
            check_chunks(manifest, tables.index.has_all, doing=doing)

    def _keep_data(self, draft: Draft) -> None:
        """Commit what a session stored, without its snapshot."""
        data = tuple(s for s in draft.segments if s.type == TYPE_DATA)
        private = draft.private._replace(snapshot=None)
        part = draft._replace(segments=data, private=private, kind=KIND_PARTIAL, tombstones=())
        self._withdraw(s for s in draft.segments if s.type != TYPE_DATA)
        try:
            self._log.append(part)
        except OvertakenError:
            self._withdraw(data)

    def _withdraw(self, added: Iterable[SegmentRef]) -> None:
        """Give back the room of segments that no log entry names."""
        for segment in added:
            with suppress(StrongroomError):
                self._store.delete(segment_name(segment.id))


def _is_of(entry: LogEntry, session: BackupSession) -> bool:
    return entry.private is not None and entry.private.session == session.id


def _draft(session: BackupSession, snapshot: Snapshot | None, manifest: SegmentRef | None) -> Draft:
    host = platform.node() if snapshot is None else snapshot.host
    # What a later snapshot of the session holds too need not be kept.
    replaced = () if snapshot is None or session.partial is None else (session.partial,)
    return Draft(
        session.base,
        (*session.waiting(), *([] if manifest is None else [manifest])),
        Private(time.time_ns(), host, session.id, snapshot),
        kind=KIND_PARTIAL if snapshot is None or snapshot.partial else KIND_ADD,
        tombstones=replaced,
    )
