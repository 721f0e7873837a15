"""What nothing needs is removed, what anything may need is not."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from repository.support import ROOT
from strongroom import DamagedError
from strongroom._core import CHUNK_LEN, TYPE_DATA
from strongroom.ops.prune import PruneOptions, PruneResult
from strongroom.ops.repository import Repository
from strongroom.repository.entry import KIND_PARTIAL, KIND_REMOVE, Draft
from strongroom.repository.names import segment_name
from strongroom.repository.private import NO_SESSION, Private

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


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    with place.repository:
        yield place


def three(place: Place) -> list[str]:
    """Each snapshot has a file that the next one lacks, and one that all have."""
    (place.source / "all").write_bytes(noise(0))
    ids = []
    for n in range(1, 4):
        (place.source / "one").write_bytes(noise(n))
        ids.append(place.backup())
    return ids


def test_nothing_forgotten_is_nothing_removed(place: Place) -> None:
    three(place)
    entries, objects = place.repository._opened.log.head, place.objects
    result = place.prune()
    assert (result.removed_segments, result.repacked_segments, result.leftover_objects) == (0, 0, 0)
    assert (place.repository._opened.log.head, place.objects) == (entries, objects)
    place.check()


def test_what_only_a_forgotten_snapshot_needed_is_deleted(place: Place) -> None:
    _first, second, _third = three(place)
    place.forget(second)
    before = sum((place.folder / "r" / name).stat().st_size for name in place.objects)
    result = place.prune()
    assert (result.removed_segments, result.repacked_segments) == (1, 0)
    # The segment and the manifest.
    assert result.deleted_objects == 2
    assert place.objects == place.live
    after = sum((place.folder / "r" / name).stat().st_size for name in place.objects)
    assert before - after == result.deleted_bytes > 2 * CHUNK_LEN
    place.check()
    assert place.prune().deleted_objects == 0


def test_a_segment_of_which_a_part_is_needed_is_stored_anew(place: Place) -> None:
    first, _second, _third = three(place)
    place.forget(first)  # its segment holds what all have, too
    result = place.prune()
    assert (result.removed_segments, result.repacked_segments) == (0, 1)
    assert 2 * CHUNK_LEN < result.new_bytes < 2.2 * CHUNK_LEN
    assert place.objects == place.live
    place.check()
    again = place.backup()
    assert place.repository.snapshot(again).info.new_bytes == 0, "its chunks are known"


def test_small_chunks_are_stored_anew_too(place: Place) -> None:
    for n in range(200):
        (place.source / f"small {n}").write_bytes(f"{n} ".encode() * (n + 1))
    first = place.backup()
    for n in range(0, 200, 2):
        (place.source / f"small {n}").unlink()
    place.backup()
    place.forget(first)
    result = place.prune()
    assert result.repacked_segments == 1
    place.check()


def test_a_segment_is_stored_anew_once_more_than_a_tenth_is_unneeded(place: Place) -> None:
    for n in range(20):
        (place.source / f"{n}").write_bytes(noise(n, 100_000))
    ids = [place.backup(threads=1)]  # all in one segment
    for gone, repacked in ((1, 0), (2, 0), (3, 1)):
        (place.source / f"{gone}").unlink()
        ids.append(place.backup())
        place.forget(ids.pop(0))
        assert place.prune().repacked_segments == repacked
    place.check()


def test_a_dry_run_says_what_a_prune_does_and_does_nothing(place: Place) -> None:
    first, second, _third = three(place)
    place.forget(first, second)
    entries, objects = place.repository._opened.log.head, place.objects
    dry = place.prune(PruneOptions(dry_run=True, grace_s=0))
    assert (place.repository._opened.log.head, place.objects) == (entries, objects)
    assert dry.waiting_objects == 2, "their manifests"
    done = place.prune()
    for name in ("segments", "stored_bytes", "removed_segments", "removed_bytes"):
        assert getattr(dry, name) == getattr(done, name)
    assert (dry.repacked_segments, dry.repacked_bytes) == (1, done.repacked_bytes)
    assert abs(dry.freed_bytes - done.freed_bytes) < 100_000
    place.check()


def test_within_the_grace_period_nothing_is_deleted(place: Place) -> None:
    first, second, _third = three(place)
    before = place.another("reader")
    before._opened.load_index()
    place.forget(first, second)
    objects = place.objects
    result = place.prune(PruneOptions(grace_s=3600))
    assert (result.deleted_objects, result.waiting_objects) == (0, 4)
    assert place.objects > objects
    with before:  # one who began to read before goes on
        opened = before._opened
        info = next(s for s in opened.snapshots if s.id.hex() == first)
        counts = before.restore(info, place.folder / "out")
        assert counts.files == 2
    result = place.prune(PruneOptions(grace_s=3600))
    assert (result.removed_segments, result.deleted_objects, result.waiting_objects) == (0, 0, 4)
    assert place.prune().deleted_objects == 4
    place.check()


@pytest.mark.parametrize("lying", ["here", "there"])
def test_one_clock_that_runs_ahead_deletes_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch, lying: str
) -> None:
    first, *_ = three(place)
    place.forget(first)
    place.prune(PruneOptions(grace_s=3600))
    if lying == "here":
        real = time.time_ns
        monkeypatch.setattr(time, "time_ns", lambda: real() + 10**16)
    else:
        for path in (place.folder / "r" / "log").iterdir():
            path.chmod(0o600)
            os.utime(path, (0, 0))
    result = place.prune(PruneOptions(grace_s=3600))
    assert (result.deleted_objects, result.waiting_objects) == (0, 2)


def test_what_nobody_committed_is_swept_when_it_is_old(place: Place) -> None:
    three(place)
    stray = place.folder / "r" / segment_name(b"\xab" * 16)
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"half a segment")
    others = [stray.with_name("short"), stray.parent / ("ab" * 15 + "zz")]
    for path in others:
        path.write_bytes(b"no segment at all")
    assert place.prune(PruneOptions(grace_s=3600)).leftover_objects == 0
    result = place.prune()
    assert (result.leftover_objects, result.leftover_bytes) == (1, 14)
    assert not stray.exists()
    assert all(path.exists() for path in others)
    place.check()


def test_names_that_are_gone_are_forgotten_in_the_end(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, _third = three(place)
    place.forget(first)
    place.prune()
    assert len(place.repository._opened.log.state.tombstones) == 2
    place.forget(second)
    place.prune()
    tombstones = place.repository._opened.log.state.tombstones
    assert set(tombstones.values()) == {place.repository._opened.log.head[0] - 1, 7}
    monkeypatch.setattr("strongroom.ops.prune.GONE_MIN", 1)
    place.prune()
    assert place.repository._opened.log.state.tombstones == {}
    place.check()


def test_an_unreadable_manifest_stops_it_until_it_is_forgotten(place: Place) -> None:
    first, second, _third = three(place)
    place.forget(first)
    manifest = place.folder / "r" / segment_name(bytes.fromhex(second))
    manifest.unlink()
    objects = place.objects
    with pytest.raises(DamagedError, match="nothing is removed"):
        place.prune()
    assert place.objects == objects
    place.forget(second)
    assert place.prune().removed_segments == 1
    place.check()


def test_what_an_unfinished_session_stored_is_kept(place: Place) -> None:
    """A partial-add that nobody finished names a segment that no snapshot needs."""
    _first, second, _third = three(place)
    opened = place.repository._opened
    lost = next(s for s in opened.log.entries[1].segments if s.type == TYPE_DATA)
    place.forget(second)
    place.prune(PruneOptions(grace_s=3600))
    copy = bytes(15) + b"\1"
    path = place.folder / "r" / segment_name(copy)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes((place.folder / "r" / segment_name(lost.id)).read_bytes())
    named = type(lost)(copy, lost.root, lost.length, lost.type)
    private = Private(time.time_ns(), "", b"s" * 16)
    opened.log.append(Draft(opened.log.head[0], (named,), private, KIND_PARTIAL))
    assert place.prune().removed_segments == 0
    assert path.exists()
    opened.log.append(Draft(opened.log.head[0], (), private))  # now it is finished
    assert place.prune().removed_segments == 1
    assert not path.exists()
    place.check()


# --- Damage ---


def flip(path: Path, at: int) -> None:
    path.chmod(0o600)
    with Path(path).open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def test_a_damaged_segment_that_was_healed_elsewhere_is_let_go(place: Place) -> None:
    three(place)
    hurt = place.data_segments()[0]
    flip(hurt, 5000)
    assert place.repository.verify(data=True).damaged_segments == 1
    (place.source / "all").touch()
    (place.source / "one").write_bytes(noise(1))
    place.backup()  # stores again what was lost, as it is still there
    assert place.repository.verify(data=True).damaged_segments == 1, "it is still named"
    place.prune()
    assert not hurt.exists()
    assert place.repository.verify(data=True).damaged_segments == 0
    place.check()


@pytest.mark.parametrize("harm", ["missing", "cut off", "flipped"])
def test_a_damaged_segment_that_may_hold_the_only_copy_is_kept(place: Place, harm: str) -> None:
    _first, _second, third = three(place)
    hurt = place.data_segments()[0]
    if harm == "missing":
        hurt.rename(place.folder / "aside")
    elif harm == "cut off":
        hurt.chmod(0o600)
        os.truncate(hurt, 100_000)
    else:
        flip(hurt, 5000)
    place.repository.verify(data=True)
    place.forget(third)
    result = place.prune()
    assert result.kept_damaged == 1
    assert segment_name(bytes.fromhex(hurt.name)) in place.live
    if harm == "missing":  # and when it comes back, nothing was lost
        (place.folder / "aside").rename(hurt)
        place.check()
    elif harm == "cut off":
        assert hurt.stat().st_size == 100_000


def test_damage_that_shows_only_while_it_is_stored_anew_keeps_the_segment(place: Place) -> None:
    first, _second, _third = three(place)
    place.forget(first)
    hurt = place.data_segments()[0]
    with place.another() as other:
        need = other._opened.segments.directory(bytes.fromhex(hurt.name))
    flip(hurt, 4096 + 50)
    flip(hurt, 4096 + (1 << 20) + 50)
    flip(hurt, 4096 + (2 << 20) + 50)
    flip(hurt, 4096 + (3 << 20) + 50)
    assert len(need) == 4
    result = place.prune()
    assert result.kept_damaged == 1
    assert any("is damaged, and kept" in note for note in place.notes)
    assert hurt.exists()
    assert segment_name(bytes.fromhex(hurt.name)) in place.live


# --- Others ---


def test_a_snapshot_that_comes_meanwhile_keeps_what_it_needs(place: Place) -> None:
    """Committed after the prune looked, by one who still knew the chunks."""
    _first, second, _third = three(place)
    place.forget(second)
    with place.another() as other:
        other._opened.load_index()
        (place.source / "one").write_bytes(noise(2))
        opened, late = place.repository._opened, []
        real = opened.append

        def append(*words: object) -> object:
            if not late:
                late.append(other.backup(place.source).snapshot)
            return real(*words)

        opened.append = append
        result = place.prune()
        del opened.append
    place.seen[late[0].id.hex()] = {"all": noise(0), "one": noise(2)}
    assert late[0].new_bytes == 0
    assert (result.removed_segments, result.repacked_segments) == (0, 0)
    place.check()


def test_two_prunes_at_once_lose_nothing(place: Place) -> None:
    first, _second, _third = three(place)
    place.forget(first)
    with place.another() as other:
        opened, done = place.repository._opened, []
        real = opened.append

        def append(*words: object) -> object:
            if not done:
                done.append(other.upkeep.prune(options=NOW))
            return real(*words)

        opened.append = append
        result = place.prune()
        del opened.append
    assert done[0].repacked_segments == 1
    assert (result.repacked_segments, result.removed_segments) == (0, 0)
    assert place.objects == place.live
    place.check()


def test_what_seemed_left_over_and_is_committed_stays(place: Place) -> None:
    """With no grace period, between the look and the word: a backup commits."""
    first, _second, _third = three(place)
    place.forget(first)
    _opened, store = place.repository._opened, place.repository._opened.store
    with place.another() as other:
        (place.source / "new").write_bytes(noise(9))
        real_list, late = store.list, []

        def list_(prefix: str) -> Iterator[str]:
            if not late and prefix == "segments/":
                late.append(other.backup(place.source).snapshot.id.hex())
            return real_list(prefix)

        store.list = list_
        place.prune()
        del store.list
    place.seen[late[0]] = {"all": noise(0), "one": noise(3), "new": noise(9)}
    place.check()


def test_what_seemed_left_over_and_a_session_named_stays(place: Place) -> None:
    """A partial-add comes between the plan and the word: no snapshot needs it yet."""
    first, _second, _third = three(place)
    place.forget(first)
    opened = place.repository._opened
    like = next(s for s in opened.log.segments() if s.type == TYPE_DATA)
    stray = type(like)(bytes(15) + b"\1", like.root, like.length, like.type)
    path = place.folder / "r" / segment_name(stray.id)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes((place.folder / "r" / segment_name(like.id)).read_bytes())
    real = opened.append

    def append(*words: object) -> object:
        del opened.append
        private = Private(time.time_ns(), "", b"s" * 16)
        with place.another() as other:
            log = other._opened.log
            log.append(Draft(log.head[0], (stray,), private, KIND_PARTIAL))
        return real(*words)

    opened.append = append
    place.prune()
    assert segment_name(stray.id) in place.live
    assert path.exists()


def test_a_removed_name_never_comes_back(place: Place) -> None:
    _first, *_ = three(place)
    opened = place.repository._opened
    gone = next(s for s in opened.log.entries[0].segments if s.type == TYPE_DATA)
    private = Private(1, "", NO_SESSION)
    place.forget(*list(place.seen))
    place.prune()
    with pytest.raises(DamagedError, match="there before"):
        opened.log.append(Draft(opened.log.head[0], (gone,), private, KIND_REMOVE))
