"""Folders below a target, opened step by step, never through a link."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Final

from strongroom.ops.descriptors import fitting

_OPEN: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_KEPT: Final = 64
# Closed to others, and like no folder that people make: the sticky bit does nothing here.
_UNFINISHED: Final = 0o1700


def split(path: bytes) -> tuple[bytes, bytes]:
    """A path's folder, empty for the target itself, and its name there."""
    parent, _, name = path.rpartition(b"/")
    return parent, name


def is_unfinished(there: os.stat_result) -> bool:
    """Was it made by a restore that did not come to giving it its mode, which it does last?"""
    return stat.S_IMODE(there.st_mode) & ~stat.S_ISGID == _UNFINISHED  # that one is inherited


class Folders:
    """Descriptors of folders, the last ones used kept open. Close it."""

    def __init__(self, target: str | bytes | os.PathLike[str]) -> None:
        """The target itself may be a link. Raises OSError."""
        self._kept = fitting(_KEPT)
        self._fds = {b"": os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)}

    def open(self, path: bytes) -> int:
        """Good until many others were opened. Raises OSError, for what is no folder too."""
        fd = self._fds.pop(path, None)
        if fd is not None:
            self._fds[path] = fd  # the last one used
            return fd
        missing = [path]
        while (parent := split(missing[-1])[0]) not in self._fds:
            missing.append(parent)
        fd = self._fds[parent]
        for step in reversed(missing):
            fd = self._keep(step, os.open(split(step)[1], _OPEN, dir_fd=fd))
        return fd

    def make(self, path: bytes) -> int:
        """A new folder, unfinished. Raises OSError."""
        parent, name = split(path)
        os.mkdir(name, _UNFINISHED, dir_fd=self.open(parent))
        return self.open(path)

    def open_up(self, path: bytes, there: os.stat_result) -> None:
        """Let its owner fill it, if that is who runs this. there: its status. Raises OSError."""
        if not _is_closed(there):
            return
        parent, name = split(path)
        looked = os.open(name, _LOOK, dir_fd=self.open(parent))
        try:
            mode = stat.S_IMODE(os.fstat(looked).st_mode)
            os.chmod(b"/proc/self/fd/%d" % looked, mode | 0o700)  # noqa: PTH101  # bytes
        finally:
            os.close(looked)

    def close_again(self, path: bytes, there: os.stat_result) -> None:
        """Undo open_up. Raises OSError."""
        if _is_closed(there):
            os.fchmod(self.open(path), stat.S_IMODE(there.st_mode))

    def status(self, path: bytes) -> os.stat_result | None:
        """What is there under that name, if anything. Raises OSError."""
        parent, name = split(path)
        with contextlib.suppress(FileNotFoundError):
            return os.stat(name, dir_fd=self.open(parent), follow_symlinks=False)
        return None

    def forget(self, path: bytes) -> None:
        """It will not be needed soon."""
        fd = self._fds.pop(path, None) if path else None
        if fd is not None:
            os.close(fd)

    def close(self) -> None:
        while self._fds:
            os.close(self._fds.popitem()[1])

    def _keep(self, path: bytes, fd: int) -> int:
        if len(self._fds) > self._kept:
            oldest = next(key for key in self._fds if key)
            os.close(self._fds.pop(oldest))
        self._fds[path] = fd
        return fd


def _is_closed(there: os.stat_result) -> bool:
    return there.st_mode & 0o700 != 0o700 and there.st_uid == os.geteuid()
