"""A store in a folder: each object a file."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom._core.failures import room_hint
from strongroom.errors import (
    DamagedError,
    ObjectExistsError,
    ObjectMissingError,
    SourceError,
    TargetError,
)
from strongroom.stores import OBJECT_MAX, UnsyncedError, check_name, check_prefix, is_part
from strongroom.stores.nameless import NOT_HERE, link, open_nameless, sibling

if TYPE_CHECKING:
    from typing_extensions import Buffer

# Not to hang on a pipe, and not to be sent elsewhere, by someone who can write to the folder.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
NO_FILE = (errno.ELOOP, errno.ENXIO)
"""What opening says of links and sockets."""

_NO_OBJECT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class LocalStore:
    """Objects are files below a folder, read-only ones, written whole and made durable."""

    def __init__(self, folder: Path) -> None:
        """folder need not exist before something is put in it."""
        self.folder = folder.absolute()

    @property
    def url(self) -> str:
        """The folder's path."""
        return str(self.folder)

    def path_of(self, name: str) -> Path:
        """The file that holds, or would hold, an object."""
        return self.folder / check_name(name)

    def get(self, name: str, *, limit: int = OBJECT_MAX) -> bytes:
        """See Store."""
        with self._reading(name) as fd:
            size = os.fstat(fd).st_size
            if size > limit:
                raise DamagedError(f"reading {name}: {size} bytes, which is too long")
            with os.fdopen(fd, "rb", closefd=False) as file:
                return file.read(size)

    def put(self, name: str, data: Buffer) -> None:
        """See Store."""
        path = self.path_of(name)
        with _writing(name):
            self._make_folders(path.parent)
            nameless = open_nameless(path.parent, 0o444)
            if nameless is None:
                _put_named(path, data)
            else:
                try:
                    _fill(nameless, data)
                    link(nameless, path)
                finally:
                    os.close(nameless)
        try:
            _sync(path.parent)
        except OSError as error:
            raise UnsyncedError(f"writing {name}: {error.strerror}") from None

    def adopt(self, files: Sequence[tuple[Path, str]]) -> None:
        """See Store. The files lie on the same file system."""
        folders: dict[Path, None] = {}
        for source, name in files:
            path = self.path_of(name)
            with _writing(name):
                self._make_folders(path.parent)
                folders |= dict.fromkeys(self._folders_above(path))
                _move(source, path)
        for folder in folders:
            with _writing(str(folder)):
                _sync(folder)

    def sync(self, name: str) -> None:
        """See Store."""
        try:
            for folder in self._folders_above(self.path_of(name)):
                _sync(folder)
        except OSError as error:
            raise UnsyncedError(f"writing {name}: {error.strerror}") from None

    def list(self, prefix: str) -> Iterator[str]:
        """See Store."""
        folder = self.folder / check_prefix(prefix)
        try:
            with os.scandir(folder) as entries:
                found = [
                    (entry.name, _is_folder(entry)) for entry in entries if is_part(entry.name)
                ]
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise SourceError(f"listing {folder}: {error.strerror}") from None
        for name, is_folder in sorted(found, key=lambda item: item[0] + "/" * item[1]):
            if not is_folder:
                yield prefix + name
            elif prefix.count("/") < 3:
                yield from self.list(f"{prefix}{name}/")

    def delete(self, name: str) -> None:
        """See Store."""
        path = self.path_of(name)
        with _writing(name, verb="deleting"):
            path.unlink()
            _sync(path.parent)

    def length(self, name: str) -> int:
        """See Store."""
        with self._reading(name) as fd:
            return os.fstat(fd).st_size

    def exists(self, name: str) -> bool:
        """See Store."""
        try:
            return stat.S_ISREG(self.path_of(name).lstat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise SourceError(f"looking for {name}: {error.strerror}") from None

    @contextmanager
    def _reading(self, name: str) -> Iterator[int]:
        path = self.path_of(name)
        try:
            fd = os.open(path, _READ)
        except _NO_OBJECT:
            raise ObjectMissingError(f"reading {name}: it is missing") from None
        except OSError as error:
            if error.errno in NO_FILE:
                raise DamagedError(f"reading {name}: it is not a regular file") from None
            raise SourceError(f"reading {path}: {error.strerror}") from None
        try:
            kind = os.fstat(fd).st_mode
            if stat.S_ISDIR(kind):
                raise ObjectMissingError(f"reading {name}: it is missing")
            if not stat.S_ISREG(kind):
                raise DamagedError(f"reading {name}: it is not a regular file")
            yield fd
        except OSError as error:
            raise SourceError(f"reading {path}: {error.strerror}") from None
        finally:
            os.close(fd)

    def _folders_above(self, path: Path) -> Sequence[Path]:
        """Up to the store's own. One that was there may have been made by somebody who was killed
        before its name was synced."""
        return [folder for folder in path.parents if folder.is_relative_to(self.folder)]

    def _make_folders(self, folder: Path) -> None:
        """Make folder and what is missing above it, durably."""
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for new in reversed(missing):
            with suppress(FileExistsError):
                new.mkdir(mode=0o777 if self.folder != new else 0o700)
            _sync(new.parent)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself
        return False


@contextmanager
def _writing(name: str, *, verb: str = "writing") -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise ObjectExistsError(f"{verb} {name}: it exists") from None
    except OSError as error:
        if verb == "deleting" and isinstance(error, _NO_OBJECT):
            raise ObjectMissingError(f"{verb} {name}: it is missing") from None
        hint = room_hint(error.errno)
        raise TargetError(f"{verb} {name}: {error.strerror}", hint=hint) from None


def _fill(fd: int, data: Buffer) -> None:
    with memoryview(data) as view, view.cast("B") as octets:
        done = 0
        while done < len(octets):
            done += os.write(fd, octets[done:])
    os.fsync(fd)


def _put_named(path: Path, data: Buffer) -> None:
    """As a partial file that is then moved, where files cannot be without a name."""
    partial = sibling(path)
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
    try:
        try:
            _fill(fd, data)
        finally:
            os.close(fd)
        _move(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _move(source: Path, path: Path) -> None:
    """Rename without replacing. Raises FileExistsError."""
    try:
        os.link(source, path, follow_symlinks=False)
    except OSError as error:
        if error.errno not in NOT_HERE or not source.exists():
            raise
        _move_under_lock(source, path)
    else:
        source.unlink()


def _move_under_lock(source: Path, path: Path) -> None:
    """Without hard links (FAT): look, then rename, while nobody else here does the same."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        source.rename(path)
    finally:
        os.close(folder)


def _sync(folder: Path) -> None:
    """Make names in a folder durable. Where folders cannot be synced, nothing more can be done."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
    finally:
        os.close(fd)
