"""Data segments of a repository, read: loaded into a chunk index, fetched from, verified."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from strongroom._core.failures import check, failure_error, text_of
from strongroom._core.index import ChunkIndex
from strongroom._core.jobs import UNWATCHED, Job, Watch
from strongroom._core.rows import ID_LEN as CHUNK_ID_LEN
from strongroom._core.rows import Layout, Rows
from strongroom._native import ffi, lib
from strongroom.errors import DamagedError, SourceError, StrongroomError

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Buffer

ID_LEN = 16
ROOT_LEN = 32
KEY_LEN = 32

SPARSE = 1
"""A want's flag: zeros are not written, as the file reads as zeros there anyway."""

OK: int = lib.SRM_OK
NOT_FOUND: int = lib.SRM_ENOTFOUND


class Want(NamedTuple):
    """`srm_want`: a chunk, where it goes, and what came of it."""

    id: bytes
    raw_len: int
    file: int
    off: int
    flags: int = 0
    status: int = 0
    place: int = 0
    os_error: int = 0


class SegmentStatus(NamedTuple):
    """`srm_segment_status`: what is known of a segment after loading or verifying it."""

    status: int
    place: int
    os_error: int
    chunks: int
    frame: int
    length: int
    bad_chunks: int
    bad_first: int


class ChunkEntry(NamedTuple):
    """`srm_chunk_entry`: a chunk as a directory lists it."""

    id: bytes
    raw_len: int
    stored_len: int


WANT = Layout(Want, "32s I I Q I i i i")
SEGMENT_STATUS = Layout(SegmentStatus, "i i i I Q Q Q Q")
CHUNK_ENTRY = Layout(ChunkEntry, "32s I I")


def _free_segments(holder: Any) -> None:
    lib.srm_segments_free(holder[0])
    holder[0] = ffi.NULL


class Segments:
    """The data segments below a folder, as `<2 hex>/<32 hex>`. Close it."""

    def __init__(self, *, repo_id: bytes, wrap_key: bytes, chunk_key: bytes, folder: Path) -> None:
        """Keys of 32 bytes. Raises SourceError if there is no such folder."""
        for given in (repo_id, wrap_key, chunk_key):
            if len(given) != KEY_LEN:
                raise ValueError("a key or id is not 32 bytes long")
        self._holder = ffi.new("srm_segments **")  # outlives its guard: it may be asked after close
        self._guard = ffi.gc(self._holder, _free_segments)
        try:
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise SourceError(f"open {folder}: {error.strerror}") from error
        try:
            status = lib.srm_segments_new(repo_id, wrap_key, chunk_key, fd, self._holder)
        finally:
            os.close(fd)
        check(status, doing=f"open {folder}")

    def load(
        self,
        index: ChunkIndex,
        ids: Sequence[bytes],
        *,
        watch: Watch = UNWATCHED,
        threads: int = 0,
    ) -> dict[bytes, StrongroomError]:
        """Put what segments hold into the index. The result says what is wrong with which.

        Of a segment whose directory is lost, chunks that can still be found are put.
        """
        statuses = SEGMENT_STATUS.zeros(len(ids))
        start = _Arguments()
        with closing(
            start.job(
                "load segments",
                lambda out: lib.srm_load_start(
                    self._open(),
                    index.handle,
                    start.joined(ids, ID_LEN),
                    len(ids),
                    start.writable("srm_segment_status[]", statuses.memory),
                    threads,
                    out,
                ),
            )
        ) as job:
            job.watch(watch)
        failures = (
            (name, segment_error(row, name)) for name, row in zip(ids, statuses, strict=True)
        )
        return {name: error for name, error in failures if error is not None}

    def directory(self, segment_id: bytes) -> Rows[ChunkEntry]:
        """What a segment holds. Raises DamagedError, SourceError."""
        if len(segment_id) != ID_LEN:
            raise ValueError(f"an id is not {ID_LEN} bytes long")
        room = CHUNK_ENTRY.zeros(lib.SRM_SEGMENT_CHUNKS_MAX)
        count, failure = ffi.new("uint64_t *"), ffi.new("srm_failure *")
        with ffi.from_buffer("srm_chunk_entry[]", room.memory, require_writable=True) as out:
            status = lib.srm_segment_directory(
                self._open(), segment_id, out, len(room), count, failure
            )
        if status == lib.SRM_OK:
            return room.first(count[0])
        error = _error_of(status, failure, doing=f"segment {segment_id.hex()}")
        if status == lib.SRM_ENOTFOUND:
            error = DamagedError(f"segment {segment_id.hex()}: missing")
        raise error

    def fetch(
        self,
        index: ChunkIndex,
        wants: Rows[Want],
        fds: Sequence[int],
        *,
        watch: Watch = UNWATCHED,
        threads: int = 0,
    ) -> None:
        """Write chunks to files, and into wants what came of each.

        `file` counts in fds, which are regular files.
        """
        with closing(self.start_fetch(index, wants, fds, threads=threads)) as job:
            job.watch(watch)

    def start_fetch(
        self,
        index: ChunkIndex,
        wants: Rows[Want],
        fds: Sequence[int],
        *,
        threads: int = 0,
    ) -> Job:
        """Begin to do that; the caller watches the job and closes it. fds must stay open, and wants
        be left alone, until it is closed."""
        start = _Arguments()
        return start.job(
            "fetch chunks",
            lambda out: lib.srm_fetch_start(
                self._open(),
                index.handle,
                start.wants(wants),
                len(wants),
                start.keep(ffi.new("int32_t[]", [*fds, -1])),
                len(fds),
                ffi.NULL,
                0,
                threads,
                out,
            ),
        )

    def fetch_into(
        self,
        index: ChunkIndex,
        wants: Rows[Want],
        buffer: Buffer,
        *,
        watch: Watch = UNWATCHED,
        threads: int = 0,
    ) -> None:
        """The same into memory: `off` counts in buffer, `file` is not looked at."""
        start = _Arguments()
        memory = start.writable("uint8_t[]", buffer)
        with closing(
            start.job(
                "fetch chunks",
                lambda out: lib.srm_fetch_start(
                    self._open(),
                    index.handle,
                    start.wants(wants),
                    len(wants),
                    ffi.NULL,
                    0,
                    memory,
                    len(memory),
                    threads,
                    out,
                ),
            )
        ) as job:
            job.watch(watch)

    def verify(
        self,
        ids: Sequence[bytes],
        roots: Sequence[bytes],
        *,
        watch: Watch = UNWATCHED,
        threads: int = 0,
    ) -> tuple[Rows[SegmentStatus], dict[bytes, bytes]]:
        """Check everything about segments. roots: what each is known to have.

        Returns a row for each, and of each segment that has any the ids of its chunks that are not
        good there, one after another.
        """
        if len(ids) != len(roots):
            raise ValueError("as many roots as ids are needed")
        statuses = SEGMENT_STATUS.zeros(len(ids))
        start = _Arguments()
        with closing(
            start.job(
                "verify segments",
                lambda out: lib.srm_verify_start(
                    self._open(),
                    start.joined(ids, ID_LEN),
                    start.joined(roots, ROOT_LEN),
                    len(ids),
                    start.writable("srm_segment_status[]", statuses.memory),
                    threads,
                    out,
                ),
            )
        ) as job:
            job.watch(watch)
            bad = job.ids()
        found = {
            name: bad[row.bad_first * CHUNK_ID_LEN :][: row.bad_chunks * CHUNK_ID_LEN]
            for name, row in zip(ids, statuses, strict=True)
            if row.bad_chunks
        }
        return statuses, found

    def close(self) -> None:
        """Close files and wipe keys. More than once is fine."""
        ffi.release(self._guard)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> Any:
        if self._holder[0] == ffi.NULL:
            raise ValueError("the segments are closed")
        return self._holder[0]


