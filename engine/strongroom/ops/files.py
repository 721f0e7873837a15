"""Files read with an eye on them, and files that get their name only when they are whole."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from strongroom.errors import SourceError, TargetError, TargetExistsError, UsageError

# What file systems answer that cannot make a file without a name, or a hard link.
_NOT_HERE = {errno.EOPNOTSUPP, errno.EINVAL, errno.EISDIR, errno.ENOENT, errno.EPERM, errno.ENOSYS}


@dataclass(frozen=True, slots=True)
class Source:
    """An open input and what it was when it was opened."""

    fd: int
    size: int
    """Bytes from where reading begins; 0 for what is not a regular file."""
    identity: tuple[int, int]
    _before: os.stat_result

    @classmethod
    def of_descriptor(cls, fd: int) -> Source:
        """The caller keeps fd open; what was read from it already is no part of the input."""
        before = os.fstat(fd)
        size = 0
        if stat.S_ISREG(before.st_mode):
            size = max(0, before.st_size - os.lseek(fd, 0, os.SEEK_CUR))
        return cls(fd, size, _identity(before), before)

    def check_apart(self, target_fd: int, *, doing: str) -> None:
        """Raise UsageError if target_fd is this same regular file."""
        if stat.S_ISREG(self._before.st_mode) and _identity(os.fstat(target_fd)) == self.identity:
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
        source = Source.of_descriptor(fd)
        if stat.S_ISDIR(source._before.st_mode):
            raise SourceError(f"{doing}: it is a directory")
        yield source
    finally:
        os.close(fd)


@contextmanager
def new_file(path: Path, *, source: Source, overwrite: bool, doing: str) -> Iterator[int]:
    """A descriptor to write to. path gets what was written, all at once and durable, when the
    block ends well, and is left as it was when it does not.

    An existing device or pipe is written to as it is. Raises TargetExistsError, TargetError;
    UsageError when path is the source itself.
    """
    path = Path(os.path.realpath(path))
    with _explained(path, doing=doing):
        there = _status(path)
    if there is not None:
        _check_target(path, there, source, overwrite=overwrite, doing=doing)
    if there is not None and not stat.S_ISREG(there.st_mode):
        with _explained(path, doing=doing):
            existing = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        with _descriptor(existing) as fd:
            yield fd
        return
    with _whole_file(path, overwrite=overwrite, doing=doing) as fd:
        yield fd


def _check_target(
    path: Path, there: os.stat_result, source: Source, *, overwrite: bool, doing: str
) -> None:
    """Refuse what may not be written to."""
    if _identity(there) == source.identity:
        raise UsageError(f"{doing}: output and input are the same file")
    if stat.S_ISDIR(there.st_mode):
        raise TargetError(f"{doing}: {path} is a directory")
    if stat.S_ISREG(there.st_mode) and not overwrite:
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
def _whole_file(path: Path, *, overwrite: bool, doing: str) -> Iterator[int]:
    with _explained(path, doing=doing):
        nameless = _open_nameless(path.parent)
    if nameless is not None:
        with _descriptor(nameless) as fd:
            yield fd
            with _explained(path, doing=doing):
                os.fsync(fd)
                _name(fd, path, overwrite=overwrite)
    else:
        partial = _sibling(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with _explained(path, doing=doing):
            named = os.open(partial, flags, 0o666)
        try:
            with _descriptor(named) as fd:
                yield fd
                with _explained(path, doing=doing):
                    os.fsync(fd)
            with _explained(path, doing=doing):
                _move(partial, path, overwrite=overwrite)
        finally:
            partial.unlink(missing_ok=True)
    with _explained(path, doing=doing):
        _sync_folder(path.parent)


def _open_nameless(folder: Path) -> int | None:
    """A file that vanishes with the process unless it is named, where the system has them."""
    if not hasattr(os, "O_TMPFILE"):
        return None
    try:
        fd = os.open(folder, os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno in _NOT_HERE and folder.is_dir():
            return None
        raise
    if Path(f"/proc/self/fd/{fd}").exists():
        return fd
    os.close(fd)
    return None


def _name(nameless: int, path: Path, *, overwrite: bool) -> None:
    """Give a nameless file its name. Raises FileExistsError unless overwrite."""
    try:
        _link(nameless, path)
    except FileExistsError:
        if not overwrite:
            raise
        partial = _sibling(path)
        _link(nameless, partial)
        try:
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def _link(fd: int, path: Path) -> None:
    # Only with a folder descriptor does os.link call linkat(2), which follows this link.
    with _descriptor(os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY)) as folder:
        os.link(str(fd), path, src_dir_fd=folder, follow_symlinks=True)


def _move(partial: Path, path: Path, *, overwrite: bool) -> None:
    """Give a finished file its final name. Raises FileExistsError unless overwrite."""
    if overwrite:
        partial.replace(path)
        return
    try:
        os.link(partial, path)
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise
        # No hard links here (FAT): what is left is to look, then rename.
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path) from None
        partial.replace(path)


def _sibling(path: Path) -> Path:
    return path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.partial")


def _sync_folder(folder: Path) -> None:
    with _descriptor(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)) as fd:
        os.fsync(fd)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


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
