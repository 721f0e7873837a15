"""Entries made from what the system says about files."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from typing import Final, TypeAlias

from strongroom._core.session import FileResult
from strongroom.manifest.entry import (
    BLOCK_DEVICE,
    CHAR_DEVICE,
    DEVICES,
    FIFO,
    FILE,
    FOLDER,
    MODE_MAX,
    SOCKET,
    SYMLINK,
    Entry,
)

Xattrs: TypeAlias = "tuple[tuple[bytes, bytes], ...]"

TYPES: Final = {
    stat.S_IFREG: FILE,
    stat.S_IFDIR: FOLDER,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFIFO: FIFO,
    stat.S_IFSOCK: SOCKET,
    stat.S_IFCHR: CHAR_DEVICE,
    stat.S_IFBLK: BLOCK_DEVICE,
}
"""Types of entries by the type bits of a mode."""

TYPE_BITS: Final = 0o170000

_UNSUPPORTED: Final = {errno.ENOTSUP, errno.ENOSYS}
_GONE: Final = {errno.ENODATA, errno.ENOENT, errno.ENOTDIR, errno.ELOOP}


class Recorder:
    """Makes entries. Looks up names of users and groups once."""

    def __init__(self) -> None:
        self._users: dict[int, bytes] = {}
        self._groups: dict[int, bytes] = {}
        self._without_xattrs: set[int] = set()  # file systems

    def of_status(self, path: bytes, at: bytes, status: os.stat_result) -> Entry:
        """Of anything but a regular file. at: where it is. Raises OSError."""
        type_ = TYPES[status.st_mode & TYPE_BITS]
        return Entry(
            path,
            type_,
            status.st_mode & MODE_MAX,
            status.st_uid,
            status.st_gid,
            status.st_mtime_ns,
            status.st_ctime_ns,
            status.st_ino,
            status.st_dev,
            status.st_nlink,
            status.st_size if type_ == FILE else 0,
            status.st_rdev if type_ in DEVICES else 0,
            0,
            self.user(status.st_uid),
            self.group(status.st_gid),
            os.readlink(at) if type_ == SYMLINK else b"",  # noqa: PTH115  # bytes
            self.xattrs(at, status.st_dev),
        )

    def of_file(self, path: bytes, read: FileResult, xattrs: Xattrs) -> Entry:
        """Of a regular file that was read."""
        return Entry(
            path,
            FILE,
            read.mode & MODE_MAX,
            read.uid,
            read.gid,
            read.mtime_ns,
            read.ctime_ns,
            read.ino,
            read.dev,
            read.nlink,
            read.size,
            0,
            read.flags,
            self.user(read.uid),
            self.group(read.gid),
            b"",
            xattrs,
        )

    def user(self, uid: int) -> bytes:
        """Its name, if it has one."""
        name = self._users.get(uid)
        if name is None:
            try:
                name = os.fsencode(pwd.getpwuid(uid).pw_name)
            except KeyError:
                name = b""
            self._users[uid] = name
        return name

    def group(self, gid: int) -> bytes:
        """Its name, if it has one."""
        name = self._groups.get(gid)
        if name is None:
            try:
                name = os.fsencode(grp.getgrgid(gid).gr_name)
            except KeyError:
                name = b""
            self._groups[gid] = name
        return name

    def xattrs(self, at: bytes, device: int) -> Xattrs:
        """Extended attributes by name; of a link its own. Raises OSError."""
        if device in self._without_xattrs:
            return ()
        try:
            names = os.listxattr(at, follow_symlinks=False)
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                self._without_xattrs.add(device)
            elif error.errno not in _GONE:
                raise
            return ()
        return self._values(at, names) if names else ()

    def _values(self, at: bytes, names: list[str]) -> Xattrs:
        found: list[tuple[bytes, bytes]] = []
        for name in names:
            try:
                found.append((os.fsencode(name), os.getxattr(at, name, follow_symlinks=False)))
            except OSError as error:
                if error.errno not in _GONE:
                    raise
        return tuple(sorted(found))
