"""Manifest segments: written into a session's spool, read where they lie."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom import _core
from strongroom._core import TYPE_MANIFEST, PipedSeal, SealOptions, View
from strongroom.errors import DamagedError, ObjectMissingError, SourceError, TargetError
from strongroom.keys.envelope import Session, open_envelopes
from strongroom.keys.rootkey import RootKey
from strongroom.repository.entry import SegmentRef
from strongroom.repository.snapshots import Snapshot
from strongroom.stores.local import NO_FILE

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Buffer


class ManifestTarget:
    """A manifest to be, written piece by piece. Close it; what was not finished is gone then, but
    not if a child of fork does so."""

    def __init__(self, options: SealOptions, folder: Path) -> None:
        """options: of type TYPE_MANIFEST. Raises TargetError."""
        self._id, self._owner = os.urandom(16), os.getpid()
        self._path = folder / self._id.hex()
        with ExitStack() as stack:
            try:
                self._fd = os.open(
                    self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444
                )
            except OSError as error:
                raise TargetError(f"making {self._path}: {error.strerror}") from None
            stack.callback(os.close, self._fd)
            stack.callback(self._discard)
            self._seal = stack.enter_context(
                PipedSeal(options, self._fd, doing="writing the manifest")
            )
            self._stack = stack.pop_all()
        self._finished = False

    def write(self, data: Buffer) -> int:
        """Take all of data. Raises TargetError."""
        return self._seal.write(data)

    def finish(self) -> SegmentRef:
        """That was all: it is whole and durable now, though not yet part of the repository."""
        result = self._seal.finish()
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise TargetError(f"writing the manifest: {error.strerror}") from None
        self._finished = True
        return SegmentRef(self._id, result.root, result.stored_bytes, TYPE_MANIFEST)

    def close(self) -> None:
        """More than once is fine."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _discard(self) -> None:
        if not self._finished and os.getpid() == self._owner:
            with suppress(OSError):
                self._path.unlink()


class ManifestSource:
    """A manifest's plaintext, read from the beginning on. Close it.

    Every byte of the segment was held against the root in the log before the first is returned.
    """

    def __init__(self, path: Path, snapshot: Snapshot, root: RootKey, repo_id: bytes) -> None:
        """Raises DamagedError, SourceError."""
        doing = f"reading the manifest of snapshot {snapshot.id.hex()}"
        with ExitStack() as stack:
            fd = _open(path, doing=doing)
            stack.callback(os.close, fd)
            header = _core.parse_header(_first_bytes(fd, doing=doing), doing=doing)
            if header.type != TYPE_MANIFEST or header.repo_id != repo_id:
                raise DamagedError(f"{doing}: another segment is in its place")
            os.lseek(fd, _core.HEADER_LEN, os.SEEK_SET)
            if _core.scrub(header, fd, doing=doing).root != snapshot.root:
                raise DamagedError(f"{doing}: its bytes do not make the root that the log names")
            key = open_envelopes(
                root, Session(repo_id, header.session_id), header.envelopes, doing=doing
            )
            os.lseek(fd, _core.HEADER_LEN, os.SEEK_SET)
            self._view = View(header, key, fd, doing=doing)
            stack.callback(self._view.close)
            self._stack = stack.pop_all()
        self._at = 0

    def __len__(self) -> int:
        """Bytes of plaintext."""
        return len(self._view)

    def read(self, size: int, /) -> bytes:
        """Up to size bytes; none at the end. Raises DamagedError, SourceError."""
        target = bytearray(max(0, min(size, len(self._view) - self._at)))
        got = self._view.read_into(self._at, target)
        self._at += got
        return bytes(memoryview(target)[:got])

    def close(self) -> None:
        """More than once is fine."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _open(path: Path, *, doing: str) -> int:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ObjectMissingError(f"{doing}: it is missing") from None
    except OSError as error:
        if error.errno in NO_FILE:
            raise _no_file(doing) from None
        raise SourceError(f"{doing}: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise _no_file(doing)
    return fd


def _no_file(doing: str) -> DamagedError:
    return DamagedError(f"{doing}: it is not a regular file")


def _first_bytes(fd: int, *, doing: str) -> bytes:
    try:
        return os.pread(fd, _core.HEADER_LEN, 0)
    except OSError as error:
        raise SourceError(f"{doing}: {error.strerror}") from None
