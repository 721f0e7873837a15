"""What entries amount to, one after another."""

from __future__ import annotations

import pytest

from repository.support import CONFIG, KEYS, MemoryStore, a_draft
from strongroom import DamagedError
from strongroom.repository.entry import (
    KIND_ADD,
    KIND_CHECKPOINT,
    KIND_PARTIAL,
    KIND_REMOVE,
    Draft,
    make_checkpoint,
    make_entry,
)
from strongroom.repository.log import Log, entry_name
from strongroom.repository.private import Private, Retagged
from strongroom.repository.snapshots import Snapshot


@pytest.fixture
def log() -> Log:
    """Three backups."""
    log = Log(MemoryStore(), CONFIG, KEYS)
    for n in range(3):
        log.append(a_draft(n, base=n))
    return log


def a_change(
    log: Log,
    *,
    retagged: tuple[Retagged, ...] = (),
    tombstones: tuple[bytes, ...] = (),
    gone: tuple[bytes, ...] = (),
    base: int | None = None,
) -> Draft:
    private = Private(1, "host", bytes(16), retagged=retagged)
    at = log.head[0] if base is None else base
    return Draft(at, (), private, KIND_REMOVE, tombstones, gone)


def read_again(log: Log, *, with_key: bool = True) -> Log:
    other = Log(log._store, CONFIG, KEYS if with_key else None)
    other.load()
    return other


def test_a_removed_manifest_is_a_forgotten_snapshot(log: Log) -> None:
    first, second, third = log.snapshots
    log.append(a_change(log, tombstones=(second.id,)))
    for one in (log, read_again(log)):
        assert one.snapshots == [first, third]
        assert second.id not in one.state
        assert one.state.is_removed(second.id)
        assert one.state.tombstones == {second.id: 4}
        assert len(list(one.segments())) == len(one.state) == 5
    assert [s.id for s in read_again(log, with_key=False).segments()] == [
        s.id for s in log.segments()
    ]


def test_a_name_that_is_gone_is_no_longer_known(log: Log) -> None:
    name = log.snapshots[0].id
    log.append(a_change(log, tombstones=(name,)))
    log.append(a_change(log, gone=(name, bytes(16))))
    assert log.state.tombstones == read_again(log).state.tombstones == {}
    assert name not in log.state


def test_what_was_never_named_can_be_removed_and_only_once(log: Log) -> None:
    log.append(a_change(log, tombstones=(bytes(16),)))
    log.append(a_change(log, tombstones=(bytes(16),)))
    assert log.state.tombstones == {bytes(16): 4}


@pytest.mark.parametrize("removed", [False, True])
def test_no_name_comes_twice(log: Log, removed: bool) -> None:
    taken = log.snapshots[0].id
    if removed:
        log.append(a_change(log, tombstones=(taken,)))
    segments = (a_draft(9).segments[0]._replace(id=taken),)
    draft = Draft(log.head[0], segments, Private(1, "", bytes(16)))
    with pytest.raises(DamagedError, match="there before"):
        log.append(draft)
    with pytest.raises(DamagedError, match="there before"):
        read_again(log)


def test_tags_change_for_snapshots_that_are_there(log: Log) -> None:
    first, second, third = log.snapshots
    changes = (Retagged(second.id, ("new",)), Retagged(third.id, ()), Retagged(bytes(16), ("x",)))
    log.append(a_change(log, retagged=changes))
    expected = [first, second._replace(tags=("new",)), third._replace(tags=())]
    assert log.snapshots == read_again(log).snapshots == expected


def partial_draft(n: int, kind: int, *, is_partial: bool) -> Draft:
    draft = a_draft(n)
    snapshot = draft.private.snapshot._replace(partial=is_partial)
    return draft._replace(kind=kind, private=draft.private._replace(snapshot=snapshot))


def test_a_partial_snapshot_is_one_until_it_is_forgotten(log: Log) -> None:
    draft = partial_draft(7, KIND_PARTIAL, is_partial=True)
    log.append(draft)
    assert read_again(log).snapshots[-1] == draft.private.snapshot
    assert read_again(log).snapshots[-1].partial
    log.append(a_change(log, tombstones=(draft.private.snapshot.id,)))
    assert len(read_again(log).snapshots) == 3


