"""A file of a snapshot as a readable, seekable file object."""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Lock
from typing import TYPE_CHECKING, Final, Protocol

from strongroom._core import CHUNK_LEN
from strongroom._core.rows import ID_LEN, Rows
from strongroom._core.segments import WANT, Want, failures, want_error

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from strongroom.repository.opened import OpenRepository

KEPT: Final = 4
"""Chunks that are kept because only a part of them was asked for."""


class ChunkFetcher(Protocol):
    """Where chunks come from: a repository."""

    def fetch_into(self, wants: Rows[Want], buffer: Buffer) -> None:
        """Write chunks to `off` in buffer, and into wants what came of each."""


class InTurn:
    """Chunks of a repository for files that are open beside its other calls."""

    def __init__(self, turn: Callable[[], AbstractContextManager[OpenRepository]]) -> None:
        """turn: see Repository."""
        self._turn = turn

    def fetch_into(self, wants: Rows[Want], buffer: Buffer) -> None:
        """See ChunkFetcher."""
        with self._turn() as opened:
            opened.segments.fetch_into(opened.index, wants, buffer)


class SnapshotFile(io.RawIOBase):
    """Read a file of a snapshot anywhere, without fetching the rest.

    Exactly the chunks that are asked for (1 MiB each) are fetched, on all processors, and verified
    before any byte of them is returned. For many small reads wrap it in io.BufferedReader.
    Threads may share it through read_at. It must not outlive its repository.
    """

    def __init__(self, chunks: ChunkFetcher, ids: bytes, size: int, *, doing: str) -> None:
        """ids: 32 bytes for each chunk, of CHUNK_LEN each but for the last."""
        super().__init__()
        self._chunks = chunks
        self._ids = ids
        self._size = size
        self._doing = doing
        self._at = 0
        self._lock = Lock()
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    def __len__(self) -> int:
        """Bytes."""
        return self._size

    def __bool__(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; beyond the end is allowed and reads nothing. Raises ValueError before the start."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}
        if whence not in base or base[whence] + offset < 0:
            raise ValueError(f"cannot seek to {offset} from {whence}")
        self._at = base[whence] + offset
        return self._at

    def readinto(self, target: Buffer) -> int:
        """Fill target from here on; fewer bytes only at the end. Raises DamagedError."""
        self._check_open()
        with memoryview(target).cast("B") as view:
            got = self._read(self._at, view)
        self._at += got
        return got

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to length bytes from offset on, fewer only at the end, whatever the position is.

        Any thread. Raises DamagedError, SourceError.
        """
        self._check_open()
        if offset < 0:
            raise ValueError(f"cannot read at {offset}")
        target = bytearray(max(0, min(length, self._size - offset)))
        with memoryview(target) as view:
            self._read(offset, view)
        return bytes(target)

    def close(self) -> None:
        with self._lock:
            self._kept.clear()
        super().close()

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("the file is closed")

    def _read(self, offset: int, target: memoryview) -> int:
        end = min(offset + len(target), self._size)
        if offset >= end:
            return 0
        first, last = offset // CHUNK_LEN, (end - 1) // CHUNK_LEN
        whole = [n for n in range(first, last + 1) if self._is_within(n, offset, end)]
        self._fetch(whole, target, shift=offset)
        for number in {first, last} - set(whole):
            piece, start = self._part(number), number * CHUNK_LEN
            begin, stop = max(start, offset), min(start + len(piece), end)
            target[begin - offset : stop - offset] = piece[begin - start : stop - start]
        return end - offset

    def _is_within(self, number: int, offset: int, end: int) -> bool:
        start = number * CHUNK_LEN
        return offset <= start and start + self._length_of(number) <= end

    def _id_of(self, number: int) -> bytes:
        return self._ids[number * ID_LEN : (number + 1) * ID_LEN]

    def _length_of(self, number: int) -> int:
        return min(CHUNK_LEN, self._size - number * CHUNK_LEN)

    def _part(self, number: int) -> bytes:
        """A chunk of which more may be asked for."""
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
        piece = bytearray(self._length_of(number))
        with memoryview(piece) as view:
            self._fetch([number], view, shift=number * CHUNK_LEN)
        with self._lock:
            found = self._kept[number] = bytes(piece)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found

    def _fetch(self, numbers: list[int], target: memoryview, *, shift: int) -> None:
        """Chunks to their place less shift. Raises what the first of them failed of."""
        if not numbers:
            return
        wants = WANT.rows(
            Want(self._id_of(number), self._length_of(number), 0, number * CHUNK_LEN - shift)
            for number in numbers
        )
        self._chunks.fetch_into(wants, target)
        for want in failures(wants):
            error = want_error(want, doing=f"{self._doing}, from byte {want.off + shift} on")
            if error is not None:
                raise error
