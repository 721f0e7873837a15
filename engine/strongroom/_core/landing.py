"""Giving many files their owners, modes, times and names at once."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final, NamedTuple

from strongroom._core.jobs import Job, Watch
from strongroom._native import ffi, lib

OWNER_STAYS: Final[int] = lib.SRM_OWNER_STAYS

# srm_landing; what came of it are the last two.
_LANDING: Final = struct.Struct("=qIIIIiiii")


class Wanted(NamedTuple):
    """What a file without a name is to get, and where."""

    fd: int
    folder: int
    """A descriptor."""
    name: bytes
    """Without NUL."""
    uid: int
    """OWNER_STAYS: whatever it is."""
    gid: int
    mode: int
    """Permission bits; those that set ids are left out if the owner cannot be set."""
    mtime_ns: int


class LandingJob:
    """Files that get what they want, in a thread of the core. Close it; descriptors must stay open
    until then."""

    def __init__(self, files: Sequence[Wanted]) -> None:
        """Begin."""
        self._items = bytearray().join(
            _LANDING.pack(
                file.mtime_ns // 10**9,
                file.mtime_ns % 10**9,
                file.mode,
                file.uid,
                file.gid,
                file.fd,
                file.folder,
                0,
                0,
            )
            for file in files
        )
        names = b"".join([file.name + b"\0" for file in files])
        keep = ExitStack()
        items = keep.enter_context(
            ffi.from_buffer("srm_landing[]", self._items, require_writable=True)
        )
        given = keep.enter_context(ffi.from_buffer("char[]", names))
        self._job = Job(
            lambda out: lib.srm_land_start(items, len(files), given, len(names), out),
            doing="restore files",
            keep=keep,
        )

    def results(self, watch: Watch) -> list[tuple[int, int]]:
        """Wait for the end. For each file, errno values: the first of its attributes that could
        not be set, and why it got no name. Raises CancelledError."""
        self._job.watch(Watch(cancel=watch.cancel))
        return [(item[-2], item[-1]) for item in _LANDING.iter_unpack(self._items)]

    def close(self) -> None:
        """Stop it if it still runs. More than once is fine."""
        self._job.close()
