"""A backup session: files and streams into data segments, each chunk once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from strongroom._core.endpoints import Endpoint, source_of
from strongroom._core.failures import check
from strongroom._core.index import ChunkIndex
from strongroom._core.jobs import UNWATCHED, Job, Watch
from strongroom._core.rows import Layout, Rows
from strongroom._native import ffi, lib
from strongroom.errors import TargetError

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Buffer

TAKEN_AT_ONCE = 64
WORKING_FOLDER = -100  # AT_FDCWD of Linux
_BEGINNING = "beginning a session"

SPARSE = 1
"""A file result's flag: the file has holes."""

OK: int = lib.SRM_OK
CHANGED: int = lib.SRM_ECHANGED
UNREADABLE: int = lib.SRM_EIO
NOT_REGULAR: int = lib.SRM_EINVAL


class FileResult(NamedTuple):
    """`srm_file_result`: what became of one file, as it was when it was read."""

    status: int
    os_error: int
    mode: int
    flags: int
    size: int
    mtime_ns: int
    ctime_ns: int
    ino: int
    dev: int
    nlink: int
    uid: int
    gid: int
    first_id: int
    """Where its ids begin among those returned."""
    id_count: int
    new_len: int


FILE_RESULT = Layout(FileResult, "i i I I Q q q Q Q Q I I Q Q Q")


class SessionOptions:
    """What goes into the headers of a session's segments, and how to make them. Never shown, so no
    tuple."""

    def __init__(
        self,
        *,
        repo_id: bytes,
        session_id: bytes,
        session_key: bytes,
        chunk_key: bytes,
        envelopes: bytes,
        level: int,
        threads: int = 0,
    ) -> None:
        """chunk_key: of all chunk ids of the repository. envelopes: the list as stored, without
        fill. threads: at most this many; 0: as many as there are processors."""
        self.repo_id = repo_id
        self.session_id = session_id
        self.session_key = session_key
        self.chunk_key = chunk_key
        self.envelopes = envelopes
        self.level = level
        self.threads = threads

    def __repr__(self) -> str:
        return "SessionOptions(hidden)"


class SegmentInfo(NamedTuple):
    """A segment that is complete and on disk, but for its name in the folder."""

    id: bytes
    """16 bytes; its file is named by their hexadecimal digits."""
    root: bytes
    length: int
    type: int
    chunks: int


def _free_session(holder: Any, index: ChunkIndex, fd: int) -> None:
    """Holds the index, too, which is not to go before the session."""
    lib.srm_session_free(holder[0])
    holder[0] = ffi.NULL
    os.close(fd)


class FilesJob:
    """Files that are being taken in. Close it whatever happens, and before the session."""

    def __init__(self, job: Job, results: Rows[FileResult]) -> None:
        self._job = job
        self._results = results

    def watch(self, watch: Watch = UNWATCHED) -> tuple[Rows[FileResult], bytes]:
        """Wait for the end; see WriteSession.files."""
        self._job.watch(watch)
        return self._results, self._job.ids()

    def close(self) -> None:
        """Stop it if it still runs. More than once is fine."""
        self._job.close()


