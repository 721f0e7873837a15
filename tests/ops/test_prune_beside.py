"""Pruning beside damage, and beside others."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom import DamagedError
from strongroom._core import TYPE_DATA
from strongroom.ops.prune import ATTEMPTS
from strongroom.repository.entry import KIND_PARTIAL, KIND_REMOVE, Draft
from strongroom.repository.log import OvertakenError
from strongroom.repository.names import segment_name
from strongroom.repository.private import NO_SESSION, Private
from tests.ops.pruning import NOW, Place, noise, three

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


@pytest.mark.parametrize("is_overtaken", [True, False])
def test_what_is_gone_each_time_because_of_others_is_no_damage(
    place: Place, is_overtaken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A segment that another prune deleted is missing, and so is one that is lost."""
    three(place)
    tries = []

    def run(_: object) -> None:
        tries.append(1)
        if is_overtaken:
            (place.source / "one").write_bytes(noise(100 + len(tries)))
            with place.another() as other:
                other.backup(place.source)
        raise DamagedError("segment 00: missing")

    monkeypatch.setattr("strongroom.ops.prune._Prune.run", run)
    expected = OvertakenError if is_overtaken else DamagedError
    with pytest.raises(expected, match="segment 00: missing"):
        place.prune()
    assert len(tries) == (ATTEMPTS if is_overtaken else 1)


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
