"""Where chunks are: table files, mapped, and in memory what changed since."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from strongroom._core.failures import check
from strongroom._core.rows import ID_LEN, Ids, Layout, Memory, as_array, view_of
from strongroom._native import ffi, lib
from strongroom.errors import SourceError, TargetError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NOTE_LEN = 64
_SEGMENT_ID_LEN = 16


class Location(NamedTuple):
    """`srm_location`: where a chunk is."""

    segment: int
    """Its number."""
    offset: int
    """Of the record in the plaintext."""
    stored_length: int
    raw_length: int


LOCATION = Layout(Location, "I I I I")


class ChunkIndex:
    """Which chunks a repository has, and where. A cache: it can be made anew from the segments.

    Ids are given in any buffer, 32 bytes each. Threads may share it; tables and save are for one
    thread alone. It must outlive the sessions and segments it was given to. Close it.

        with ChunkIndex([path]) as index:
            new = ids[~index.find(ids)]
    """

    def __init__(self, tables: Sequence[Path] = ()) -> None:
        """tables: files that save wrote, the oldest first.

        Raises DamagedError or UnsupportedError where one is of no use and should be deleted.
        """
        self._lock = Lock()
        self._holder = ffi.new("srm_index **")
        self._guard = ffi.gc(self._holder, _free_index)
        try:
            check(lib.srm_index_new(self._holder), doing="making a chunk index")
            for path in tables:
                self._add(path)
        except BaseException:
            self.close()
            raise

    @property
    def handle(self) -> Any:
        """The `srm_index *`. Raises ValueError once closed."""
        if self._holder[0] == ffi.NULL:
            raise ValueError("the chunk index is closed")
        return self._holder[0]

    def __len__(self) -> int:
        """Chunks, at least as many as can be found: tables may overlap."""
        return int(lib.srm_index_count(self.handle))

    def __bool__(self) -> bool:
        return True

    def has_all(self, ids: Ids) -> bool:
        """Are all of these chunks known?"""
        return all(self.lengths(ids))

    def find(self, ids: Ids) -> NDArray[np.bool_]:
        """Which of these chunks are known: n booleans. Loads numpy, which has_all does not."""
        return as_array(self.lengths(ids), "u4") > 0

    def lengths(self, ids: Ids) -> memoryview:
        """How long each of these chunks is, or 0 where one is not known: n of 32 bits."""
        given, count = _ids(ids)
        found = memoryview(bytearray(4 * count)).cast("I")
        out = ffi.from_buffer("uint32_t[]", found)
        # The thread that walks a tree may still be here when an interrupted backup is closed.
        with self._lock:
            status = lib.srm_index_find_all(self.handle, given, count, out)
        check(status, doing=_FINDING)
        return found

    def locate(self, chunk_id: bytes) -> Location | None:
        """Where a chunk is, or None if it is not known."""
        given, count = _ids(chunk_id)
        if count != 1:
            raise ValueError(f"a chunk id is {ID_LEN} bytes, not {len(chunk_id)}")
        at = ffi.new("srm_location *")
        if lib.srm_index_find(self.handle, given, at) == 0:
            return None
        return Location(at.segment, at.off, at.stored_len, at.raw_len)

    def put(self, ids: Ids, locations: Memory) -> None:
        """Add chunks, or say where they are now. locations: as many of LOCATION, whose segments
        are numbers that `number` gave."""
        given, count = _ids(ids)
        with view_of(locations) as view:
            if view.nbytes != count * LOCATION.struct.size:
                raise ValueError(f"{count} ids need as many locations, not {view.nbytes} bytes")
            where = ffi.from_buffer("srm_location[]", locations)
        check(lib.srm_index_put_all(self.handle, given, where, count), doing=_ADDING)

    def remove(self, ids: Ids) -> None:
        """Forget chunks, wherever they are."""
        given, count = _ids(ids)
        for at in range(count):
            check(lib.srm_index_remove(self.handle, given + at * ID_LEN), doing=_ADDING)

    def number(self, segment: bytes) -> int:
        """The number of a segment, by its 16 bytes, which it gets if it has none."""
        if len(segment) != _SEGMENT_ID_LEN:
            raise ValueError(f"a segment id is {_SEGMENT_ID_LEN} bytes, not {len(segment)}")
        out = ffi.new("uint32_t *")
        check(lib.srm_index_segment(self.handle, segment, out), doing=_ADDING)
        return int(out[0])

    def segments(self) -> set[bytes]:
        """The segments whose chunks are known."""
        return set(self.numbers())

    def drop_segments(self, ids: Iterable[bytes]) -> None:
        """Forget that these hold anything; chunks that are nowhere else are no longer found."""
        numbers = self.numbers()
        for segment in set(ids) & numbers.keys():
            lib.srm_index_drop_segment(self.handle, numbers[segment])

    def save(self, path: Path, note: bytes, *, fresh_only: bool = False) -> None:
        """Write a table file; path gets its name once it is complete and durable.

        fresh_only: just what changed since the tables were opened, to be opened after them.
        note: up to 64 bytes of the caller's. Raises TargetError.
        """
        doing = f"writing {path}"
        if len(note) > NOTE_LEN:
            raise ValueError(f"a note has up to {NOTE_LEN} bytes, not {len(note)}")
        unfinished = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
        try:
            fd = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                padded = note.ljust(NOTE_LEN, b"\0")
                status = lib.srm_index_save(self.handle, fd, padded, fresh_only)
                if status == lib.SRM_EIO:
                    raise TargetError(f"{doing}: writing failed", hint="is the disk full?")
                check(status, doing=doing)
                os.fsync(fd)
            finally:
                os.close(fd)
            unfinished.replace(path)
        except OSError as error:
            raise TargetError(f"{doing}: {error.strerror}") from None
        finally:
            unfinished.unlink(missing_ok=True)

    def close(self) -> None:
        """Free it. More than once is fine."""
        with self._lock:
            ffi.release(self._guard)

    def __enter__(self) -> ChunkIndex:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _add(self, path: Path) -> None:
        fd = _opened(path)
        try:
            status = lib.srm_index_add_table(self._holder[0], fd)
            check(status, doing=f"opening {path}")
        finally:
            os.close(fd)

    def numbers(self) -> dict[bytes, int]:
        """The number of each segment that was not dropped."""
        out = ffi.new("uint8_t[]", _SEGMENT_ID_LEN)
        found = {}
        for number in range(lib.srm_index_segment_count(self.handle)):
            if lib.srm_index_segment_id(self.handle, number, out) == lib.SRM_OK:
                found[bytes(ffi.buffer(out))] = number
        return found


def read_note(path: Path) -> bytes:
    """The note of a table file, 64 bytes. Raises SourceError, DamagedError, UnsupportedError."""
    fd = _opened(path)
    try:
        out = ffi.new("uint8_t[]", NOTE_LEN)
        check(lib.srm_index_note(fd, out), doing=f"reading {path}")
        return bytes(ffi.buffer(out))
    finally:
        os.close(fd)


_FINDING = "looking up chunks"
_ADDING = "changing the chunk index"


def _free_index(holder: Any) -> None:
    lib.srm_index_free(holder[0])
    holder[0] = ffi.NULL


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise SourceError(f"opening {path}: {error.strerror}") from None


def _ids(ids: Ids) -> tuple[Any, int]:
    """Their bytes, and how many they are."""
    with view_of(ids) as view:
        count, left = divmod(view.nbytes, ID_LEN)
        if left or view.itemsize != 1:
            raise ValueError(f"chunk ids are {ID_LEN} bytes each, not {view.shape}")
        return ffi.from_buffer("uint8_t[]", ids if view.c_contiguous else view.tobytes()), count
