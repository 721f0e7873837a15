"""A repository whose snapshots are forgotten and pruned."""

from __future__ import annotations

import os
import random
from pathlib import Path

from repository.support import ROOT
from strongroom._core import CHUNK_LEN, TYPE_DATA
from strongroom.ops.prune import PruneOptions, PruneResult
from strongroom.ops.repository import Repository
from strongroom.repository.names import segment_name

NOW = PruneOptions(grace_s=0)


def noise(seed: int, length: int = 2 * CHUNK_LEN) -> bytes:
    return random.Random(seed).randbytes(length)


class Place:
    """A folder, its repository, and what the folder looked like at each snapshot."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = folder / "src"
        self.source.mkdir()
        self.repository = Repository.create(folder / "r", key=ROOT, cache=folder / "cache")
        self.seen: dict[str, dict[str, bytes]] = {}
        self.notes: list[str] = []

    def backup(self, *, threads: int | None = None) -> str:
        result = self.repository.backup(self.source, threads=threads)
        name = result.snapshot.id.hex()
        self.seen[name] = {path.name: path.read_bytes() for path in self.source.iterdir()}
        return name

    def forget(self, *names: str) -> None:
        self.repository.upkeep.forget(names)
        for name in names:
            del self.seen[name]

    def prune(self, options: PruneOptions = NOW) -> PruneResult:
        return self.repository.upkeep.prune(options=options, on_note=self.notes.append)

    def another(self, cache: str = "other cache") -> Repository:
        return Repository.open(self.folder / "r", key=ROOT, cache=self.folder / cache)

    @property
    def objects(self) -> set[str]:
        return set(self.repository._opened.store.list("segments/"))

    @property
    def live(self) -> set[str]:
        return {segment_name(s.id) for s in self.repository._opened.log.segments()}

    def data_segments(self) -> list[Path]:
        opened = self.repository._opened
        found = [s for s in opened.log.segments() if s.type == TYPE_DATA]
        return [opened.store.path_of(segment_name(s.id)) for s in found]

    def check(self) -> None:
        """Every snapshot is there, for those who know it and for those who come."""
        for cache in ("cache", "yet another"):
            with self.another(cache) as repository:
                assert {saved.id for saved in repository.snapshots()} == set(self.seen)
                result = repository.verify(data=True)
                assert (result.damaged_files, result.damaged_snapshots) == (0, 0)
                for name, files in self.seen.items():
                    for path, content in files.items():
                        where = os.fsencode(self.source / path)[1:]
                        with repository.open_file(name, where) as file:
                            assert file.read() == content


def three(place: Place) -> list[str]:
    """Each snapshot has a file that the next one lacks, and one that all have."""
    (place.source / "all").write_bytes(noise(0))
    ids = []
    for n in range(1, 4):
        (place.source / "one").write_bytes(noise(n))
        ids.append(place.backup())
    return ids
