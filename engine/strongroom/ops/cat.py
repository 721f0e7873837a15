"""Write a file of a snapshot, or a part of it, to a descriptor."""

from __future__ import annotations

from typing import Final

from strongroom._core import CHUNK_LEN, UNWATCHED, Watch
from strongroom.errors import CancelledError
from strongroom.ops.chunked import SnapshotFile
from strongroom.ops.write import write_all

_STEP_LEN: Final = 16 * CHUNK_LEN


def cat(
    file: SnapshotFile,
    target_fd: int,
    *,
    offset: int = 0,
    length: int | None = None,
    doing: str,
    watch: Watch = UNWATCHED,
) -> int:
    """Write bytes [offset, offset + length), to the end if None; returns how many there were.

    Bytes go out as they are verified: only a return means that all came. Raises DamagedError,
    SourceError, TargetError, CancelledError.
    """
    end = len(file) if length is None else min(len(file), offset + length)
    at = offset
    buffer = bytearray(max(0, min(_STEP_LEN, end - at)))
    with memoryview(buffer) as view:
        while at < end:
            if watch.cancel is not None and watch.cancel.is_set():
                raise CancelledError(f"{doing}: cancelled")
            # To the next border of a chunk, so that none is fetched twice.
            step = min(_STEP_LEN - at % CHUNK_LEN, end - at)
            file.seek(at)
            file.readinto(view[:step])
            write_all(target_fd, view[:step], doing=doing)
            at += step
            if watch.progress is not None:
                watch.progress(at - offset, at - offset)
    return max(0, end - offset)
