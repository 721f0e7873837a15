"""A store of chunks in memory, as backups and restores see it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

from strongroom._core import CHUNK_LEN, UNWATCHED
from strongroom._core.rows import each_id
from strongroom._core.segments import WANT
from strongroom._core.session import FileResult

NOTHING = FileResult(*[0] * len(FileResult._fields))
OK, NOT_A_FILE, EIO, CHANGED, NOT_FOUND = 0, 2, 4, 13, 14


class Later:
    """Works when it is waited for."""

    def __init__(self, fetch) -> None:
        self._fetch = fetch

    def watch(self, _):
        return self._fetch()

    def close(self) -> None:
        pass


class ChunkStore:
    """Keeps chunks by their hash."""

    def __init__(self) -> None:
        self.chunks: dict[bytes, bytes] = {}
        self.read: list[bytes] = []
        """Paths that were read."""
        self.changed: set[bytes] = set()
        """Paths that shall count as changed while they are read."""
        self.before_reading = lambda: None

    # What a backup uses.

    def has_all(self, ids: bytes):
        return self.chunks.keys() >= set(each_id(ids))

    def start_files(self, paths: Sequence[bytes]):
        return Later(lambda: self.files(paths))

    def files(self, paths: Sequence[bytes]):
        self.before_reading()
        ids: list[bytes] = []
        return [self._file(path, ids) for path in paths], b"".join(ids)

    def stream(self, source, *, watch=UNWATCHED):
        with open(source, "rb", closefd=False) as file:
            content = file.read()
        ids: list[bytes] = []
        result = NOTHING._replace(size=len(content), new_len=self._cut(content, ids))
        return result, b"".join(ids)

    def _file(self, path: bytes, ids: list[bytes]) -> FileResult:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError as error:
            return NOTHING._replace(status=EIO, os_error=error.errno)
        with os.fdopen(fd, "rb") as file:
            status = os.fstat(fd)
            content = file.read()
        self.read.append(path)
        first = len(ids)
        new_len = self._cut(content, ids)
        names = ("mode", "mtime_ns", "ctime_ns", "ino", "dev", "nlink", "uid", "gid")
        return NOTHING._replace(
            status=CHANGED if path in self.changed else OK,
            flags=int(status.st_blocks * 512 < status.st_size),
            size=len(content),
            first_id=first,
            id_count=len(ids) - first,
            new_len=new_len,
            **{name: getattr(status, f"st_{name}") for name in names},
        )

    def _cut(self, content: bytes, ids: list[bytes]) -> int:
        new = 0
        for at in range(0, len(content), CHUNK_LEN):
            chunk = content[at : at + CHUNK_LEN]
            name = hashlib.sha256(chunk).digest()
            new += 0 if name in self.chunks else len(chunk)
            self.chunks[name] = chunk
            ids.append(name)
        return new

    # What a restore uses.

    def start(self, wants, fds):
        return Later(lambda: self.fetch(wants, fds))

    def fetch(self, wants, fds, *, watch=UNWATCHED) -> None:
        came = []
        for want in wants:
            chunk = self.chunks.get(want.id)
            if chunk is None or len(chunk) != want.raw_len:
                came.append(want._replace(status=NOT_FOUND))
                continue
            came.append(want)
            if not want.flags & 1 or any(chunk):
                os.pwrite(fds[want.file], chunk, want.off)
        wants.memory[:] = WANT.rows(came).memory
