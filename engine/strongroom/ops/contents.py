"""Contents of files, fetched for many small ones at once and for large ones piece by piece.

While the core fetches a batch, the next one is made ready.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from strongroom._core import CHUNK_LEN, Watch
from strongroom._core.rows import ID_LEN, Rows, each_id
from strongroom._core.segments import SPARSE as WANT_SPARSE
from strongroom._core.segments import WANT, Want, failures, want_error
from strongroom.errors import StrongroomError, TargetError
from strongroom.manifest.entry import SPARSE, Entry
from strongroom.ops.descriptors import fitting
from strongroom.ops.landing import Landing

FILES_MAX: Final = 128  # open at once are twice as many
BYTES_MAX: Final = 256 << 20

_FULL: Final = {errno.ENOSPC, errno.EDQUOT}


class Fetching(Protocol):
    """A fetch that runs. Close it whatever happens."""

    def watch(self, watch: Watch, /) -> object:
        """Wait for its end. Raises what it failed of as a whole, and CancelledError."""

    def close(self) -> None:
        """Stop it if it still runs."""


class ChunkSource(Protocol):
    """Where chunks come from: Segments with an index."""

    def start(self, wants: Rows[Want], fds: Sequence[int], /) -> Fetching:
        """Begin to write chunks to files. At the end, what came of each stands in wants."""


class Linked:
    """A file of several names."""

    def __init__(self, left: int) -> None:
        self.left = left
        """Names that are still to come."""
        self.begun = False
        """One of them was taken to be written."""
        self.path: bytes | None = None
        """The one that was written; never what was there before, which only looks the same."""


class Pending:
    """A file whose contents are being fetched."""

    def __init__(
        self, entry: Entry, landing: Landing, replace: bool, link: Linked | None = None
    ) -> None:
        """link: if it has several names."""
        self.entry = entry
        self.landing = landing
        self.replace = replace
        self.link = link
        self.error: StrongroomError | None = None
        """Why it cannot be had."""


class _Piece(NamedTuple):
    """Some chunks of a file."""

    file: Pending
    first: int
    ids: bytes


class _Batch:
    """What is fetched in one go, and the files that are whole after it."""

    def __init__(self) -> None:
        self.pieces: list[_Piece] = []
        self.whole: list[Pending] = []
        self.bytes = 0


class _Running(NamedTuple):
    """A batch that is being fetched."""

    batch: _Batch
    files: list[Pending]
    wants: Rows[Want]
    job: Fetching | None


class Contents:
    """Collects files, fetches a batch when it is large enough, hands files back when whole."""

    def __init__(
        self, source: ChunkSource, finish: Callable[[Pending], None], *, watch: Watch
    ) -> None:
        """finish: called for each file, in order; its landing is then that function's to end."""
        self._source = source
        self._finish = finish
        self._watch = watch
        self._files_max = fitting(FILES_MAX)
        self._batch = _Batch()
        self._running: _Running | None = None
        self._open: set[Pending] = set()
        self._full: StrongroomError | None = None  # there is no room for any more
        self.done_bytes = 0

    def add(self, file: Pending, blocks: Iterable[bytes]) -> None:
        """blocks: the ids of its chunks, some at a time. Raises what fails everything."""
        self._open.add(file)
        try:
            self._collect(file, blocks)
        except StrongroomError as error:
            file.error = file.error or error
            raise
        finally:
            self._batch.whole.append(file)  # even if all of it never comes
        if self._batch.bytes >= BYTES_MAX or len(self._batch.whole) >= self._files_max:
            self._go_on()

    def _collect(self, file: Pending, blocks: Iterable[bytes]) -> None:
        first = 0
        for ids in blocks:
            if file.error is None:
                self._batch.pieces.append(_Piece(file, first, ids))
                self._batch.bytes += len(ids) // ID_LEN * CHUNK_LEN
            first += len(ids) // ID_LEN
            if self._batch.bytes >= BYTES_MAX and len(ids) > ID_LEN:
                self._go_on()

    def flush(self) -> None:
        """Fetch and finish all there is."""
        while self._open:
            self._go_on()

    def abandon(self) -> None:
        """Leave nothing behind of what was not finished."""
        running, self._running = self._running, None
        if running is not None and running.job is not None:
            running.job.close()
        for file in self._open:
            file.landing.abandon()
        self._open.clear()

    def _go_on(self) -> None:
        """Wait for the batch that runs, start the next, and finish what is whole meanwhile."""
        before = self._running
        if before is not None:
            self._await(before)
        if self._full is None:
            batch, self._batch = self._batch, _Batch()
            self._running = self._start(batch)
        for file in () if before is None else before.batch.whole:
            self._open.discard(file)
            self._finish(file)
        if self._full is not None:
            raise self._full

    def _start(self, batch: _Batch) -> _Running:
        files = list({id(piece.file): piece.file for piece in batch.pieces}.values())
        wants = _wants(batch.pieces, files)
        job = self._source.start(wants, [f.landing.fd for f in files]) if len(wants) else None
        return _Running(batch, files, wants, job)

    def _await(self, running: _Running) -> None:
        if running.job is None:
            return
        done, progress = self.done_bytes, self._watch.progress
        watch = self._watch
        if progress is not None:
            watch = Watch(lambda read, written: progress(read, done + written), watch.cancel)
        running.job.watch(watch)
        running.job.close()
        self.done_bytes += sum(running.wants.column("raw_len"))
        for bad in failures(running.wants):
            self._blame(running.files[bad.file], bad)

    def _blame(self, file: Pending, bad: Want) -> None:
        """Remember why a file cannot be had, and whether no other can either."""
        if file.error is None:
            file.error = want_error(bad, doing=f"restoring {os.fsdecode(file.entry.path)}")
        if isinstance(file.error, TargetError) and bad.os_error in _FULL:
            self._full = file.error


def _wants(pieces: list[_Piece], files: list[Pending]) -> Rows[Want]:
    """All chunks of all pieces."""
    numbers = {id(file): number for number, file in enumerate(files)}
    wants = []
    for piece in pieces:
        number, size = numbers[id(piece.file)], piece.file.entry.size
        flags = WANT_SPARSE * (piece.file.entry.flags & SPARSE)
        for at, one in enumerate(each_id(piece.ids), piece.first):
            off = at * CHUNK_LEN
            wants.append((one, min(size - off, CHUNK_LEN), number, off, flags, 0, 0, 0))
    return WANT.rows(wants)
