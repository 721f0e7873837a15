"""Outputs: files that get their name only when they are whole."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from strongroom.errors import TargetError, TargetExistsError, UsageError
from strongroom.ops.source import Source
from strongroom.stores.nameless import NOT_HERE, link, open_nameless, sibling


class _Permissions(NamedTuple):
    """Of an output: those of what it replaces, or the usual ones, not wider than its source's."""

    keep: int | None
    narrow_to: int | None


@contextmanager
def new_file(path: Path, *, source: Source | None, overwrite: bool, doing: str) -> Iterator[int]:
    """A descriptor to write to. path gets what was written, all at once and durable, when the
    block ends well, and is left as it was when it does not. A file that is replaced keeps its
    permissions; a new one is never more open than its source.

    An existing pipe or character device is written to as it is, a disk only with overwrite.
    Raises TargetExistsError, TargetError; UsageError when path is the source itself.
    """
    with _explained(path, doing=doing):
        there = _status(path)
    if there is not None:
        _check_target(path, there, source, overwrite=overwrite, doing=doing)
    if there is not None and not stat.S_ISREG(there.st_mode):
        with _special(path, doing=doing) as fd:
            yield fd
        return
    with _explained(path, doing=doing):
        real = Path(os.path.realpath(path))
        now = _status(real)
    if (now is None) != (there is None):
        raise TargetError(f"{doing}: {path} has no place in a folder")
    permissions = _Permissions(
        keep=None if there is None else stat.S_IMODE(there.st_mode),
        narrow_to=None if source is None else source.mode,
    )
    with _whole_file(real, permissions, overwrite=overwrite, doing=doing) as fd:
        yield fd


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable, where it may be opened and can be synced at all."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return
    with _descriptor(fd), contextlib.suppress(OSError):
        os.fsync(fd)


def _check_target(
    path: Path, there: os.stat_result, source: Source | None, *, overwrite: bool, doing: str
) -> None:
    """Refuse what may not be written to."""
    if source is not None and source.is_same_as(there):
        raise UsageError(f"{doing}: output and input are the same file")
    if stat.S_ISDIR(there.st_mode):
        raise TargetError(f"{doing}: {path} is a directory")
    if (stat.S_ISREG(there.st_mode) or stat.S_ISBLK(there.st_mode)) and not overwrite:
        raise TargetExistsError(f"{doing}: {path} exists")


@contextmanager
def _explained(path: Path, *, doing: str) -> Iterator[None]:
    """Say what was being done. Never around a yield: what the caller raises is the caller's."""
    try:
        yield
    except FileExistsError:
        raise TargetExistsError(f"{doing}: {path} exists") from None
    except OSError as error:
        raise TargetError(f"{doing}: writing {path}: {error.strerror}") from None


@contextmanager
def _special(path: Path, *, doing: str) -> Iterator[int]:
    """A device or a pipe, written to as it is. What it is was looked up by name; look again."""
    with _explained(path, doing=doing):
        existing = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    with _descriptor(existing) as fd:
        kind = os.fstat(fd).st_mode
        if stat.S_ISREG(kind):
            raise TargetError(f"{doing}: {path} became a file meanwhile")
        yield fd
        if stat.S_ISBLK(kind):
            with _explained(path, doing=doing):
                os.fsync(fd)


@contextmanager
def _whole_file(
    path: Path, permissions: _Permissions, *, overwrite: bool, doing: str
) -> Iterator[int]:
    with _explained(path, doing=doing):
        nameless = open_nameless(path.parent)
    if nameless is not None:
        with _descriptor(nameless) as fd:
            yield fd
            with _explained(path, doing=doing):
                _finish(fd, permissions)
                _name(fd, path, overwrite=overwrite)
    else:
        partial, maker = sibling(path), os.getpid()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with _explained(path, doing=doing):
            named = os.open(partial, flags, 0o666)
        try:
            with _descriptor(named) as fd:
                yield fd
                with _explained(path, doing=doing):
                    _finish(fd, permissions)
            with _explained(path, doing=doing):
                _move(partial, path, overwrite=overwrite)
        finally:
            if os.getpid() == maker:  # a child of fork would take it from its parent
                partial.unlink(missing_ok=True)
    sync_folder(path.parent)


def _finish(fd: int, permissions: _Permissions) -> None:
    if permissions.keep is not None:
        os.fchmod(fd, permissions.keep)
    elif permissions.narrow_to is not None:
        os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode) & permissions.narrow_to)
    os.fsync(fd)


def _name(nameless: int, path: Path, *, overwrite: bool) -> None:
    """Give a nameless file its name. Raises FileExistsError unless overwrite."""
    try:
        link(nameless, path)
    except FileExistsError:
        if not overwrite:
            raise
        partial = sibling(path)
        link(nameless, partial)
        try:
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def _move(partial: Path, path: Path, *, overwrite: bool) -> None:
    """Give a finished file its final name. Raises FileExistsError unless overwrite."""
    if overwrite:
        partial.replace(path)
        return
    try:
        os.link(partial, path)
    except OSError as error:
        if error.errno not in NOT_HERE:
            raise
        # No hard links here (FAT): what is left is to look, then rename.
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path) from None
        partial.replace(path)


def _status(path: Path) -> os.stat_result | None:
    with contextlib.suppress(FileNotFoundError):
        return path.stat()
    return None


@contextmanager
def _descriptor(fd: int) -> Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)
