"""A repository with snapshots in it, and ways to harm it."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cli.repositories import make_repository
from program import Program, Run, Word
from strongroom import RootKey
from strongroom._core import CHUNK_LEN
from strongroom.repository.names import segment_name
from strongroom.repository.opened import OpenRepository
from strongroom.stores.local import LocalStore


@dataclass(frozen=True, slots=True)
class Library:
    """A folder `src`, backed up into `repo` by a program that keeps its cache below `cache`."""

    program: Program
    store: LocalStore
    key: RootKey

    @classmethod
    def make(cls, program: Program, key: RootKey) -> Library:
        folder = program.folder
        (folder / "src").mkdir()
        kept = program.with_env(XDG_CACHE_HOME=str(folder / "cache"))
        return cls(kept, make_repository(folder / "repo", key), key)

    @property
    def source(self) -> Path:
        return self.program.folder / "src"

    def __call__(self, verb: str, *words: Word, code: int = 0, data: bytes | None = None) -> Run:
        """Run a verb on the repository, with its key."""
        where: tuple[Word, ...] = ("-r", "repo", "--key-file", "my.key")
        return self.program(verb, *where, *words, code=code, data=data)

    def backup(self, *words: Word, code: int = 0) -> str:
        """Back up src; the id of the snapshot."""
        return self("backup", *words, "src", code=code).out.decode().strip()

    def opened(self) -> OpenRepository:
        """For looking inside; with a cache of its own."""
        return OpenRepository(self.store, self.key, cache=self.program.folder / "other cache")

    def data_segments(self) -> list[Path]:
        """Oldest first."""
        return self._segments(2)

    def manifests(self) -> list[Path]:
        """Oldest first."""
        return self._segments(3)

    def _segments(self, kind: int) -> list[Path]:
        with self.opened() as opened:
            found = [s for s in opened.log.segments() if s.type == kind]
        return [self.store.path_of(segment_name(segment.id)) for segment in found]


def noise(seed: int, length: int) -> bytes:
    return random.Random(seed).randbytes(length)


def grow(library: Library) -> list[str]:
    """Three snapshots, each of which adds one file and one data segment: a.bin, then b.bin, then
    notes.txt, the last beside an empty file and a second name of a.bin's contents."""
    ids = []
    for name, content in (
        ("a.bin", noise(1, 2 * CHUNK_LEN)),
        ("b.bin", noise(2, 3 * CHUNK_LEN)),
        ("notes.txt", b"to be kept\n" * 500),
    ):
        (library.source / name).write_bytes(content)
        if name == "notes.txt":
            (library.source / "empty").touch()
            (library.source / "deep").mkdir()
            (library.source / "deep" / "a again").write_bytes(noise(1, 2 * CHUNK_LEN))
        ids.append(library.backup())
    return ids


def _writable(path: Path) -> Path:
    path.chmod(0o600)
    return path


def lose(path: Path, _other: Path) -> None:
    path.unlink()


def cut_in_half(path: Path, _other: Path) -> None:
    os.truncate(_writable(path), path.stat().st_size // 2)


def cut_off_trailer(path: Path, _other: Path) -> None:
    os.truncate(_writable(path), path.stat().st_size - 4160)


def flip(path: Path, _other: Path) -> None:
    """One bit in the first chunk."""
    with _writable(path).open("r+b") as file:
        file.seek(4096 + 1000)
        (byte,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def replace(path: Path, other: Path) -> None:
    _writable(path).write_bytes(other.read_bytes())


Harm = Callable[[Path, Path], None]
HARMS: dict[str, Harm] = {
    "missing": lose,
    "truncated": cut_in_half,
    "without trailer": cut_off_trailer,
    "flipped": flip,
    "replaced": replace,
}
"""Each takes a segment's file and that of another segment."""


def tree(folder: Path) -> dict[Path, bytes | None]:
    """Contents of files by their path below folder; None for folders."""
    return {
        path.relative_to(folder): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }
