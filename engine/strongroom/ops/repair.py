"""Store again what was lost, from files that still have it."""

from __future__ import annotations

import os
import platform
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from strongroom._core import UNWATCHED, Watch
from strongroom._core.rows import as_ids, each_id
from strongroom.errors import DamagedError, SourceError, StrongroomError
from strongroom.manifest.entry import FILE
from strongroom.manifest.reader import ManifestReader
from strongroom.ops.roots import without_links
from strongroom.ops.verify import Finding, verify
from strongroom.repository.entry import Draft
from strongroom.repository.names import segment_name
from strongroom.repository.opened import OpenRepository
from strongroom.repository.private import Private
from strongroom.repository.session import Effort
from strongroom.repository.snapshots import Snapshot

FILES_AT_ONCE: Final = 4096


@dataclass(frozen=True, slots=True)
class RepairResult:
    """What a repair found lost, and what became of it."""

    lost_chunks: int
    """That snapshots need, before."""
    stored_chunks: int
    """Of these, now there again."""
    read_files: int
    """Of the sources: as long as a file that was hurt."""
    new_bytes: int
    lost_files: int
    """That are still hurt; each was reported."""
    lost_snapshots: int
    """Whose manifest cannot be read; no source can bring that back."""


@dataclass(slots=True)
class _Lost:
    """Chunks that are nowhere, and how long the files are that need them."""

    ids: set[bytes]
    sizes: set[int]


def repair(
    opened: OpenRepository,
    sources: Sequence[str | bytes | os.PathLike[str]],
    *,
    report: Callable[[Finding], None],
    threads: int = 0,
    watch: Watch = UNWATCHED,
) -> RepairResult:
    """Verify all data, and store again the chunks that are lost and that files below sources
    still have, wherever these lie and whatever they are called now.

    report: called for each file that stays hurt, and each manifest that cannot be read. Raises
    SourceError where a source cannot be looked at, TargetError, CancelledError.
    """
    for source in sources:
        if not os.path.lexists(source):
            raise SourceError(f"repairing: {os.fsdecode(source)}: there is no such file or folder")
    inner = Watch(cancel=watch.cancel)
    verify(opened, data=True, threads=threads or None, report=lambda _: None, watch=watch)
    lost, unread = _Lost(set(), set()), 0
    for snapshot in opened.snapshots:
        unread += _collect(opened, snapshot, lost, report)
    read = new_bytes = 0
    if lost.ids:
        read, new_bytes = _store(opened, sources, lost, Effort(threads=threads), inner)
    found = opened.index.find(b"".join(lost.ids))
    hurt = sum(_name_hurt(opened, snapshot, report) for snapshot in opened.snapshots)
    return RepairResult(len(lost.ids), int(found.sum()), read, new_bytes, hurt, unread)


def _collect(
    opened: OpenRepository, snapshot: Snapshot, lost: _Lost, report: Callable[[Finding], None]
) -> int:
    """1: it cannot be read."""
    try:
        for _, size, missing in _missing(opened, snapshot):
            lost.ids.update(missing)
            lost.sizes.add(size)
    except DamagedError as error:
        report(Finding(error, segment=snapshot.id, snapshot=snapshot))
        return 1
    return 0


def _name_hurt(
    opened: OpenRepository, snapshot: Snapshot, report: Callable[[Finding], None]
) -> int:
    """How many files of a snapshot still miss something."""
    count = 0
    try:
        for path, _, missing in _missing(opened, snapshot):
            count += 1
            error = DamagedError(
                f"snapshot {snapshot.id.hex()}: {os.fsdecode(path)}: {len(missing)} of its chunks "
                "are lost"
            )
            report(Finding(error, snapshot=snapshot, path=path))
    except DamagedError:
        return count  # it was reported
    return count


def _missing(
    opened: OpenRepository, snapshot: Snapshot
) -> Iterator[tuple[bytes, int, list[bytes]]]:
    """Path, size and lost chunks of each file that has any."""
    doing = f"snapshot {snapshot.id.hex()}"
    with opened.open_manifest(snapshot) as source:
        reader = ManifestReader(source, doing=doing)
        for entry in reader:
            if entry.type != FILE or not entry.size:
                continue
            missing: list[bytes] = []
            for block in reader.ids():
                rows = as_ids(block)
                missing += each_id(rows[~opened.index.find(rows)].tobytes())
            if missing:
                yield entry.path, entry.size, missing


def _store(
    opened: OpenRepository,
    sources: Sequence[str | bytes | os.PathLike[str]],
    lost: _Lost,
    effort: Effort,
    watch: Watch,
) -> tuple[int, int]:
    """Take in every file below sources that is as long as one that was hurt. How many that were,
    and the stored bytes that it added."""
    read = 0
    with opened.begin_session(effort=effort, watch=watch) as session:
        paths = _files(sources, lost.sizes)
        while batch := list(islice(paths, FILES_AT_ONCE)):
            session.write.files(batch, watch=watch)
            read += len(batch)
        added = tuple(session.finish(watch=watch))
        if not added:
            return read, 0
        folder = session.spool.folder
        opened.store.adopt([(folder / s.id.hex(), segment_name(s.id)) for s in added])
        private = Private(time.time_ns(), platform.node(), session.id)
        opened.append(Draft(session.base, added, private), lambda draft, _: draft)
        session.committed = True
    return read, sum(segment.length for segment in added)


def _files(sources: Sequence[str | bytes | os.PathLike[str]], sizes: set[int]) -> Iterator[bytes]:
    """Regular files of one of these sizes; links are followed only on the way to a source."""
    for source in map(os.fsencode, sources):
        if os.path.isdir(source):  # noqa: PTH112  # bytes
            for folder, _, names in os.walk(without_links(source), onerror=_fail):
                paths = (os.path.join(folder, name) for name in names)  # noqa: PTH118  # bytes
                yield from (path for path in paths if _fits(path, sizes))
        elif _fits(source, sizes):
            folder, name = os.path.split(source)
            yield os.path.join(without_links(folder or b"."), name)  # noqa: PTH118  # bytes


def _fits(path: bytes, sizes: set[int]) -> bool:
    try:
        status = os.lstat(path)
        return status.st_size in sizes and stat.S_ISREG(status.st_mode)
    except OSError:
        return False


def _fail(error: OSError) -> None:
    raise StrongroomError(f"repairing: reading {error.filename}: {error.strerror}") from None
