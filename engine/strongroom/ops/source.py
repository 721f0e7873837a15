"""Inputs, and whether they stayed what they were."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strongroom.errors import SourceError, UsageError


def identity_of(status: os.stat_result) -> tuple[int, int]:
    """What two names of the same thing have in common: for a block device, the device."""
    if stat.S_ISBLK(status.st_mode):
        return -1, status.st_rdev
    return status.st_dev, status.st_ino


class Source:
    """An open input and what it was when it was opened."""

    def __init__(self, fd: int, size: int, before: os.stat_result) -> None:
        """size: bytes from where reading begins; 0 for what is not a regular file."""
        self.fd = fd
        self.size = size
        self._before = before

    @classmethod
    def of_descriptor(cls, fd: int) -> Source:
        """The caller keeps fd open; what was read from it already is no part of the input."""
        before = os.fstat(fd)
        size = 0
        if stat.S_ISREG(before.st_mode):
            size = max(0, before.st_size - os.lseek(fd, 0, os.SEEK_CUR))
        return cls(fd, size, before)

    @property
    def mode(self) -> int | None:
        """Permissions of a regular file, without set-user-id and the like."""
        status = self._before
        return status.st_mode & 0o777 if stat.S_ISREG(status.st_mode) else None

    def is_same_as(self, other: os.stat_result) -> bool:
        """Is that this file or disk? Pipes and terminals may well be both input and output."""
        holds_data = stat.S_ISREG(other.st_mode) or stat.S_ISBLK(other.st_mode)
        return holds_data and identity_of(other) == identity_of(self._before)

    def check_apart(self, target_fd: int, *, doing: str) -> None:
        """Raise UsageError if target_fd is this same file or disk."""
        if self.is_same_as(os.fstat(target_fd)):
            raise UsageError(f"{doing}: output and input are the same file")

    def check_unchanged(self, read_bytes: int, *, doing: str) -> None:
        """Raise SourceError if a regular file was written to, cut or grown while it was read."""
        if not stat.S_ISREG(self._before.st_mode):
            return
        now = os.fstat(self.fd)
        same = (now.st_size, now.st_mtime_ns) == (self._before.st_size, self._before.st_mtime_ns)
        if not same or read_bytes != self.size:
            raise SourceError(
                f"{doing}: it changed while it was read",
                hint="try again when nothing writes to it",
            )


@contextmanager
def open_source(path: Path, *, doing: str) -> Iterator[Source]:
    """Open a file to read. Raises SourceError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise SourceError(f"{doing}: {error.strerror}") from None
    try:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise SourceError(f"{doing}: it is a directory")
        yield Source.of_descriptor(fd)
    finally:
        os.close(fd)
