"""Back up: files and folders, or a stream, as a snapshot of a repository."""

from __future__ import annotations

import os
import platform
import pwd
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

from strongroom._core import UNWATCHED, Cancel, Watch
from strongroom.errors import (
    CancelledError,
    DamagedError,
    SourceError,
    StrongroomError,
    UsageError,
)
from strongroom.ops.counts import Counts
from strongroom.ops.milestones import Milestones
from strongroom.ops.stopping import Promptly, Stopping
from strongroom.ops.tree import Previous, Selection, record_tree
from strongroom.repository.entry import SegmentRef
from strongroom.repository.log import OvertakenError
from strongroom.repository.opened import OpenRepository
from strongroom.repository.session import Effort
from strongroom.repository.snapshots import Snapshot

ATTEMPTS: Final = 5
"""How often a backup begins again when others removed what it relied on."""
PARENTS_MAX: Final = 16
"""So many earlier snapshots are open at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What a snapshot is called by."""

    host: str | None = None
    """None: this machine's name."""
    tags: tuple[str, ...] = ()


class BackupReports(NamedTuple):
    """Where a backup says what it met."""

    error: Callable[[SourceError], None]
    """A file could not be read, or changed while it was. The backup goes on."""
    note: Callable[[str], None]
    """Something that costs time, but no data."""


class BackupResult(NamedTuple):
    """What a backup made."""

    snapshot: Snapshot | None
    """None after a dry run."""
    counts: Counts
    complete: bool = True
    """False: it was ended early, and the snapshot is partial."""


def backup(
    repository: OpenRepository,
    selection: Selection,
    *,
    reports: BackupReports,
    labels: Labels | None = None,
    parent: Snapshot | None = None,
    dry_run: bool = False,
    effort: Effort | None = None,
    stop: Cancel | None = None,
    watch: Watch = UNWATCHED,
) -> BackupResult:
    """Make a snapshot. Files that are as in parent are not read again.

    parent None: the last snapshot of this host with the same paths, and partial ones since, else
    one that shares some. stop: once it is set the backup ends early, and what was read is committed
    as a partial snapshot; without a file that was read to its end there is none, but what was read
    is not stored again; of a stream nothing is kept. watch: progress tells bytes of files done and
    stored bytes added. Raises SourceError when nothing of what is selected is there, UsageError for
    a dry run of a stream, TargetError, CancelledError; there is no snapshot then, but for partial
    ones that were committed on the way. Begins again where others removed what it relied on; a
    stream cannot, and raises OvertakenError.
    """
    if dry_run and selection.stream is not None:
        raise UsageError("a dry run of a stream has nothing to say: only reading it would tell")
    labels = Labels() if labels is None else labels
    for left in reversed(range(ATTEMPTS)):
        attempt = _Attempt(repository, selection, reports, labels, stop=stop, watch=watch)
        try:
            return attempt.look(parent) if dry_run else attempt.store(parent, effort)
        except OvertakenError as error:
            if not left or selection.stream is not None:
                raise
            reports.note(f"{error}; what is missing is read again")
            parent = None
    raise StrongroomError("backing up: no attempt was made")


class _Attempt:
    """One, which others may overtake."""

    def __init__(
        self,
        repository: OpenRepository,
        selection: Selection,
        reports: BackupReports,
        labels: Labels,
        *,
        stop: Cancel | None,
        watch: Watch,
    ) -> None:
        self._repository = repository
        self._selection = selection
        self._reports = reports
        self._watch = watch
        self._promptly = Watch(cancel=Promptly(Stopping(watch.cancel, stop)))
        self._record = partial(
            record_tree,
            selection,
            report=reports.error,
            own=_own_folders(repository),
            stop=stop,
            watch=watch,
        )
        self._seen: dict[str, Any] = {
            "time": time.time_ns(),
            "host": labels.host or platform.node(),
            "user": _user(),
            "tags": labels.tags,
            "paths": _paths_of(selection),
        }

    def look(self, parent: Snapshot | None) -> BackupResult:
        """A dry run."""
        with ExitStack() as stack:
            previous = self._previous(parent, stack)
            counts, _ = self._record(
                previous=previous, chunks=self._repository.index, sink=None, manifest=_Nowhere()
            )
        return BackupResult(None, counts)

    def store(self, parent: Snapshot | None, effort: Effort | None) -> BackupResult:
        """See backup."""
        repository, watch = self._repository, self._watch
        with ExitStack() as stack:
            previous = self._previous(parent, stack)
            session = stack.enter_context(
                repository.begin_session(effort=effort, watch=self._promptly)
            )
            milestones = Milestones(repository, session, self._partial_snapshot)
            stack.callback(milestones.close)
            counts, complete = self._record(
                previous=previous,
                chunks=repository.index,
                sink=session.write,
                manifest=milestones.manifest,
                milestones=milestones,
            )
            _check_wanted(watch)
            if not complete and not counts.files:
                milestones.keep_parts()
                raise CancelledError("backing up: ended before any file was read to its end")
            segment = milestones.manifest.finish()
            snapshot = self._snapshot(segment, counts, complete=complete)
            repository.commit(session, snapshot, segment, watch=Watch(cancel=watch.cancel))
        return BackupResult(snapshot, counts, complete)

    def _previous(self, parent: Snapshot | None, stack: ExitStack) -> list[Previous]:
        repository, note = self._repository, self._reports.note
        _note_losses(repository, note, self._promptly)
        if self._selection.force_read:
            return []
        if parent is not None:
            return _opened([parent], repository, stack, note)
        parents = find_parents(repository.snapshots, self._seen["host"], self._seen["paths"])
        return _opened(parents, repository, stack, note)

    def _partial_snapshot(self, manifest: SegmentRef, counts: Counts) -> Snapshot:
        return self._snapshot(manifest, counts, complete=False)

    def _snapshot(self, manifest: SegmentRef, counts: Counts, *, complete: bool) -> Snapshot:
        return Snapshot(
            id=manifest.id,
            root=manifest.root,
            **self._seen,
            **counts._asdict(),
            partial=not complete,
        )


def find_parents(
    snapshots: Sequence[Snapshot], host: str, paths: tuple[bytes, ...]
) -> list[Snapshot]:
    """Those that know most of what is going to be backed up, the newest first: partial ones only
    go so far."""
    own = [snapshot for snapshot in reversed(snapshots) if snapshot.host == host]
    same = [snapshot for snapshot in own if set(snapshot.paths) == set(paths)]
    if not same:
        return [snapshot for snapshot in own if set(snapshot.paths) & set(paths)][:1]
    complete = next((at for at, one in enumerate(same) if not one.partial), len(same))
    return [*same[:complete][: PARENTS_MAX - 1], *same[complete : complete + 1]]


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


def _opened(
    parents: Sequence[Snapshot],
    repository: OpenRepository,
    stack: ExitStack,
    note: Callable[[str], None],
) -> list[Previous]:
    found = []
    for parent in parents:
        try:
            manifest = stack.enter_context(repository.open_manifest(parent))
        except (DamagedError, SourceError) as error:
            note(f"what an earlier snapshot knows is read again, as it is of no use: {error}")
        else:
            found.append(Previous(manifest, parent.time))
    return found


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