class WriteSession:
    """Chunks that the index does not know, gathered in segments in a folder.

    One call at a time. Whatever a call fails of, other than of single files, is the end of the
    session; but one that was cancelled only ends early. Close it: what is not complete then is
    removed.
    """

    def __init__(self, options: SessionOptions, *, index: ChunkIndex, folder: Path) -> None:
        """folder: where the segments are made. Raises TargetError if there is no such folder."""
        try:
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise TargetError(f"open {folder}: {error.strerror}") from error
        self._folder = folder
        free = partial(_free_session, index=index, fd=fd)
        self._holder = ffi.new("srm_session **")
        self._guard = ffi.gc(self._holder, free)
        try:
            self._begin(options, index, fd)
        except BaseException:
            self.close()
            raise

    def _begin(self, options: SessionOptions, index: ChunkIndex, fd: int) -> None:
        envelopes = ffi.from_buffer("uint8_t[]", options.envelopes)
        given = ffi.new(
            "srm_session_options *",
            {
                "repo_id": options.repo_id,
                "session_id": options.session_id,
                "session_key": options.session_key,
                "chunk_key": options.chunk_key,
                "envelopes": envelopes,
                "envelopes_len": len(options.envelopes),
                "level": options.level,
                "threads": options.threads,
                "spool_fd": fd,
            },
        )
        try:
            check(lib.srm_session_begin(given, index.handle, self._holder), doing=_BEGINNING)
        finally:
            ffi.buffer(given)[:] = bytes(ffi.sizeof("srm_session_options"))

    def files(
        self,
        paths: Sequence[bytes],
        *,
        dir_fd: int = WORKING_FOLDER,
        watch: Watch = UNWATCHED,
    ) -> tuple[Rows[FileResult], bytes]:
        """Take in regular files. Paths are relative to dir_fd.

        Returns a row for each path, and the ids of all their chunks one after another. Raises
        TargetError, CancelledError.
        """
        with closing(self.start_files(paths, dir_fd=dir_fd)) as job:
            return job.watch(watch)

    def start_files(self, paths: Sequence[bytes], *, dir_fd: int = WORKING_FOLDER) -> FilesJob:
        """Begin to do that; the caller watches the job and closes it."""
        results = FILE_RESULT.zeros(len(paths))
        joined = b"".join(path + b"\0" for path in paths)
        keep = ExitStack()
        names = keep.enter_context(ffi.from_buffer("char[]", joined))
        rows = keep.enter_context(
            ffi.from_buffer("srm_file_result[]", results.memory, require_writable=True)
        )
        job = Job(
            lambda out: lib.srm_session_files_start(
                self._open(), dir_fd, names, len(joined), len(paths), rows, out
            ),
            doing=f"storing files in {self._folder}",
            keep=keep,
        )
        return FilesJob(job, results)

    def stream(self, source: Endpoint, *, watch: Watch = UNWATCHED) -> tuple[FileResult, bytes]:
        """Take in all of a descriptor or of memory.

        Returns a row of which only size, ids and new_len are set, and its chunks' ids one after
        another. Raises SourceError, TargetError, CancelledError.
        """
        results = FILE_RESULT.zeros(1)
        keep = ExitStack()
        from_ = keep.enter_context(source_of(source))
        row = keep.enter_context(
            ffi.from_buffer("srm_file_result[]", results.memory, require_writable=True)
        )
        ids = self._run(
            f"storing a stream in {self._folder}",
            lambda out: lib.srm_session_stream_start(self._open(), from_[0], row, out),
            keep,
            watch,
        )
        return results[0], ids

    def chunks(self, memory: Buffer, ends: Sequence[int], *, watch: Watch = UNWATCHED) -> bytes:
        """Take in chunks that lie one behind the other in memory: chunk i ends at ends[i].

        Returns their ids one after another. Raises TargetError, CancelledError.
        """
        where = ffi.new("uint64_t[]", ends)
        keep = ExitStack()
        keep.callback(lambda: where)
        from_ = keep.enter_context(ffi.from_buffer("uint8_t[]", memory))
        if len(where) > 0 and where[len(where) - 1] > len(from_):
            keep.close()
            raise ValueError("a chunk ends behind the memory's end")
        return self._run(
            f"storing chunks again in {self._folder}",
            lambda out: lib.srm_session_chunks_start(self._open(), from_, where, len(where), out),
            keep,
            watch,
        )

    def flush(self, *, watch: Watch = UNWATCHED) -> None:
        """Close all segments: what was taken in is whole then. More can be taken in after that."""
        self._run(
            f"flushing segments in {self._folder}",
            lambda out: lib.srm_session_flush_start(self._open(), out),
            ExitStack(),
            watch,
        )

    def finish(self, *, watch: Watch = UNWATCHED) -> None:
        """Close all segments; nothing can be taken in after that."""
        self._run(
            f"finishing segments in {self._folder}",
            lambda out: lib.srm_session_finish_start(self._open(), out),
            ExitStack(),
            watch,
        )

    def take_segments(self) -> list[SegmentInfo]:
        """Segments that became complete since this was called last; their files are the caller's.

        At any time, also after a failure.
        """
        infos, count = ffi.new("srm_segment_info[]", TAKEN_AT_ONCE), ffi.new("size_t *")
        taken: list[SegmentInfo] = []
        while True:
            status = lib.srm_session_take_segments(self._open(), infos, TAKEN_AT_ONCE, count)
            check(status, doing="taking segments")
            taken.extend(_segment_info(infos[i]) for i in range(count[0]))
            if count[0] < TAKEN_AT_ONCE:
                return taken

    def close(self) -> None:
        """Remove what is not complete and wipe keys. More than once is fine."""
        ffi.release(self._guard)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> Any:
        if self._holder[0] == ffi.NULL:
            raise ValueError("the session is closed")
        return self._holder[0]

    def _run(self, doing: str, start: Callable[[Any], int], keep: ExitStack, watch: Watch) -> bytes:
        with closing(Job(start, doing=doing, keep=keep)) as job:
            job.watch(watch)
            return job.ids()


def _segment_info(found: Any) -> SegmentInfo:
    return SegmentInfo(
        id=bytes(ffi.buffer(found.id)),
        root=bytes(ffi.buffer(found.root)),
        length=found.length,
        type=found.type,
        chunks=found.chunks,
    )
