"""Check that every snapshot can be restored."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strongroom._core import TYPE_DATA, TYPE_MANIFEST, UNWATCHED, Watch
from strongroom._core.segments import segment_error
from strongroom.errors import CancelledError, DamagedError, StrongroomError
from strongroom.manifest.entry import FILE, ID_LEN
from strongroom.manifest.reader import ManifestReader
from strongroom.ops.subset import AllOfThem, DataSource, SubsetSource
from strongroom.ops.threads import thread_limit
from strongroom.repository.entry import SegmentRef
from strongroom.repository.opened import OpenRepository
from strongroom.repository.rounds import Covered
from strongroom.repository.snapshots import Snapshot
from strongroom.repository.stored_segment import check_segment

_IDS_AT_ONCE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is damaged: a segment, a manifest, or a file in a snapshot."""

    error: StrongroomError
    segment: bytes | None = None
    snapshot: Snapshot | None = None
    path: bytes | None = None
    """With a snapshot. None: what is in the snapshot cannot be known."""


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What was checked, and how much of it is damaged; each was reported."""

    snapshots: int
    files: int
    """In all snapshots; a file counts in each that has it."""
    segments: int
    stored_bytes: int
    damaged_segments: int
    damaged_snapshots: int
    """Whose manifest cannot be read."""
    damaged_files: int
    read: Covered | None = None
    """How much of the data segments was read; None: only their directories."""
    round: Covered | None = None
    """With a subset: how much was read since the round began."""


Report = Callable[[Finding], None]


def _ignore(_: object) -> None:
    """For those who do not want to know."""


def verify(
    opened: OpenRepository,
    *,
    data: bool = False,
    subset: float | None = None,
    threads: int | None = None,
    report: Report,
    note: Callable[[str], None] = _ignore,
    on_total: Callable[[int], None] = _ignore,
    watch: Watch = UNWATCHED,
) -> VerifyResult:
    """Check that every segment of the log is there, that all manifests and directories can be
    read, and that every chunk a file needs is in a directory.

    data: check every stored byte too: every frame, record, chunk id and root. subset: a part of
    them, at least that share of the stored bytes, above 0 and up to 1; the next call goes on from
    there, and when all were checked begins again. on_total: called with the bytes to be read,
    manifests included. What is found lost is forgotten by the index, so that the next backup stores
    it again. report: called for each damaged segment, and then for exactly those files that cannot
    be restored. The log was checked when the repository was opened. Raises CancelledError,
    UsageError.
    """
    work = _Verification(opened, thread_limit(threads), report, watch)
    if subset is not None:
        return work.run(SubsetSource(opened, subset, note), on_total)
    return work.run(AllOfThem() if data else None, on_total)


class _Verification:
    """One run. Segments first, because then the index says which chunks are left."""

    def __init__(self, opened: OpenRepository, threads: int, report: Report, watch: Watch) -> None:
        self._opened = opened
        self._threads = threads
        self._report = report
        self._watch = watch
        self._damaged: set[bytes] = set()
        self._done_bytes = 0
        self._files = 0
        self._damaged_files = 0
        self._damaged_snapshots = 0

    def run(self, source: DataSource | None, on_total: Callable[[int], None]) -> VerifyResult:
        segments = list(self._opened.log.segments())
        self._check_presence(segments)
        bad: dict[bytes, NDArray[np.uint8]] = {}
        manifests = {s.id: s.length for s in segments if s.type == TYPE_MANIFEST}
        due: Sequence[SegmentRef] = ()
        if source is not None:
            due = source.begin([s for s in segments if s.type == TYPE_DATA])
        on_total(sum(segment.length for segment in due) + sum(manifests.values()))
        if source is not None:
            bad = self._check_data(due, source)
        inner = Watch(cancel=self._watch.cancel)
        failures = self._opened.rebuild_index(
            damaged=self._damaged_data(segments), bad=bad, watch=inner
        )
        for segment_id, error in failures.items():
            self._blame(segment_id, error)
        snapshots = self._opened.snapshots
        for snapshot in snapshots:
            self._check_snapshot(snapshot)
            self._done_bytes += manifests[snapshot.id]
            if self._watch.progress is not None:
                self._watch.progress(self._done_bytes, 0)
        return VerifyResult(
            snapshots=len(snapshots),
            files=self._files,
            segments=len(segments),
            stored_bytes=sum(segment.length for segment in segments),
            damaged_segments=len(self._damaged),
            damaged_snapshots=self._damaged_snapshots,
            damaged_files=self._damaged_files,
            read=None if source is None else source.read,
            round=None if source is None else source.round,
        )

    def _blame(self, segment_id: bytes, error: StrongroomError) -> None:
        """Each segment once, for what was found first."""
        if segment_id not in self._damaged:
            self._damaged.add(segment_id)
            self._report(Finding(error, segment=segment_id))

    def _damaged_data(self, segments: Sequence[SegmentRef]) -> list[bytes]:
        return [s.id for s in segments if s.type == TYPE_DATA and s.id in self._damaged]

    def _check_presence(self, segments: Sequence[SegmentRef]) -> None:
        for segment in segments:
            try:
                doing = f"segment {segment.id.hex()}"
                check_segment(self._opened.store, segment, doing=doing)
            except StrongroomError as error:
                self._blame(segment.id, error)
            self._pause()

    def _check_data(
        self, due: Sequence[SegmentRef], source: DataSource
    ) -> dict[bytes, NDArray[np.uint8]]:
        """Read data segments. The ids of chunks that are bad, by segment."""
        lost: dict[bytes, NDArray[np.uint8]] = {}
        for at in range(0, len(due), source.at_once):
            batch = due[at : at + source.at_once]
            statuses, bad = self._opened.segments.verify(
                [segment.id for segment in batch],
                [segment.root for segment in batch],
                watch=self._from_here(),
                threads=self._threads,
            )
            lost |= bad
            self._done_bytes += sum(segment.length for segment in batch)
            for segment, status in zip(batch, statuses, strict=True):
                error = segment_error(status, segment.id)
                if error is not None:
                    self._blame(segment.id, error)
            source.done(batch)
        return lost

    def _check_snapshot(self, snapshot: Snapshot) -> None:
        """Read a manifest to its end, and look up every chunk that it names."""
        doing = f"snapshot {snapshot.id.hex()}"
        try:
            with self._opened.open_manifest(snapshot) as source:
                reader = ManifestReader(source, doing=doing)
                for path, count in self._lost_chunks(reader):
                    self._damaged_files += 1
                    name, are = os.fsdecode(path), "is" if count == 1 else "are"
                    error = DamagedError(f"{doing}: {name}: {count} of its chunks {are} lost")
                    self._report(Finding(error, snapshot=snapshot, path=path))
                self._files += reader.files
                counts = (reader.entries, reader.files, reader.bytes % 2**64)
                if counts != (snapshot.entries, snapshot.files, snapshot.bytes):
                    raise DamagedError(f"{doing}: it has not as many files as the log says")
        except StrongroomError as error:
            if isinstance(error, CancelledError):
                raise
            self._damaged_snapshots += 1
            self._report(Finding(error, segment=snapshot.id, snapshot=snapshot))

    def _lost_chunks(self, reader: ManifestReader) -> Iterator[tuple[bytes, int]]:
        """Files with chunks that are nowhere, and how many."""
        paths: list[bytes] = []
        counts: list[int] = []
        blocks: list[bytes] = []
        waiting = 0
        for entry in reader:
            if entry.type != FILE or not entry.size:
                continue
            paths.append(entry.path)
            counts.append(0)
            for block in reader.ids():
                blocks.append(block)
                counts[-1] += len(block) // ID_LEN
                waiting += len(block) // ID_LEN
            if waiting >= _IDS_AT_ONCE:
                yield from self._look_up(paths, counts, blocks)
                paths, counts, blocks, waiting = [], [], [], 0
                self._pause()
        yield from self._look_up(paths, counts, blocks)

    def _look_up(
        self, paths: list[bytes], counts: list[int], blocks: list[bytes]
    ) -> Iterator[tuple[bytes, int]]:
        ids = np.frombuffer(b"".join(blocks), np.uint8).reshape(-1, ID_LEN)
        found = self._opened.index.find(ids)
        if found.all():
            return
        starts = np.cumsum([0, *counts[:-1]])
        lost = np.add.reduceat(~found, starts, dtype=np.int64)
        for number in np.flatnonzero(lost):
            yield paths[number], int(lost[number])

    def _pause(self) -> None:
        if self._watch.cancel is not None and self._watch.cancel.is_set():
            raise CancelledError("verifying: cancelled")

    def _from_here(self) -> Watch:
        progress, done = self._watch.progress, self._done_bytes
        if progress is None:
            return self._watch
        return Watch(lambda read, _: progress(done + read, 0), self._watch.cancel)
