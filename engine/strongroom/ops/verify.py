"""Check that every snapshot can be restored."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from strongroom._core import CHUNK_LEN, TYPE_DATA, TYPE_MANIFEST, UNWATCHED, Watch
from strongroom._core.rows import as_array
from strongroom._core.segments import segment_error
from strongroom.errors import CancelledError, DamagedError, StrongroomError
from strongroom.manifest.entry import FILE, chunks_of
from strongroom.manifest.reader import ManifestReader
from strongroom.ops.subset import AllOfThem, DataSource, SubsetSource
from strongroom.ops.threads import thread_limit
from strongroom.repository.entry import SegmentRef
from strongroom.repository.opened import OpenRepository
from strongroom.repository.rounds import Covered
from strongroom.repository.snapshots import Snapshot
from strongroom.repository.stored_segment import check_segment

_IDS_AT_ONCE: Final = 1 << 16
_DIRECTORY: Final = 256 << 10
_ENTRY: Final = 4 << 10
"""Bytes of data that take about as long as reading a segment's directory on a disk, and checking an
entry of a manifest: they count as so many, or else the time left would be a lie."""


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
    read, and that every chunk a file needs is in a directory, as long as the file's size says.

    data: check every stored byte too: every frame, record, chunk id and root. subset: a part of
    them, at least that share of the stored bytes, above 0 and up to 1; the next call goes on from
    there, and when all were checked begins again. on_total: called with how much there is to do, of
    which watch.progress tells what is done: bytes, and for directories and entries of manifests so
    many as take as long. What is found lost is forgotten by the index, so that the next backup
    stores it again. report: called for each damaged segment, and then for exactly those files that
    cannot be restored. The log was checked when the repository was opened. Raises CancelledError,
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
        self._done = 0  # of what on_total was told
        self._told = 0
        self._files = 0
        self._damaged_files = 0
        self._damaged_snapshots = 0

    def run(self, source: DataSource | None, on_total: Callable[[int], None]) -> VerifyResult:
        segments = list(self._opened.log.segments())
        self._check_presence(segments)
        bad: dict[bytes, bytes] = {}
        lengths = {s.id: s.length for s in segments if s.type == TYPE_MANIFEST}
        snapshots = self._opened.snapshots
        costs = [lengths[one.id] + one.entries * _ENTRY for one in snapshots]
        stored = [s for s in segments if s.type == TYPE_DATA]
        due = () if source is None else source.begin(stored)
        on_total(sum(one.length for one in due) + len(stored) * _DIRECTORY + sum(costs))
        if source is not None:
            bad = self._check_data(due, source)
        failures = self._opened.rebuild_index(
            damaged=self._damaged_data(segments), bad=bad, watch=self._reading_directories(stored)
        )
        self._done += len(stored) * _DIRECTORY
        for segment_id, error in failures.items():
            self._blame(segment_id, error)
        for snapshot, cost in zip(snapshots, costs, strict=True):
            self._check_snapshot(snapshot, cost)
            self._done += cost
            self._tell()
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

    def _check_data(self, due: Sequence[SegmentRef], source: DataSource) -> dict[bytes, bytes]:
        """Read data segments. The ids of chunks that are bad, by segment."""
        lost: dict[bytes, bytes] = {}
        for at in range(0, len(due), source.at_once):
            batch = due[at : at + source.at_once]
            statuses, bad = self._opened.segments.verify(
                [segment.id for segment in batch],
                [segment.root for segment in batch],
                watch=Watch(lambda read, _: self._tell(read), self._watch.cancel),
                threads=self._threads,
            )
            lost |= bad
            self._done += sum(segment.length for segment in batch)
            self._tell()
            for segment, status in zip(batch, statuses, strict=True):
                error = segment_error(status, segment.id)
                if error is not None:
                    self._blame(segment.id, error)
            source.done(batch)
        return lost

    def _reading_directories(self, stored: Sequence[SegmentRef]) -> Watch:
        """A job tells of the lengths of the segments that it is done with."""
        cost, length = len(stored) * _DIRECTORY, max(1, sum(segment.length for segment in stored))

        def progress(_: int, passed: int) -> None:
            self._tell(min(cost, cost * passed // length))

        return Watch(progress, self._watch.cancel)

    def _check_snapshot(self, snapshot: Snapshot, cost: int) -> None:
        """Read a manifest to its end, and look up every chunk that it names."""
        doing = f"snapshot {snapshot.id.hex()}"
        try:
            with self._opened.open_manifest(snapshot) as source:
                reader = ManifestReader(source, doing=doing)
                for path, why in self._hurt_files(reader, cost):
                    self._damaged_files += 1
                    error = DamagedError(f"{doing}: {os.fsdecode(path)}: {why}")
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

    def _hurt_files(self, reader: ManifestReader, cost: int) -> Iterator[tuple[bytes, str]]:
        """Those that cannot be restored, and why."""
        files: list[tuple[bytes, int]] = []
        blocks: list[bytes] = []
        waiting = 0
        for entry in reader:
            if entry.type != FILE or not entry.size:
                continue
            files.append((entry.path, entry.size))
            blocks.extend(reader.ids())
            waiting += chunks_of(entry.size)
            if waiting >= _IDS_AT_ONCE:
                yield from self._look_up(files, blocks)
                files, blocks, waiting = [], [], 0
                self._tell(min(cost, reader.entries * _ENTRY))
                self._pause()
        yield from self._look_up(files, blocks)

    def _look_up(
        self, files: list[tuple[bytes, int]], blocks: list[bytes]
    ) -> Iterator[tuple[bytes, str]]:
        """Are all chunks known, and as long as the files' sizes say?"""
        lengths = as_array(self._opened.index.lengths(b"".join(blocks)), np.uint32)
        sizes = np.array([size for _, size in files], np.int64)
        counts = -(-sizes // CHUNK_LEN)
        ends = np.cumsum(counts)
        due = np.full(len(lengths), CHUNK_LEN, np.uint32)
        due[ends - 1] = sizes - (counts - 1) * CHUNK_LEN
        if (lengths == due).all():
            return
        lost = np.add.reduceat(lengths == 0, ends - counts, dtype=np.int64)
        wrong = np.add.reduceat(lengths != due, ends - counts, dtype=np.int64)
        for number in np.flatnonzero(wrong):
            count, state = lost[number], "lost"
            if not count:
                count, state = wrong[number], "not as long as its size says"
            are = "is" if count == 1 else "are"
            yield files[number][0], f"{count} of its chunks {are} {state}"

    def _pause(self) -> None:
        if self._watch.cancel is not None and self._watch.cancel.is_set():
            raise CancelledError("verifying: cancelled")

    def _tell(self, more: int = 0) -> None:
        """What is done, never less than before: several jobs read directories."""
        self._told = max(self._told, self._done + more)
        if self._watch.progress is not None:
            self._watch.progress(self._told, 0)
