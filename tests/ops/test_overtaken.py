"""A backup that others overtake: what it relied on is removed before it commits."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from repository.support import ROOT
from strongroom._core import CHUNK_LEN, TYPE_DATA
from strongroom.ops.prune import PruneOptions
from strongroom.ops.repository import Repository
from strongroom.repository.entry import KIND_REMOVE, Draft
from strongroom.repository.log import OvertakenError
from strongroom.repository.names import segment_name
from strongroom.repository.private import NO_SESSION, Private


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    """A snapshot of one file of two chunks."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "old").write_bytes(random.Random(1).randbytes(2 * CHUNK_LEN))
    with Repository.create(tmp_path / "r", key=ROOT, cache=tmp_path / "cache") as repository:
        repository.backup(tmp_path / "src")
        yield repository


def remove_all(repository: Repository, *, delete: bool) -> None:
    """As a prune of another would that took every segment for unneeded."""
    with Repository.open(
        repository._opened.store.url, key=ROOT, cache=repository._opened.store.folder / "../c2"
    ) as other:
        opened = other._opened
        names = tuple(segment.id for segment in opened.log.segments())
        private = Private(1, "", NO_SESSION)
        opened.log.append(Draft(opened.log.head[0], (), private, KIND_REMOVE, names))
        for name in names if delete else ():
            opened.store.delete(segment_name(name))


def before_commit(repository: Repository, act: Callable[[], None]) -> None:
    """Let something happen once, when everything is stored and nothing is committed."""
    store, real = repository._opened.store, repository._opened.store.adopt

    def adopt(files: object) -> None:
        real(files)
        store.adopt = real
        act()

    store.adopt = adopt


@pytest.mark.parametrize("delete", [False, True])
def test_a_backup_that_slept_through_a_removal_stores_it_again(
    repository: Repository, tmp_path: Path, delete: bool
) -> None:
    fresh = random.Random(2).randbytes(3 * CHUNK_LEN)
    (tmp_path / "src" / "new").write_bytes(fresh)
    before_commit(repository, lambda: remove_all(repository, delete=delete))
    notes: list[str] = []
    result = repository.backup(tmp_path / "src", on_note=notes.append)
    assert any("somebody removed chunks that it relied on" in note for note in notes)
    (saved,) = repository.snapshots()
    assert saved.info == result.snapshot
    assert repository.verify(data=True).damaged_segments == 0
    repository.restore("latest", tmp_path / "out")
    for name in ("old", "new"):
        restored = (tmp_path / "out" / os.fsdecode(bytes(tmp_path))[1:] / "src" / name).read_bytes()
        assert restored == (tmp_path / "src" / name).read_bytes()
    # What the first attempt had stored was not stored twice.
    kept = sum(s.length for s in repository._opened.log.segments() if s.type == TYPE_DATA)
    assert kept < 6 * CHUNK_LEN


def test_a_removal_that_does_not_concern_it_costs_nothing(
    repository: Repository, tmp_path: Path
) -> None:
    (tmp_path / "src" / "old").write_bytes(random.Random(3).randbytes(100))
    before_commit(repository, lambda: remove_all(repository, delete=False))
    notes: list[str] = []
    repository.backup(tmp_path / "src", on_note=notes.append)
    assert not [note for note in notes if "relied" in note]
    assert repository.verify(data=True).damaged_files == 0
    assert len(repository.snapshots()) == 1


def test_its_own_segments_taken_for_left_over_are_stored_again(
    repository: Repository, tmp_path: Path
) -> None:
    """A writer slept between storing and committing for so long that somebody swept."""
    (tmp_path / "src" / "new").write_bytes(random.Random(2).randbytes(CHUNK_LEN))

    def sweep() -> None:
        opened = repository._opened
        known = {segment_name(s.id) for s in opened.log.segments()}
        strays = [name for name in opened.store.list("segments/") if name not in known]
        ids = tuple(bytes.fromhex(name[-32:]) for name in strays)
        with Repository.open(opened.store.url, key=ROOT, cache=tmp_path / "c2") as other:
            draft = Draft(1, (), Private(1, "", NO_SESSION), KIND_REMOVE, ids)
            other._opened.log.append(draft)
        for name in strays:
            opened.store.delete(name)

    before_commit(repository, sweep)
    repository.backup(tmp_path / "src")
    assert repository.verify(data=True).damaged_segments == 0
    assert len(repository.snapshots()) == 2
    live = {segment_name(s.id) for s in repository._opened.log.segments()}
    assert set(repository._opened.store.list("segments/")) == live


def asleep(repository: Repository, moment: str, act: Callable[[], None]) -> None:
    """Let something happen once while a backup sleeps."""
    opened = repository._opened
    owner, name = {
        "before it reads": (opened, "begin_session"),
        "before it stores": (opened.store, "adopt"),
        "before it commits": (opened.log, "append"),
    }[moment]
    real = getattr(owner, name)

    def slow(*words: object, **more: object) -> object:
        delattr(owner, name)
        if moment != "before it reads":
            act()
            return real(*words, **more)
        begun = real(*words, **more)
        act()
        return begun

    setattr(owner, name, slow)


@pytest.mark.parametrize("moment", ["before it reads", "before it stores", "before it commits"])
def test_a_writer_that_slept_through_a_prune_and_its_deletions_loses_nothing(
    repository: Repository, tmp_path: Path, moment: str
) -> None:
    """What it takes over was needed by a snapshot that is forgotten meanwhile; what it has stored
    seems left over."""
    (tmp_path / "src" / "new").write_bytes(random.Random(2).randbytes(CHUNK_LEN))
    (first,) = repository.snapshots()
    deleted: list[int] = []
    with Repository.open(repository._opened.store.url, key=ROOT, cache=tmp_path / "c2") as other:

        def upkeep() -> None:
            other.upkeep.forget([first.id])
            for _ in range(2):
                deleted.append(other.upkeep.prune(options=PruneOptions(grace_s=0)).deleted_objects)

        asleep(repository, moment, upkeep)
        result = repository.backup(tmp_path / "src")
    assert sum(deleted) == {"before it commits": 4}.get(moment, 2), "its own two as well"
    with Repository.open(repository._opened.store.url, key=ROOT, cache=tmp_path / "c3") as fresh:
        assert [saved.info for saved in fresh.snapshots()] == [result.snapshot]
        found = fresh.verify(data=True)
        assert (found.damaged_files, found.damaged_segments) == (0, 0)
        for name in ("old", "new"):
            path = tmp_path / "src" / name
            with fresh.open_file("latest", os.fsencode(path)[1:]) as file:
                assert file.read() == path.read_bytes()


def test_a_stream_that_was_overtaken_says_so(repository: Repository, tmp_path: Path) -> None:
    data = (tmp_path / "src" / "old").read_bytes()
    before_commit(repository, lambda: remove_all(repository, delete=True))
    with Path(tmp_path / "src" / "old").open("rb") as file, pytest.raises(OvertakenError):
        repository.add_stream("again", file)
    with Path(tmp_path / "src" / "old").open("rb") as file:
        repository.add_stream("again", file)
    with repository.open_file("latest", "again") as again:
        assert again.read() == data
