"""Every file, folder and link that a backup takes, in the order of a manifest."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Final, NamedTuple, TypeAlias

from strongroom.errors import SourceError
from strongroom.ops.exclude import Excludes
from strongroom.ops.roots import Root, Take

Found: TypeAlias = "tuple[bytes, bytes, bytes, os.stat_result]"
"""Path in the snapshot; the prefix that makes it the path here; a path that leads to it as long as
the walk has not gone on; and what lstat says. A plain tuple, because there are so many."""

Report: TypeAlias = Callable[[SourceError], None]

# Longer paths go by way of a descriptor: the system takes no more than 4095 bytes at once.
_LONG: Final = 2048


class WalkOptions(NamedTuple):
    """What to leave out."""

    excludes: Excludes = Excludes()
    marker_names: tuple[bytes, ...] = ()
    """A folder that holds one of these is taken without its contents."""
    one_file_system: bool = False
    """Do not go into folders where another file system begins."""
    own: frozenset[tuple[int, int]] = frozenset()
    """(st_dev, st_ino) of folders that are left out, such as the repository itself."""


def walk(roots: Iterable[Root], options: WalkOptions, report: Report) -> Iterator[Found]:
    """Go through roots as plan_roots made them. What cannot be read is reported, then passed over.

    Symbolic links are not followed, except on the way to a path that was given.
    """
    lost: bytes | None = None
    for root in roots:
        if lost is not None and root.path.startswith(lost):
            if root.take is Take.ALL:
                report(SourceError(f"reading {_shown(root.real)}: its folder cannot be read"))
            continue
        try:
            if root.take is Take.ALL:
                yield from _Tree(root, options, report).walk()
            elif root.take is Take.NOTHING:
                os.lstat(root.real)  # was it there at all?
            elif root.path:
                status = os.stat(root.real)  # noqa: PTH116  # bytes
                if not stat.S_ISDIR(status.st_mode):
                    raise NotADirectoryError(0, "it is no folder")
                yield root.path, root.prefix, root.real, status
        except OSError as error:
            lost = root.path + b"/"
            if root.take is not Take.ITSELF:
                report(failed(root.real, error))


def failed(path: bytes, error: OSError) -> SourceError:
    """That a path could not be read, and why."""
    if isinstance(error, FileNotFoundError):
        return SourceError(f"reading {_shown(path)}: it is not there (any more)")
    return SourceError(f"reading {_shown(path)}: {error.strerror}")


class _Tree:
    """A root and all below it. A stack of its own: folders nest deeper than Python calls may."""

    def __init__(self, root: Root, options: WalkOptions, report: Report) -> None:
        self._root = root
        self._report = report
        self._options = options
        self._excludes = options.excludes if options.excludes else None
        self._device = -1
        self._stack: list[tuple[Iterator[os.DirEntry[bytes]], bytes, int]] = []

    def walk(self) -> Iterator[Found]:
        """Raises OSError if the root itself is not there."""
        root = self._root
        status = os.lstat(root.real)
        self._device = status.st_dev
        if stat.S_ISDIR(status.st_mode) and self._is_own(status):
            self._report(SourceError(f"reading {_shown(root.real)}: it is the repository itself"))
            return
        if root.path:
            yield root.path, root.prefix, root.real, status
        if not stat.S_ISDIR(status.st_mode):
            return
        try:
            self._enter(root.path, root.real)
            yield from self._below()
        finally:
            while self._stack:
                self._leave()

    def _below(self) -> Iterator[Found]:
        prefix, excludes, stack = self._root.prefix, self._excludes, self._stack
        while stack:
            entries, base, _ = stack[-1]
            for entry in entries:
                path = base + entry.name
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError as error:
                    if excludes is None or not excludes.covers(path, folder=False):
                        self._report(failed(prefix + path, error))
                    continue
                folder = status.st_mode & 0o170000 == stat.S_IFDIR
                if excludes is not None and excludes.covers(path, folder=folder):
                    continue
                if folder and self._is_own(status):
                    continue
                yield path, prefix, entry.path, status
                if folder and self._is_wanted(status):
                    self._enter(path, entry.path)
                    break
            else:
                self._leave()

    def _is_wanted(self, status: os.stat_result) -> bool:
        return not self._options.one_file_system or status.st_dev == self._device

    def _is_own(self, status: os.stat_result) -> bool:
        return (status.st_dev, status.st_ino) in self._options.own

    def _enter(self, path: bytes, at: bytes) -> None:
        """The folder's contents come next."""
        fd = -1
        try:
            if len(at) > _LONG:
                fd = os.open(at, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
                at = b"/proc/self/fd/%d" % fd
            with os.scandir(at) as entries:
                found = sorted(entries, key=attrgetter("name"))
        except OSError as error:
            self._report(failed(self._root.prefix + path or b".", error))
            found = []
        markers = self._options.marker_names
        if markers and any(entry.name in markers for entry in found):
            found = []
        self._stack.append((iter(found), path + b"/" if path else b"", fd))

    def _leave(self) -> None:
        fd = self._stack.pop()[2]
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)


def _shown(path: bytes) -> str:
    return os.fsdecode(path)