class _Arguments:
    """What a job works on, kept until the job is closed."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def job(self, doing: str, start: Callable[[Any], int]) -> Job:
        return Job(start, doing=doing, keep=self._stack)

    def keep(self, pointer: Any) -> Any:
        self._stack.callback(lambda: pointer)
        return pointer

    def joined(self, items: Sequence[bytes], length: int) -> Any:
        if any(len(item) != length for item in items):
            raise ValueError(f"an id or root is not {length} bytes long")
        return self._stack.enter_context(ffi.from_buffer("uint8_t[]", b"".join(items)))

    def wants(self, wants: Rows[Want]) -> Any:
        if wants.layout is not WANT:
            raise ValueError("the rows are of another layout")
        return self.writable("srm_want[]", wants.memory)

    def writable(self, kind: str, buffer: Buffer) -> Any:
        return self._stack.enter_context(ffi.from_buffer(kind, buffer, require_writable=True))


def segment_error(found: SegmentStatus, name: bytes) -> StrongroomError | None:
    """What a segment's row complains of, or None."""
    doing = f"segment {name.hex()}"
    if found.status == lib.SRM_OK:
        return None
    if found.status == lib.SRM_ENOTFOUND:
        return DamagedError(f"{doing}: missing")
    if found.place == lib.SRM_AT_ROOT:
        return DamagedError(f"{doing}: its bytes do not make the root it should have")
    return _error(found, frame=found.frame, doing=doing)


def failures(wants: Rows[Want]) -> list[Want]:
    """Those that were not written."""
    return [wants[at] for at, status in enumerate(wants.column("status")) if status != OK]


def want_error(want: Want, *, doing: str) -> StrongroomError | None:
    """What became of a chunk that was wanted, or None if it was written."""
    if want.status == lib.SRM_OK:
        return None
    if want.status == lib.SRM_ENOTFOUND:
        return DamagedError(f"{doing}: chunk {want.id.hex()}: missing")
    is_damage = want.status in (lib.SRM_EAUTH, lib.SRM_EDAMAGED)
    if is_damage and want.place in (lib.SRM_AT_FRAME, lib.SRM_AT_RECORD):
        # In which frame, a want does not say.
        text = text_of(lib.srm_status_text(want.status))
        return DamagedError(f"{doing}: chunk {want.id.hex()}: {text}")
    return _error(want, frame=0, doing=doing)


def _error(found: SegmentStatus | Want, *, frame: int, doing: str) -> StrongroomError:
    fields = {"status": found.status, "place": found.place, "os_error": found.os_error}
    failure = ffi.new("srm_failure *", {**fields, "frame": frame})
    return _error_of(found.status, failure, doing=doing)


def _error_of(status: int, failure: Any, *, doing: str) -> StrongroomError:
    error = failure_error(status, failure, doing=doing)
    if isinstance(error, StrongroomError):
        return error
    return StrongroomError(f"{doing}: {text_of(lib.srm_status_text(status))}")
