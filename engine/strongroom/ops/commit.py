"""From what is to be backed up to a snapshot in the log."""

from __future__ import annotations

import getpass
import os
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from strongroom._core import UNWATCHED, Watch
from strongroom.errors import DamagedError, StrongroomError
from strongroom.manifest.writer import Writable
from strongroom.ops.backup import Counts, Previous, Selection, record_tree
from strongroom.ops.piping import Readable, through_pipe
from strongroom.repository.manifests import ManifestSource
from strongroom.repository.opened import OpenRepository
from strongroom.repository.session import Effort
from strongroom.repository.snapshots import Snapshot

Report = Callable[[StrongroomError], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What people find a snapshot by."""

    host: str = ""
    """Empty: this machine's name."""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stream:
    """One file, whose contents come from a file object or a descriptor."""

    name: bytes
    file: Readable | int


class _Nowhere:
    """Takes the manifest of a backup that is only tried."""

    def write(self, data: bytes, /) -> None: ...


def back_up(
    opened: OpenRepository,
    what: Selection | Stream,
    *,
    labels: Labels,
    effort: Effort,
    report: Report,
    warn: Report,
    watch: Watch = UNWATCHED,
) -> Snapshot:
    """Store what is selected or streamed, and commit it as a snapshot.

    report: called for each file that could not be read, or changed while it was. warn: for damage
    met on the way, after which what was lost is stored again. Raises SourceError when there is
    nothing to store at all, TargetError; nothing is committed then.
    """
    begun = time.time_ns()
    labels = _complete(labels)
    with ExitStack() as stack:
        for error in opened.load_index(watch=Watch(cancel=watch.cancel)).values():
            warn(error)
        session = stack.enter_context(opened.begin_session(effort=effort))
        manifest = stack.enter_context(session.new_manifest())

        def record(selection: Selection, watch: Watch) -> Counts:
            return record_tree(
                selection,
                previous=_previous(opened, selection, labels, warn, stack),
                chunks=opened.index,
                sink=session.write,
                manifest=manifest,
                report=report,
                own=_own(opened),
                watch=watch,
            )

        counts = (
            _record_stream(what, record, watch) if isinstance(what, Stream) else record(what, watch)
        )
        stored = manifest.finish()
        snapshot = Snapshot(
            id=stored.id,
            root=stored.root,
            time=begun,
            host=labels.host,
            user=_user(),
            tags=labels.tags,
            paths=_given(what),
            entries=counts.entries,
            files=counts.files,
            bytes=counts.bytes,
            new_bytes=counts.new_bytes,
            errors=counts.errors,
        )
        opened.commit(session, snapshot, stored)
    return snapshot


def try_out(
    opened: OpenRepository,
    selection: Selection,
    *,
    labels: Labels,
    report: Report,
    warn: Report,
    watch: Watch = UNWATCHED,
) -> Counts:
    """What back_up would do. Reads no file, and changes nothing."""
    with ExitStack() as stack:
        for error in opened.load_index(watch=Watch(cancel=watch.cancel)).values():
            warn(error)
        nowhere: Writable = _Nowhere()
        return record_tree(
            selection,
            previous=_previous(opened, selection, _complete(labels), warn, stack),
            chunks=opened.index,
            sink=None,
            manifest=nowhere,
            report=report,
            own=_own(opened),
            watch=watch,
        )


def _record_stream(
    stream: Stream, record: Callable[[Selection, Watch], Counts], watch: Watch
) -> Counts:
    def read(fd: int, watch: Watch) -> Counts:
        return record(Selection(stream_name=stream.name, stream=fd), watch)

    if isinstance(stream.file, int):
        return read(stream.file, watch)
    return through_pipe(stream.file, read, watch)


def _previous(
    opened: OpenRepository, selection: Selection, labels: Labels, warn: Report, stack: ExitStack
) -> Previous | None:
    """The newest snapshot of the same paths, from this host if there is one."""
    if selection.force_read or selection.stream is not None:
        return None
    same = [s for s in opened.snapshots if s.paths == _given(selection)]
    candidates = [s for s in same if s.host == labels.host] or same
    candidates = candidates or [s for s in opened.snapshots if s.host == labels.host]
    if not candidates:
        return None
    found = candidates[-1]
    try:
        manifest: ManifestSource = stack.enter_context(opened.open_manifest(found))
    except DamagedError as error:
        warn(error)
        return None
    return Previous(manifest, found.time)


def _complete(labels: Labels) -> Labels:
    return Labels(host=labels.host or socket.gethostname(), tags=labels.tags)


def _given(what: Selection | Stream) -> tuple[bytes, ...]:
    if isinstance(what, Stream):
        return (what.name,)
    return tuple(os.fsencode(path) for path in what.paths)


def _own(opened: OpenRepository) -> frozenset[tuple[int, int]]:
    """The repository's folder: a backup does not take in what it makes."""
    status = opened.store.folder.stat()
    return frozenset({(status.st_dev, status.st_ino)})


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
