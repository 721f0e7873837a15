"""A store of chunks in memory, as backups and restores see it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

import numpy as np

from strongroom._core import CHUNK_LEN, UNWATCHED
from strongroom.ops.record import ReadFile

RESULT = np.dtype(
    [
        (name, np.int64 if name in {"mtime_ns", "ctime_ns"} else np.uint64)
        for name in ReadFile._fields
    ]
)
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

    def find(self, ids):
        return np.array([one.tobytes() in self.chunks for one in ids], bool)

    def start_files(self, paths: Sequence[bytes]):
        return Later(lambda: self.files(paths))

    def files(self, paths: Sequence[bytes]):
        self.before_reading()
        ids: list[bytes] = []
        results = np.zeros(len(paths), RESULT)
        for row, path in zip(results, paths, strict=True):
            row["first_id"] = len(ids)
            self._file(path, row, ids)
        return results, self._joined(ids)

    def stream(self, source, *, watch=UNWATCHED):
        with open(source, "rb", closefd=False) as file:
            content = file.read()
        ids: list[bytes] = []
        result = np.zeros(1, RESULT)[0]
        result["size"], result["new_len"] = len(content), self._cut(content, ids)
        return result, self._joined(ids)

    def _file(self, path: bytes, row, ids: list[bytes]) -> None:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError as error:
            row["status"], row["os_error"] = EIO, error.errno
            return
        with os.fdopen(fd, "rb") as file:
            status = os.fstat(fd)
            content = file.read()
        self.read.append(path)
        for name in ("mode", "mtime_ns", "ctime_ns", "ino", "dev", "nlink", "uid", "gid"):
            row[name] = getattr(status, f"st_{name}")
        row["flags"] = status.st_blocks * 512 < status.st_size
        row["size"] = len(content)
        row["status"] = CHANGED if path in self.changed else OK
        row["new_len"] = self._cut(content, ids)
        row["id_count"] = len(ids) - int(row["first_id"])

    def _cut(self, content: bytes, ids: list[bytes]) -> int:
        new = 0
        for at in range(0, len(content), CHUNK_LEN):
            chunk = content[at : at + CHUNK_LEN]
            name = hashlib.sha256(chunk).digest()
            new += 0 if name in self.chunks else len(chunk)
            self.chunks[name] = chunk
            ids.append(name)
        return new

    @staticmethod
    def _joined(ids: list[bytes]):
        return np.frombuffer(b"".join(ids), np.uint8).reshape(-1, 32)

    # What a restore uses.

    def start(self, wants, fds):
        return Later(lambda: self.fetch(wants, fds))

    def fetch(self, wants, fds, *, watch=UNWATCHED) -> None:
        for want in wants:
            chunk = self.chunks.get(want["id"].tobytes())
            if chunk is None or len(chunk) != want["raw_len"]:
                want["status"] = NOT_FOUND
                continue
            if want["flags"] & 1 and not any(chunk):
                continue
            os.pwrite(fds[want["file"]], chunk, int(want["off"]))
