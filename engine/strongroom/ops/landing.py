"""Files that appear below a target under their name only when they are whole."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Final

from strongroom.ops.folders import Folders, split

_NAMELESS: Final = os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC
_NAMED: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# What file systems answer that cannot make a file without a name.
_NOT_HERE: Final = {errno.EOPNOTSUPP, errno.EINVAL, errno.EISDIR, errno.ENOENT, errno.ENOSYS}


def temporary_name() -> bytes:
    """A name that nobody else takes."""
    return b".strongroom-" + os.urandom(8).hex().encode()


class Landing:
    """A file that is being written. End it with land or abandon."""

    __slots__ = ("_folders", "_name", "_named", "_owner", "_parent", "fd")

    def __init__(self, folders: Folders, path: bytes) -> None:
        """Raises OSError."""
        self._folders = folders
        self._parent, self._name = split(path)
        self._named: bytes | None = None
        self._owner = os.getpid()
        folder = folders.open(self._parent)
        try:
            self.fd = os.open(b".", _NAMELESS, 0o600, dir_fd=folder)
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
            self._named = temporary_name()
            self.fd = os.open(self._named, _NAMED, 0o600, dir_fd=folder)

    @property
    def is_nameless(self) -> bool:
        """Has it no name yet, as most file systems allow?"""
        return self._named is None

    @property
    def place(self) -> tuple[bytes, bytes]:
        """The path of its folder, and its name there."""
        return self._parent, self._name

    def land(self, *, replace: bool) -> None:
        """Give it its name and close it. Raises FileExistsError unless replace, OSError."""
        folder, name = self._folders.open(self._parent), self._name
        try:
            if replace:
                os.fsync(self.fd)  # before what it replaces is gone
                if self._named is None:
                    self._named = temporary_name()
                    self._link(self._named, folder)
                os.rename(self._named, name, src_dir_fd=folder, dst_dir_fd=folder)
                self._named = None
            else:
                self._link(name, folder)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close it; what has no name is gone then, unless this is a child of fork. More than once
        is fine."""
        if self._named is not None and os.getpid() == self._owner:
            with contextlib.suppress(OSError):
                folder = self._folders.open(self._parent)
                os.unlink(self._named, dir_fd=folder)
            self._named = None
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _link(self, name: bytes, folder: int) -> None:
        # Given a folder's descriptor, os.link calls linkat(2), which follows this link.
        os.link(b"/proc/self/fd/%d" % self.fd, name, dst_dir_fd=folder, follow_symlinks=True)
