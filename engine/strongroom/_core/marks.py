"""Which chunks of an index are needed: a bit each."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from strongroom._core.failures import check
from strongroom._core.index import ChunkIndex
from strongroom._native import ffi, lib

_DOING = "marking chunks"


class Marks:
    """Marks on the chunks of an index that was opened from tables and not changed since.

    One thread at a time; not to be used once the index is closed.
    """

    def __init__(self, index: ChunkIndex) -> None:
        self._index = index
        count = int(lib.srm_index_mark_count(index.handle))
        self._bits = np.zeros((count + 7) // 8, np.uint8)
        self._address = ffi.from_buffer("uint8_t[]", self._bits)

    def mark(self, ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Mark chunks, rows of 32 bytes; those that are not known are False in what is returned."""
        return self._ask(lib.srm_index_mark, ids)

    def marked(self, ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Which of these are marked?"""
        return self._ask(lib.srm_index_marked, ids)

    def tally(self) -> dict[bytes, int]:
        """For each segment the stored bytes of its marked chunks, heads of records included."""
        count = int(lib.srm_index_segment_count(self._index.handle))
        lens = np.zeros(count, np.uint64)
        where = ffi.from_buffer("uint64_t[]", lens)
        status = lib.srm_index_tally(
            self._index.handle, self._address, len(self._bits), where, count
        )
        check(status, doing=_DOING)
        return {name: int(lens[at]) for name, at in self._index.numbers().items()}

    def _ask(self, ask: object, ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        rows = np.ascontiguousarray(ids, np.uint8).reshape(-1, 32)
        out = np.zeros(len(rows), np.uint8)
        status = ask(  # type: ignore[operator]
            self._index.handle,
            ffi.from_buffer("uint8_t[]", rows),
            len(rows),
            self._address,
            len(self._bits),
            ffi.from_buffer("uint8_t[]", out),
        )
        check(status, doing=_DOING)
        return out.view(np.bool_)