@pytest.mark.parametrize(
    ("kind", "is_partial"),
    [(KIND_ADD, True), (KIND_PARTIAL, False), (KIND_REMOVE, False), (KIND_REMOVE, True)],
)
def test_a_snapshot_of_another_kind_is_damage(log: Log, kind: int, is_partial: bool) -> None:
    with pytest.raises(DamagedError, match="contradict"):
        log.append(partial_draft(7, kind, is_partial=is_partial))


def test_tags_and_snapshots_belong_to_their_kinds(log: Log) -> None:
    change = a_change(log, retagged=(Retagged(bytes(16), ()),))
    with pytest.raises(DamagedError, match="contradict"):
        log.append(change._replace(kind=KIND_ADD))
    other = read_again_at(log, 3)
    private = Private(1, "", bytes(16), snapshots=())
    with pytest.raises(DamagedError, match="contradict"):
        other.append(change._replace(private=private))


def read_again_at(log: Log, newest: int) -> Log:
    """Without what was appended wrongly."""
    for name in list(log._store.list("log/")):
        if int(name[4:], 16) > newest:
            log._store.delete(name)
    return read_again(log)


def test_an_id_in_two_lists_is_damage(log: Log) -> None:
    with pytest.raises(DamagedError, match="contradict"):
        log.append(a_change(log, tombstones=(bytes(16),), gone=(bytes(16),)))
    own = a_draft(9)
    with pytest.raises(DamagedError, match="contradict"):
        read_again_at(log, 3).append(own._replace(tombstones=(own.segments[0].id,)))


def wrong_checkpoints(log: Log) -> dict[str, tuple[object, tuple[Snapshot, ...]]]:
    right, snapshots = log.state.to_checkpoint(), tuple(log.snapshots)
    row, rest = right.segments[:64], right.segments[64:]
    more = bytes(56) + b"\2" + bytes(6) + b"\1"
    return {
        "a segment is missing": (right._replace(segments=rest), snapshots[1:]),
        "another order": (right._replace(segments=rest + row), snapshots),
        "another origin": (right._replace(segments=row[:63] + b"\2" + rest), snapshots),
        "one more": (right._replace(segments=more + row + rest), snapshots),
        "a tombstone": (right._replace(tombstones=bytes(23) + b"\1"), snapshots),
        "another before": (right._replace(previous=(2, b"x" * 32)), snapshots),
        "a snapshot is missing": (right, snapshots[1:]),
        "snapshots in another order": (right, snapshots[::-1]),
        "other tags": (right, (*snapshots[:2], snapshots[2]._replace(tags=()))),
    }


@pytest.mark.parametrize("wrong", range(9))
def test_a_checkpoint_that_does_not_sum_up_is_damage(log: Log, wrong: int) -> None:
    checkpoint, snapshots = list(wrong_checkpoints(log).values())[wrong]
    private = Private(1, "", bytes(16), snapshots=snapshots)
    stored = make_checkpoint(
        checkpoint, private, KEYS, seq=4, prev=log.head[1], repo_id=CONFIG.repo_id
    )
    log._store.put(entry_name(4), stored)
    with pytest.raises(DamagedError, match="does not sum up"):
        read_again(log)


def test_a_checkpoint_changes_nothing(log: Log) -> None:
    log.append(a_change(log, tombstones=(log.snapshots[0].id,)))
    private = Private(1, "", bytes(16), snapshots=tuple(log.snapshots))
    stored = make_checkpoint(
        log.state.to_checkpoint(), private, KEYS, seq=5, prev=log.head[1], repo_id=CONFIG.repo_id
    )
    log._store.put(entry_name(5), stored)
    for with_key in (True, False):
        other = read_again(log, with_key=with_key)
        assert other.entries[-1].kind == KIND_CHECKPOINT
        assert other.state.tombstones == log.state.tombstones
        assert list(other.segments()) == list(log.segments())
        assert other.state.checkpoint == (5, other.head[1])
    made = make_entry(a_draft(20), KEYS, seq=6, prev=other.head[1], repo_id=CONFIG.repo_id)
    log._store.put(entry_name(6), made)
    assert read_again(log).snapshots[-1] == a_draft(20).private.snapshot
