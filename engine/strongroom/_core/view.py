"""A stream read at any place."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Lock
from typing import TYPE_CHECKING, Any

from strongroom._core.endpoints import Endpoint, bytes_of, source_of
from strongroom._core.failures import failure_error
from strongroom._core.headers import Header
from strongroom._native import ffi, lib
from strongroom.errors import UsageError

if TYPE_CHECKING:
    from typing_extensions import Buffer


def _free_view(holder: Any) -> None:
    lib.srm_view_free(holder[0])
    holder[0] = ffi.NULL


class View:
    """A stream read at any place; only what is asked for is read and verified.

    Threads that share it take turns. Close it. source must outlive it.
    """

    def __init__(self, header: Header, session_key: bytes, source: Endpoint, *, doing: str) -> None:
        """Raises DamagedError, SourceError; UsageError for a pipe."""
        self._doing = doing
        self._lock = Lock()
        self._holder = ffi.new("srm_view **")  # outlives its guard: it may be asked after close
        self._guard = ffi.gc(self._holder, _free_view)
        self._stack = ExitStack()
        from_ = self._stack.enter_context(source_of(source))
        failure = ffi.new("srm_failure *")
        stored = ffi.from_buffer(header.stored)
        status = lib.srm_view_open(stored, session_key, from_[0], self._holder, failure)
        if status != lib.SRM_OK:
            self.close()
            if status == lib.SRM_EINVAL:
                raise UsageError(f"{doing}: only a regular file can be read at any place")
            raise failure_error(status, failure, doing=doing)
        # Kept, so that asking needs no lock and outlives close.
        self._length = int(lib.srm_view_len(self._holder[0]))

    def __len__(self) -> int:
        return self._length

    def read_into(self, offset: int, target: Buffer) -> int:
        """Fill target with plaintext from offset on; fewer bytes only at the end.

        Raises DamagedError, SourceError; target then holds no plaintext. ValueError before the
        start, TypeError for what is no contiguous buffer that can be written.
        """
        if offset < 0:
            raise ValueError(f"nothing is at {offset}")
        offset = min(offset, self._length)
        got, failure = ffi.new("size_t *"), ffi.new("srm_failure *")
        with (
            self._lock,
            bytes_of(target, writable=True) as room,
            ffi.from_buffer("uint8_t[]", room) as mem,
        ):
            if self._holder[0] == ffi.NULL:
                raise ValueError("the view is closed")
            status = lib.srm_view_read(self._holder[0], offset, mem, len(mem), got, failure)
        if status != lib.SRM_OK:
            raise failure_error(status, failure, doing=self._doing)
        return int(got[0])

    def close(self) -> None:
        """Wipe keys and plaintext. More than once is fine."""
        with self._lock:
            ffi.release(self._guard)
            self._stack.close()
