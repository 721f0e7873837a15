"""Names below a target for what has no contents of its own: links, pipes, devices."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from strongroom.manifest.entry import BLOCK_DEVICE, CHAR_DEVICE, FIFO, SYMLINK, Entry
from strongroom.ops.attributes import Attributes
from strongroom.ops.folders import Folders, split
from strongroom.ops.landing import temporary_name

_KINDS: Final = {FIFO: stat.S_IFIFO, CHAR_DEVICE: stat.S_IFCHR, BLOCK_DEVICE: stat.S_IFBLK}
_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def make_node(
    folders: Folders, entry: Entry, attributes: Attributes, *, replace: bool
) -> OSError | None:
    """A symbolic link, pipe or device. What of its attributes failed. Raises OSError."""
    parent, final = split(entry.path)
    folder = folders.open(parent)
    with _named(folder, final, replace=replace) as name:
        if entry.type == SYMLINK:
            os.symlink(entry.target, name, dir_fd=folder)
        else:
            os.mknod(name, _KINDS[entry.type] | 0o600, entry.rdev, dir_fd=folder)
        return _set(folder, name, entry, attributes)


def finish_node(folders: Folders, entry: Entry, attributes: Attributes) -> OSError | None:
    """Attributes of one that is there, perhaps from a restore that was killed before it set them.
    What of them failed. Raises OSError."""
    parent, name = split(entry.path)
    return _set(folders.open(parent), name, entry, attributes)


def _set(folder: int, name: bytes, entry: Entry, attributes: Attributes) -> OSError | None:
    if entry.type == SYMLINK:
        return attributes.set(b"/proc/self/fd/%d/%b" % (folder, name), entry)
    fd = os.open(name, _LOOK, dir_fd=folder)
    try:
        return attributes.set(b"/proc/self/fd/%d" % fd, entry)
    finally:
        os.close(fd)


def link_again(folders: Folders, first: bytes, path: bytes, *, replace: bool) -> None:
    """A further name, path, for the file at first. Raises OSError."""
    parent, source = split(first)
    # One of its own, as opening the other folder may close it.
    origin = os.dup(folders.open(parent))
    try:
        parent, final = split(path)
        folder = folders.open(parent)
        if replace and _is_same_file(origin, source, folder, final):
            return
        with _named(folder, final, replace=replace) as name:
            os.link(source, name, src_dir_fd=origin, dst_dir_fd=folder, follow_symlinks=False)
    finally:
        os.close(origin)


@contextmanager
def _named(folder: int, final: bytes, *, replace: bool) -> Iterator[bytes]:
    """The name to make something under; it has its final one after the block."""
    if not replace:
        yield final
        return
    name = temporary_name()
    try:
        yield name
        os.rename(name, final, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(name, dir_fd=folder)
        raise


def _is_same_file(one_folder: int, one: bytes, other_folder: int, other: bytes) -> bool:
    """Renaming one name of a file to another one of it would do nothing, and leave both."""
    return os.path.samestat(
        os.stat(one, dir_fd=one_folder, follow_symlinks=False),
        os.stat(other, dir_fd=other_folder, follow_symlinks=False),
    )
