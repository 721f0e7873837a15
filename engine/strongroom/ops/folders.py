"""Folders below a target, opened step by step, never through a link."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Final

_OPEN: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_KEPT: Final = 64


def split(path: bytes) -> tuple[bytes, bytes]:
    """A path's folder, empty for the target itself, and its name there."""
    parent, _, name = path.rpartition(b"/")
    return parent, name


class Folders:
    """Descriptors of folders, the last ones used kept open. Close it."""

    def __init__(self, target: str | bytes | os.PathLike[str]) -> None:
        """The target itself may be a link. Raises OSError."""
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
            fd = self._keep(step, _opened(split(step)[1], fd))
        return fd

    def make(self, path: bytes) -> int:
        """A new folder, closed to others. Raises OSError."""
        parent, name = split(path)
        os.mkdir(name, 0o700, dir_fd=self.open(parent))
        return self.open(path)

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
        if len(self._fds) > _KEPT:
            oldest = next(key for key in self._fds if key)
            os.close(self._fds.pop(oldest))
        self._fds[path] = fd
        return fd


def _opened(name: bytes, parent: int) -> int:
    try:
        return os.open(name, _OPEN, dir_fd=parent)
    except PermissionError:
        pass
    # One that its owner closed to himself, such as by an earlier restore.
    looked = os.open(name, _LOOK, dir_fd=parent)
    try:
        through = b"/proc/self/fd/%d" % looked
        os.chmod(through, stat.S_IMODE(os.fstat(looked).st_mode) | 0o700)  # noqa: PTH101
        return os.open(through, _OPEN & ~os.O_NOFOLLOW)
    finally:
        os.close(looked)
