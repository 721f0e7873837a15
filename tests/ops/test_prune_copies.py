"""A chunk that several segments hold is needed in each, whatever a machine remembers of it."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from repository.support import ROOT
from strongroom._core import TYPE_DATA
from strongroom.ops.prune import PruneOptions
from strongroom.ops.repository import Repository
from strongroom.repository.names import segment_name

NOW = PruneOptions(grace_s=0)


def noise(seed: int, length: int) -> bytes:
    return random.Random(seed).randbytes(length)


class Twice:
    """A repository with one chunk in two segments: two backups at once both stored it.

    a and b have the same file C; b, and bd, four larger files besides.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("a", "b", "bd", "c"):
            (folder / name).mkdir()
        for name in ("a", "b", "c"):
            (folder / name / "C").write_bytes(noise(1, 50_000))
        for n in range(4):
            for name in ("b", "bd"):
                (folder / name / f"D{n}").write_bytes(noise(10 + n, 600_000))
        self.a: str
        self.b: str
        with Repository.create(folder / "r", key=ROOT, cache=folder / "one") as first:
            store = first._opened.store
            adopt = store.adopt

            def overtaken(files):
                adopt(files)
                store.adopt = adopt
                self.b = self.backup("b", cache="other")

            store.adopt = overtaken
            self.a = first.backup(folder / "a").snapshot.id.hex()
        self.bd = self.backup("bd", cache="other")

    def client(self, cache: str) -> Repository:
        return Repository.open(self.folder / "r", key=ROOT, cache=self.folder / cache)

    def backup(self, name: str, *, cache: str) -> str:
        with self.client(cache) as repository:
            return repository.backup(self.folder / name).snapshot.id.hex()

    def prune(self, *forgotten: str, cache: str = "keeper") -> list[str]:
        notes: list[str] = []
        with self.client(cache) as repository:
            if forgotten:
                repository.upkeep.forget(forgotten)
            repository.upkeep.prune(options=NOW, on_note=notes.append)
        return notes

    def data(self) -> list[Path]:
        """The data segments, in the order of the log: what b stored, and what a did."""
        with self.client("looker") as repository:
            opened = repository._opened
            found = [s for s in opened.log.segments() if s.type == TYPE_DATA]
            return [opened.store.path_of(segment_name(s.id)) for s in found]

    def check(self, *caches: str) -> None:
        """All is there, for a machine that knows nothing and for these."""
        shutil.rmtree(self.folder / "stranger", ignore_errors=True)
        for cache in ("stranger", *caches):
            with self.client(cache) as repository:
                result = repository.verify(data=True)
                assert (result.damaged_files, result.damaged_snapshots) == (0, 0), cache


@pytest.fixture
def twice(tmp_path: Path) -> Iterator[Twice]:
    return Twice(tmp_path)


def test_a_copy_that_the_keeper_does_not_know_of_is_kept(twice: Twice) -> None:
    assert len(twice.data()) == 2
    twice.prune(twice.a, twice.b)  # what is left of a goes; C stays in the segment that bd needs
    twice.check("keeper")
    again = twice.backup("c", cache="third")  # it is found there, and not stored again
    twice.check("keeper")
    twice.prune(twice.bd)
    twice.check("keeper", "third")
    with twice.client("keeper") as repository:
        path = os.fsencode(twice.folder / "c/C")[1:]
        with repository.open_file(again, path) as file:
            assert file.read() == noise(1, 50_000)


@pytest.mark.parametrize("gone", [0, 1])
def test_when_one_copy_is_gone_the_other_stays(twice: Twice, gone: int) -> None:
    twice.prune()  # the keeper has seen both
    lost = twice.data()[gone]
    lost.rename(twice.folder / "aside")
    if gone == 1:
        twice.check()
    twice.prune(twice.bd)
    (twice.folder / "aside").rename(lost)
    twice.check()


@pytest.mark.parametrize("harmed", [0, 1])
def test_when_one_copy_rots_the_other_stays(twice: Twice, harmed: int) -> None:
    twice.prune()
    path = twice.data()[harmed]
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(5000)
        byte = file.read(1)
        file.seek(5000)
        file.write(bytes([byte[0] ^ 1]))
    with twice.client("keeper") as repository:
        repository.restore(twice.a, twice.folder / "out", on_error=lambda _: None)
        repository.verify(data=True)
    twice.prune(twice.bd)
    if path.exists():  # it holds the only copies of something; else all is in the other one
        with path.open("r+b") as file:
            file.seek(5000)
            file.write(byte)
    twice.check()


def test_another_segment_in_its_place_is_not_judged_by(twice: Twice) -> None:
    """A store may show one sound segment under the name of another, and then the right one."""
    small, large = sorted(twice.data(), key=lambda path: path.stat().st_size)
    aside = twice.folder / "aside"
    large.rename(aside)
    shutil.copy(small, large)
    notes = twice.prune(twice.b)
    assert any("4 chunks that snapshots need are nowhere" in note for note in notes)
    aside.replace(large)
    twice.check()


def test_objects_of_others_are_no_leftovers(twice: Twice, tmp_path: Path) -> None:
    with Repository.create(tmp_path / "r2", key=ROOT, cache=tmp_path / "c2") as other:
        other.backup(tmp_path / "bd")
        names = list(other._opened.store.list("segments/"))
    for name in names:
        target = tmp_path / "r" / name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(tmp_path / "r2" / name, target)
    decoy = twice.data()[0]
    (decoy.parent.parent / "zz").mkdir()
    (decoy.parent.parent / "zz" / decoy.name).write_bytes(b"no segment")
    twice.prune()
    twice.prune()
    assert all((tmp_path / "r" / name).exists() for name in names)
    twice.check()


def test_of_a_log_that_may_be_an_old_one_nothing_is_called_left_over(
    twice: Twice, tmp_path: Path
) -> None:
    newest = max((tmp_path / "r/log").iterdir())
    before = set((tmp_path / "r/segments").rglob("*"))
    newest.rename(tmp_path / "aside")
    with Repository.open(
        tmp_path / "r", key=ROOT, cache=tmp_path / "new", state=tmp_path / "new machine"
    ) as repository:
        result = repository.upkeep.prune(options=NOW)
    assert result.leftover_objects == 0
    assert set((tmp_path / "r/segments").rglob("*")) == before
    (tmp_path / "aside").rename(newest)
    twice.check()
