"""What a client remembers of a repository: tables of the chunk index. All of it can be lost.

A table covers the entries of the log after one place up to another, which its note names. Tables
that follow each other from the beginning of the log make up the index. One that begins where it
ends amends those before it: it says what was learned later of the same entries.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from strongroom.errors import StrongroomError
from strongroom.xdg import cache_home

TABLES_MAX: Final = 8
"""More are written as one."""

_SUFFIX = ".index"
_NOTE = struct.Struct(">Q32sQ32s")
_NOTE_LEN = 64
_FILL = b"\0" * _NOTE_LEN


class Place(NamedTuple):
    """A place in the log: the entry of that hash, or 0 and the hash of the config."""

    seq: int
    hash: bytes


class Table(NamedTuple):
    """A table file, and which part of the log it covers: after `start`, up to `end`."""

    path: Path
    start: int
    end: Place


def cache_folder(repo_id: bytes) -> Path:
    """Where this user's machine remembers that repository."""
    return cache_home() / repo_id.hex()


def make_note(start: int, end: Place) -> bytes:
    """64 bytes to keep in a table."""
    note = struct.pack(">Q32sQ", end.seq, end.hash, start)
    return note + _FILL[len(note) :]


class TableFolder:
    """The tables of one repository."""

    def __init__(self, folder: Path, read_note: Callable[[Path], bytes]) -> None:
        """read_note raises StrongroomError for what is no table, or one of another version."""
        self.folder = folder
        self._read_note = read_note

    def chain(self, holds: Callable[[Place], bool]) -> list[Table]:
        """Tables that follow each other from the beginning, as far as they reach, oldest first.

        holds: is that still a place in the log? What is of no use any more is removed.
        """
        tables = [table for path in self._paths() if (table := self._read(path)) is not None]
        good = [table for table in tables if holds(table.end)]
        chain: list[Table] = []
        reached = 0
        while following := [t for t in good if t.start == reached < t.end.seq]:
            chain.append(max(following, key=lambda table: table.end.seq))
            reached = chain[-1].end.seq
            chain += [t for t in good if t.start == reached == t.end.seq]
        useless = [t for t in tables if t not in good or (t.end.seq <= reached and t not in chain)]
        self.remove(table.path for table in useless)
        return chain

    def add(self, save: Callable[[Path], None]) -> Path | None:
        """Let save write a table under a new name, which is returned. If it cannot be kept (None),
        that costs time but nothing else."""
        path = self.folder / (os.urandom(16).hex() + _SUFFIX)
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            save(path)
        except (OSError, StrongroomError):
            return None
        return path

    def remove(self, paths: Iterable[Path]) -> None:
        """Forget tables. Those who have them open keep them."""
        for path in paths:
            with suppress(OSError):
                path.unlink()

    def clear(self) -> None:
        """Forget everything."""
        self.remove(self._paths())

    def _paths(self) -> list[Path]:
        try:
            return sorted(path for path in self.folder.iterdir() if path.suffix == _SUFFIX)
        except OSError:
            return []

    def _read(self, path: Path) -> Table | None:
        try:
            seq, digest, start, fill = _NOTE.unpack(self._read_note(path) + _FILL[:16])
        except (OSError, StrongroomError):
            self.remove([path])
            return None
        if any(fill) or start > seq or seq == 0:
            self.remove([path])
            return None
        return Table(path, start, Place(seq, digest))
