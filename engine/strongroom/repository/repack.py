"""What is needed of segments, stored again in new ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strongroom._core.index import ChunkIndex
from strongroom._core.jobs import UNWATCHED, Watch
from strongroom._core.rows import as_ids
from strongroom._core.segments import WANT, Segments, failures, want_error
from strongroom._core.session import WriteSession
from strongroom.errors import DamagedError

BYTES_MAX: Final = 64 << 20
"""Of chunks in memory at a time."""


class UnreadableError(DamagedError):
    """Chunks that are needed cannot be read any more."""


def check_chunks_read(
    segments: Segments, index: ChunkIndex, chunks: NDArray[np.void], *, watch: Watch = UNWATCHED
) -> None:
    """Can all of these be read and verified? chunks: of CHUNK_ENTRY. Raises UnreadableError."""
    for _ in _read(segments, index, chunks, watch):
        pass


def copy_chunks(
    segments: Segments,
    index: ChunkIndex,
    chunks: NDArray[np.void],
    write: WriteSession,
    *,
    watch: Watch = UNWATCHED,
) -> None:
    """Store these again, each verified before and hashed again on the way.

    Raises UnreadableError, before which some may have been stored; TargetError, CancelledError.
    """
    for group, memory, ends in _read(segments, index, chunks, watch):
        ids = write.chunks(memory, ends, watch=Watch(cancel=watch.cancel))
        if not np.array_equal(as_ids(ids), group["id"]):
            raise UnreadableError("storing chunks again: they changed in memory")


def _read(
    segments: Segments, index: ChunkIndex, chunks: NDArray[np.void], watch: Watch
) -> Iterator[tuple[NDArray[np.void], bytearray, list[int]]]:
    """Chunks, what they are one behind the other, and where each ends."""
    for group in _groups(chunks):
        ends = np.cumsum(group["raw_len"], dtype=np.uint64)
        wants = WANT.zeros(len(group))
        wants.array["id"], wants.array["raw_len"] = group["id"], group["raw_len"]
        wants.array["off"] = ends - group["raw_len"]
        memory = bytearray(int(ends[-1]))
        segments.fetch_into(index, wants, memory, watch=Watch(cancel=watch.cancel))
        for want in failures(wants):
            raise UnreadableError(str(want_error(want, doing="storing chunks again")))
        yield group, memory, ends.tolist()


def _groups(chunks: NDArray[np.void]) -> Iterator[NDArray[np.void]]:
    """Of so many bytes that they fit into memory."""
    ends = np.cumsum(chunks["raw_len"], dtype=np.int64)
    first = 0
    while first < len(chunks):
        before = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + BYTES_MAX, side="right")))
        yield chunks[first:last]
        first = last
