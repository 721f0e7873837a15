"""What nothing needs is removed, what anything may need is not."""

from __future__ import annotations

import os
import time

import pytest

from strongroom import DamagedError
from strongroom._core import CHUNK_LEN, TYPE_DATA
from strongroom.ops.prune import PruneOptions
from strongroom.repository.entry import KIND_PARTIAL, Draft
from strongroom.repository.names import segment_name
from strongroom.repository.private import Private
from tests.ops.pruning import Place, noise, three


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
