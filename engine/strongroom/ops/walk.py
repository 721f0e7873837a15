"""Every file, folder and link that a backup takes, in the order of a manifest."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Final, NamedTuple, TypeAlias

from strongroom.errors import SourceError
from strongroom.ops.exclude import Excludes
from strongroom.ops.roots import Root, Take, parents_of

Found: TypeAlias = "tuple[bytes, bytes, bytes, os.stat_result]"
"""Path in the snapshot; path here; a path that leads to it and to nothing else as long as the walk
has not gone on; and what lstat says. A plain tuple, because there are so many."""

Report: TypeAlias = Callable[[SourceError], None]

_FOLDER: Final = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Folders above these are closed, and opened again from below.
_OPEN_MAX: Final = 64
_HAS_PROC: Final = os.path.isdir("/proc/self/fd")  # noqa: PTH112  # pathlib is slower to load


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
    for root in _outside_own(roots, options.own, report):
        if lost is not None and root.path.startswith(lost):
            if root.take is Take.ALL:
                for path in (root.path, *root.inner):
                    report(_refused(root.at(path), "its folder cannot be read"))
        elif root.take is Take.ALL:
            yield from _Tree(root, options, report).walk()
        elif root.path:
            try:
                status = os.stat(root.real)  # noqa: PTH116  # bytes
                if not stat.S_ISDIR(status.st_mode):
                    raise NotADirectoryError(0, "it is no folder")
            except OSError:
                lost = root.path + b"/"
            else:
                yield root.path, root.real, root.real, status


def _outside_own(
    roots: Iterable[Root], own: frozenset[tuple[int, int]], report: Report
) -> Iterator[Root]:
    """Without given folders that are, or are in, one of own: these are named. A file in one may be
    given: it does not grow by that."""

    @cache
    def is_own(path: bytes) -> bool:
        try:
            return _identity(os.lstat(path)) in own
        except OSError:
            return False

    def is_fit(real: bytes) -> bool:
        full = real
        with contextlib.suppress(OSError):  # the current folder may be gone
            full = os.path.abspath(real)  # noqa: PTH100  # bytes
        if not any(map(is_own, (full, *parents_of(full)))) or not _is_folder(real):
            return True
        report(_refused(real, "it is the repository itself, or lies in it"))
        return False

    for root in roots:
        if not own or root.take is Take.ITSELF:
            yield root
            continue
        inner = tuple(path for path in root.inner if is_fit(root.at(path)))
        if is_fit(root.real):
            yield root._replace(inner=inner)


def failed(path: bytes, error: OSError) -> SourceError:
    """That a path could not be read, and why."""
    if isinstance(error, FileNotFoundError):
        return SourceError(f"reading {_shown(path)}: it is not there (any more)")
    return SourceError(f"reading {_shown(path)}: {error.strerror}")


class _Level:
    """A folder whose contents come."""

    __slots__ = ("at", "base", "device", "fd", "identity", "names", "real", "whole")

    def __init__(self, fd: int, base: bytes, real: bytes, *, device: int, whole: bool) -> None:
        self.fd = fd
        """-1: closed, to spare it."""
        self.base = base
        """What all paths in it begin with, in the snapshot."""
        self.real = real
        """And here."""
        self.device = device
        """The file system to stay in, where one is."""
        self.whole = whole
        """False: only what was given, or is on the way to it, is taken."""
        self.at = _through(fd, real)
        self.names: Iterator[bytes] = iter(())
        self.identity = (0, 0)
        """(st_dev, st_ino), once it is closed."""


class _Tree:
    """A root and all below it. A stack of its own: folders nest deeper than Python calls may.

    Everything is looked at from the descriptor of its folder, so that no link is followed even if
    one takes a folder's place meanwhile.
    """

    def __init__(self, root: Root, options: WalkOptions, report: Report) -> None:
        self._root = root
        self._report = report
        self._options = options
        self._excludes = options.excludes if options.excludes else None
        self._needed, self._ways = _needed(root)
        self._missed = set(root.inner)
        self._stack: list[_Level] = []

    def walk(self) -> Iterator[Found]:
        """Whatever comes of it, each path that was given is found or reported."""
        root = self._root
        try:
            status = os.lstat(root.real)
        except OSError as error:
            self._report(failed(root.real, error))
        else:
            yield from self._found(status)
        for path in root.inner:
            if path in self._missed:
                self._report(_missing(root.at(path)))

    def _found(self, status: os.stat_result) -> Iterator[Found]:
        root = self._root
        if root.path:
            yield root.path, root.real, root.real, status
        if not stat.S_ISDIR(status.st_mode):
            return
        try:
            self._enter(root.path, root.real, root.real, status.st_dev, whole=True)
            yield from self._below()
        finally:
            for level in self._stack:
                _close(level.fd)

    def _below(self) -> Iterator[Found]:
        excludes, needed, stack, lstat = self._excludes, self._needed, self._stack, os.lstat
        while stack:
            level = stack[-1]
            fd, base, real_base, at_base = level.fd, level.base, level.real, level.at
            for name in level.names:
                path = base + name
                try:
                    status = lstat(name, dir_fd=fd)
                except OSError as error:
                    if path not in needed and not self._is_excluded(path, folder=False):
                        self._report(failed(real_base + name, error))
                    continue
                folder = status.st_mode & 0o170000 == stat.S_IFDIR
                is_needed = bool(needed) and path in needed
                left_out = excludes is not None and excludes.covers(path, folder=folder)
                left_out = left_out or (folder and self._is_own(status))
                if left_out and not is_needed:
                    continue
                yield path, real_base + name, at_base + name, status
                given = is_needed and needed[path]
                if given:
                    self._missed.discard(path)
                if not folder:
                    continue
                device = status.st_dev if given else level.device
                whole = given or (level.whole and not left_out and self._is_wanted(status, device))
                if whole or is_needed:
                    self._enter(path, name, real_base + name, device, whole=whole)
                    break
            else:
                self._leave()

    def _is_excluded(self, path: bytes, *, folder: bool) -> bool:
        return self._excludes is not None and self._excludes.covers(path, folder=folder)

    def _is_wanted(self, status: os.stat_result, device: int) -> bool:
        return not self._options.one_file_system or status.st_dev == device

    def _is_own(self, status: os.stat_result) -> bool:
        return _identity(status) in self._options.own

    def _enter(self, path: bytes, name: bytes, real: bytes, device: int, *, whole: bool) -> None:
        """The folder's contents come next. name: from the folder above, which is on the stack."""
        try:
            fd = _open(name, self._stack[-1].fd if self._stack else None)
        except OSError as error:
            self._report(failed(real, error))
            return
        base = path + b"/" if path else b""
        level = _Level(fd, base, self._root.at(base), device=device, whole=whole)
        self._stack.append(level)
        if len(self._stack) > _OPEN_MAX:
            _spare(self._stack[-_OPEN_MAX - 1])
        level.names = iter(self._names(level, real, self._ways.get(path, set())))

    def _names(self, level: _Level, real: bytes, needed: set[bytes]) -> list[bytes]:
        """What to look at in a folder. needed: names that are, whatever else is left out."""
        names: list[bytes] = []
        if level.whole:
            try:
                names = os.listdir(level.at)  # noqa: PTH208  # bytes
            except OSError as error:
                self._report(failed(real, error))
        markers = self._options.marker_names
        if markers and any(name in markers for name in names):
            level.whole = False
        return sorted(needed.union(names) if level.whole else needed)

    def _leave(self) -> None:
        """Go on with the folder above."""
        left = self._stack.pop()
        above = self._stack[-1] if self._stack else None
        if above is not None and above.fd < 0 and not _open_again(above, left.fd):
            self._report(
                _refused(above.real.rstrip(b"/") or b".", "it was moved while it was read")
            )
            above.names = iter(())
        _close(left.fd)


