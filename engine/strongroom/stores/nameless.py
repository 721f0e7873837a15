"""Files that get their name only when they are whole."""

from __future__ import annotations

import errno
import os
from pathlib import Path

NOT_HERE = {errno.EOPNOTSUPP, errno.EINVAL, errno.EISDIR, errno.ENOENT, errno.EPERM, errno.ENOSYS}
"""What file systems answer that cannot make a file without a name, or a hard link."""


def open_nameless(folder: Path, mode: int = 0o666) -> int | None:
    """A file that vanishes with the process unless it is named, where the system has them."""
    if not hasattr(os, "O_TMPFILE"):
        return None
    try:
        fd = os.open(folder, os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno in NOT_HERE and folder.is_dir():
            return None
        raise
    if Path(f"/proc/self/fd/{fd}").exists():
        return fd
    os.close(fd)
    return None


def link(fd: int, path: Path) -> None:
    """Give a nameless file its name. Raises FileExistsError."""
    # Only with a folder descriptor does os.link call linkat(2), which follows this link.
    folder = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.link(str(fd), path, src_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)


def sibling(path: Path) -> Path:
    """A name beside path that no other writer takes, whatever the length of path's own."""
    return path.with_name(f".{os.urandom(8).hex()}.partial")
