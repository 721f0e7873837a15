"""A backup's batches, read by the core and written to a manifest."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from strongroom._core import UNWATCHED, Endpoint, Watch
from strongroom._core.session import CHANGED, NOT_REGULAR, OK, FileResult
from strongroom.errors import SourceError
from strongroom.manifest.entry import FILE, ID_LEN, Entry
from strongroom.manifest.writer import ManifestWriter
from strongroom.ops.counts import Counts
from strongroom.ops.gather import Batch, Fresh, LinkKey
from strongroom.ops.record import Recorder


class Reading(Protocol):
    """Files that are being read. Close it whatever happens."""

    def watch(self, watch: Watch, /) -> tuple[Iterable[FileResult], bytes]:
        """At their end what became of each, and the ids of all chunks one after another."""

    def close(self) -> None:
        """Stop if they still are."""


class ChunkSink(Protocol):
    """What takes in the contents of files and gives ids of chunks: a WriteSession."""

    def start_files(self, paths: Sequence[bytes], /) -> Reading:
        """Begin to read them; one call at a time."""

    def stream(self, source: Endpoint, *, watch: Watch = UNWATCHED) -> tuple[FileResult, bytes]:
        """A result of which size and new_len count, and the ids of its chunks."""


class Savepoints(Protocol):
    """Where a long backup commits what it has."""

    def note(self) -> None:
        """Time goes by."""

    def is_due(self, written: int, new_bytes: int, /) -> bool:
        """Is it time to save? written: bytes of the manifest so far; new_bytes: of contents."""

    def save(self, writer: ManifestWriter, counts: Counts, /) -> None:
        """What writer was given."""


class Recording:
    """Takes batches in order. Counts as it goes. Finish it, and close it whatever happens."""

    def __init__(
        self,
        *,
        sink: ChunkSink | None,
        manifest: ManifestWriter,
        recorder: Recorder,
        report: Callable[[SourceError], None],
        watch: Watch,
        milestones: Savepoints | None = None,
    ) -> None:
        """sink: None to look only; then new_bytes counts what would be read."""
        self._sink = sink
        self._manifest = manifest
        self._recorder = recorder
        self._report = report
        self._watch = watch
        self._milestones = milestones
        self._running: tuple[Batch, Reading | None] | None = None
        self._links: dict[LinkKey, tuple[FileResult, bytes]] = {}
        self.done_bytes = 0
        """Sizes of files that were read or taken over."""
        self.new_bytes = 0
        """Stored bytes that were added."""
        self.errors = 0

    def take(self, batch: Batch) -> None:
        """Begin to read what is to be read, and write down the batch before meanwhile. Raises what
        fails the whole backup."""
        before = self._end_reading()
        if before is not None and self._is_due():
            self._write_down(*before)
            before = None
            self._save()
        reading = None
        if batch.paths and self._sink is not None:
            reading = self._sink.start_files(batch.paths)
        self._running = batch, reading
        if before is not None:
            self._write_down(*before)

    def finish(self) -> None:
        """Write down the last batch."""
        before = self._end_reading()
        if before is not None:
            self._write_down(*before)

    def counts(self) -> Counts:
        """So far."""
        manifest = self._manifest
        return Counts(manifest.entries, manifest.files, manifest.bytes, self.new_bytes, self.errors)

    def close(self) -> None:
        """Stop reading. More than once is fine."""
        running, self._running = self._running, None
        if running is not None and running[1] is not None:
            running[1].close()

    def _end_reading(self) -> tuple[Batch, list[FileResult], bytes] | None:
        """The batch that was taken last, and what was read for it."""
        if self._running is None:
            return None
        batch, reading = self._running
        if reading is None:
            self._running = None
            return batch, [], b""
        try:
            results, ids = reading.watch(self._from_here())
        finally:
            self.close()
        self.done_bytes += batch.bytes
        reads = list(results)
        self.new_bytes += sum(read.new_len for read in reads)
        return batch, reads, ids

    def _write_down(self, batch: Batch, reads: list[FileResult], ids: bytes) -> None:
        for error in batch.errors:
            self._fail(error)
        rows, put = iter(reads), self._manifest.put
        for slot in batch.slots:
            if not isinstance(slot, Fresh):
                put(*slot)
            elif self._sink is None:
                put(slot.path, FILE, slot.size, b"")
            elif slot.read:
                self._record(slot, next(rows), ids)
            else:
                self._record_again(slot)
        self.done_bytes += batch.kept_bytes
        if self._sink is None:
            self.done_bytes += batch.bytes
            self.new_bytes += batch.bytes
        if self._watch.progress is not None:
            self._watch.progress(self.done_bytes, self.new_bytes)

    def take_stream(self, name: bytes, source: Endpoint) -> None:
        """A file of that name, with what source gives."""
        if self._sink is None:
            return
        result, ids = self._sink.stream(source, watch=self._from_here())
        now = time.time_ns()
        uid, gid = os.geteuid(), os.getegid()
        entry = Entry(name, FILE, 0o600, uid, gid, now, now, 0, 0, 1, result.size)
        entry = entry._replace(user=self._recorder.user(uid), group=self._recorder.group(gid))
        self._manifest.add(entry, ids)
        self.done_bytes += entry.size
        self.new_bytes += result.new_len

    def _record(self, file: Fresh, read: FileResult, ids: bytes) -> None:
        if read.status == CHANGED:
            self._fail(SourceError(f"reading {_shown(file)}: it changed while it was read"))
        elif read.status == NOT_REGULAR:
            self._fail(SourceError(f"reading {_shown(file)}: it is no longer a regular file"))
            return
        elif read.status != OK:
            self._fail(SourceError(f"reading {_shown(file)}: {os.strerror(read.os_error)}"))
            return
        start = read.first_id * ID_LEN
        own = ids[start : start + read.id_count * ID_LEN]
        self._manifest.add(self._recorder.of_file(file.path, read, file.xattrs), own)
        if file.link is not None and not file.last:
            self._links[file.link] = read, own

    def _record_again(self, file: Fresh) -> None:
        """Another name of a file that was read."""
        found = None if file.link is None else self._links.get(file.link)
        if file.link is not None and file.last:
            self._links.pop(file.link, None)
        if found is None:
            message = f"reading {_shown(file)}: it could not be read under its other name"
            self._fail(SourceError(message))
            return
        read, own = found
        self._manifest.add(self._recorder.of_file(file.path, read, file.xattrs), own)

    def _fail(self, error: SourceError) -> None:
        self.errors += 1
        self._report(error)

    def _from_here(self) -> Watch:
        """The caller's watch, with counts that go on from what is done."""
        progress, done, new = self._watch.progress, self.done_bytes, self.new_bytes

        def tell(read: int, stored: int) -> None:
            if self._milestones is not None:
                self._milestones.note()
            if progress is not None:
                progress(done + read, new + stored)

        return Watch(tell, self._watch.cancel)

    def _is_due(self) -> bool:
        milestones, written = self._milestones, self._manifest.length
        return milestones is not None and milestones.is_due(written, self.new_bytes)

    def _save(self) -> None:
        if self._milestones is not None:
            self._milestones.save(self._manifest, self.counts())


def _shown(file: Fresh) -> str:
    return os.fsdecode(file.real)