def _needed(root: Root) -> tuple[dict[bytes, bool], dict[bytes, set[bytes]]]:
    """What is taken even where all around it is left out: each path, and whether it was given
    or is only a folder on the way; and of each folder the names of such in it."""
    needed: dict[bytes, bool] = {}
    ways: dict[bytes, set[bytes]] = {}
    for path in root.inner:
        for way in (*parents_of(path), path):
            if len(way) > len(root.path):
                needed[way] = way == path or needed.get(way, False)
                parent, _, name = way.rpartition(b"/")
                ways.setdefault(parent, set()).add(name)
    return needed, ways


def _open(name: bytes, folder: int | None) -> int:
    """A folder. One that may not be listed may still hold what was given."""
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except PermissionError:
        return os.open(name, _FOLDER | os.O_PATH, dir_fd=folder)


def _through(fd: int, path: bytes) -> bytes:
    """What the names in a folder come after. /proc leads to no other folder than the one that
    is open, and works for paths that are longer than the system takes."""
    return b"/proc/self/fd/%d/" % fd if _HAS_PROC else path


def _spare(level: _Level) -> None:
    level.identity = _identity(os.fstat(level.fd))
    _close(level.fd)
    level.fd = -1


def _open_again(level: _Level, below: int) -> bool:
    """From a folder in it. False: it is not the same any more."""
    try:
        fd = os.open(b"..", _FOLDER | os.O_PATH, dir_fd=below)
    except OSError:
        return False
    if _identity(os.fstat(fd)) != level.identity:
        _close(fd)
        return False
    level.fd, level.at = fd, _through(fd, level.real)
    return True


def _close(fd: int) -> None:
    if fd >= 0:
        with contextlib.suppress(OSError):
            os.close(fd)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _is_folder(path: bytes) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _missing(real: bytes) -> SourceError:
    """Why something that was given was not found in a folder that was given, too."""
    try:
        os.lstat(real)
    except OSError as error:
        return failed(real, error)
    return _refused(real, "a folder on the way to it is taken as the symbolic link that it is")


def _refused(path: bytes, why: str) -> SourceError:
    return SourceError(f"reading {_shown(path)}: {why}")


def _shown(path: bytes) -> str:
    return os.fsdecode(path)
