"""Back up: files and folders, or a stream, as a snapshot of a repository."""

from __future__ import annotations

import os
import platform
import pwd
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

from strongroom._core import UNWATCHED, Watch
from strongroom.errors import (
    CancelledError,
    DamagedError,
    SourceError,
    StrongroomError,
    UsageError,
)
from strongroom.ops.tree import Counts, Previous, Selection, record_tree
from strongroom.repository.entry import SegmentRef
from strongroom.repository.log import OvertakenError
from strongroom.repository.opened import OpenRepository
from strongroom.repository.session import Effort
from strongroom.repository.snapshots import Snapshot

ATTEMPTS: Final = 5
"""How often a backup begins again when others removed what it relied on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What a snapshot is called by."""

    host: str | None = None
    """None: this machine's name."""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BackupReports:
    """Where a backup says what it met."""

    error: Callable[[SourceError], None]
    """A file could not be read, or changed while it was. The backup goes on."""
    note: Callable[[str], None]
    """Something that costs time, but no data."""


@dataclass(frozen=True, slots=True)
class BackupResult:
    """What a backup made."""

    snapshot: Snapshot | None
    """None after a dry run."""
    counts: Counts


def backup(
    repository: OpenRepository,
    selection: Selection,
    *,
    reports: BackupReports,
    labels: Labels | None = None,
    parent: Snapshot | None = None,
    dry_run: bool = False,
    effort: Effort | None = None,
    watch: Watch = UNWATCHED,
) -> BackupResult:
    """Make a snapshot. Files that are as in parent are not read again.

    parent None: the last snapshot of this host with the same paths, else one that shares some.
    watch: progress tells bytes of files done and stored bytes added. Raises SourceError when
    nothing of what is selected is there, UsageError for a dry run of a stream, TargetError,
    CancelledError; nothing is committed then. Begins again where others removed what it relied
    on; a stream cannot, and raises OvertakenError.
    """
    if dry_run and selection.stream is not None:
        raise UsageError("a dry run of a stream has nothing to say: only reading it would tell")
    for left in reversed(range(ATTEMPTS)):
        try:
            return _attempt(
                repository,
                selection,
                reports=reports,
                labels=Labels() if labels is None else labels,
                parent=parent,
                dry_run=dry_run,
                effort=effort,
                watch=watch,
            )
        except OvertakenError as error:
            if not left or selection.stream is not None:
                raise
            reports.note(f"{error}; what is missing is read again")
            parent = None
    raise StrongroomError("backing up: no attempt was made")


def _attempt(
    repository: OpenRepository,
    selection: Selection,
    *,
    reports: BackupReports,
    labels: Labels,
    parent: Snapshot | None,
    dry_run: bool,
    effort: Effort | None,
    watch: Watch,
) -> BackupResult:
    begun, host, paths = time.time_ns(), labels.host or platform.node(), _paths_of(selection)
    _note_losses(repository, reports.note, watch)
    if parent is None:
        parent = find_parent(repository.snapshots, host, paths)
    with ExitStack() as stack:
        previous = None
        if parent is not None and not selection.force_read:
            previous = _previous(repository, parent, stack, reports.note)
        record = partial(
            record_tree,
            selection,
            previous=previous,
            report=reports.error,
            own=_own_folders(repository),
            watch=watch,
        )
        if dry_run:
            looked = record(chunks=repository.index, sink=None, manifest=_Nowhere())
            return BackupResult(None, looked)
        session = stack.enter_context(repository.begin_session(effort=effort, watch=watch))
        manifest = stack.enter_context(session.new_manifest())
        counts = record(chunks=repository.index, sink=session.write, manifest=manifest)
        _check_wanted(watch)
        segment = manifest.finish()
        seen = {"time": begun, "host": host, "user": _user(), "tags": labels.tags, "paths": paths}
        snapshot = _snapshot(segment, seen | asdict(counts))
        repository.commit(session, snapshot, segment, watch=Watch(cancel=watch.cancel))
    return BackupResult(snapshot, counts)


def _snapshot(manifest: SegmentRef, fields: dict[str, Any]) -> Snapshot:
    return Snapshot(id=manifest.id, root=manifest.root, **fields)


def find_parent(
    snapshots: Sequence[Snapshot], host: str, paths: tuple[bytes, ...]
) -> Snapshot | None:
    """The last one that knows most of what is going to be backed up."""
    own = [snapshot for snapshot in reversed(snapshots) if snapshot.host == host]
    same = (snapshot for snapshot in own if set(snapshot.paths) == set(paths))
    alike = (snapshot for snapshot in own if set(snapshot.paths) & set(paths))
    return next(same, None) or next(alike, None)


def _note_losses(repository: OpenRepository, note: Callable[[str], None], watch: Watch) -> None:
    for error in repository.load_index(watch=Watch(cancel=watch.cancel)).values():
        note(f"{error}; what it held and is found here is stored again")


def _check_wanted(watch: Watch) -> None:
    """What was cancelled is not committed, even if it was read to its end meanwhile."""
    if watch.cancel is not None and watch.cancel.is_set():
        raise CancelledError("backing up: cancelled")


class _Nowhere:
    """Where the manifest of a dry run goes."""

    def write(self, _: bytes, /) -> None:
        pass


def _previous(
    repository: OpenRepository,
    parent: Snapshot,
    stack: ExitStack,
    note: Callable[[str], None],
) -> Previous | None:
    try:
        manifest = stack.enter_context(repository.open_manifest(parent))
    except (DamagedError, SourceError) as error:
        note(f"every file is read, as the last snapshot is of no use: {error}")
        return None
    return Previous(manifest, parent.time)


def _paths_of(selection: Selection) -> tuple[bytes, ...]:
    if selection.stream_name is not None:
        return (os.fsencode(selection.stream_name),)
    return tuple(os.fsencode(path) for path in selection.paths)


def _own_folders(repository: OpenRepository) -> frozenset[tuple[int, int]]:
    """It is not to be backed up into itself."""
    found: set[tuple[int, int]] = set()
    with suppress(OSError):
        status = repository.store.folder.stat()
        found.add((status.st_dev, status.st_ino))
    return frozenset(found)


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
