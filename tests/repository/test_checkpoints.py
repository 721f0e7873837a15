"""Long logs: read from the last checkpoint on, their end found without looking at all of it."""

from __future__ import annotations

import pytest

from repository.support import CONFIG, KEYS, MemoryStore, a_draft
from strongroom import DamagedError
from strongroom.repository.entry import KIND_CHECKPOINT, KIND_REMOVE, Draft
from strongroom.repository.head import LISTED_MAX, find_newest
from strongroom.repository.log import Log, OvertakenError, entry_name
from strongroom.repository.private import Private


class CountingStore(MemoryStore):
    """Counts what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.gets = 0
        self.looks = 0

    def get(self, name: str, **options: int) -> bytes:
        self.gets += 1
        return super().get(name, **options)

    def exists(self, name: str) -> bool:
        self.looks += 1
        return super().exists(name)


@pytest.fixture(scope="module")
def filled() -> dict[str, bytes]:
    """600 entries: backups, most of which are forgotten again."""
    log = Log(MemoryStore(), CONFIG, KEYS)
    while log.head[0] < 600:
        n = log.head[0]
        log.append(a_draft(n, base=n) if n % 2 else forget_oldest(log))
    return log._store.objects


def forget_oldest(log: Log, base: int | None = None) -> Draft:
    names = tuple(snapshot.id for snapshot in log.snapshots[:1])
    at = log.head[0] if base is None else base
    return Draft(at, (), Private(1, "host", bytes(16)), KIND_REMOVE, names)


@pytest.fixture
def store(filled: dict[str, bytes]) -> CountingStore:
    store = CountingStore()
    store.objects = dict(filled)
    return store


def opened(store: MemoryStore, *, with_key: bool = True, whole: bool = False) -> Log:
    log = Log(store, CONFIG, KEYS if with_key else None)
    log.load(whole=whole)
    return log


def test_every_256th_entry_is_a_checkpoint(store: CountingStore) -> None:
    kinds = [stored[10] for name, stored in sorted(store.objects.items()) if name != "config"]
    assert [n for n, kind in enumerate(kinds, 1) if kind == KIND_CHECKPOINT] == [256, 512]


@pytest.mark.parametrize("with_key", [True, False])
def test_a_log_is_read_from_its_last_checkpoint_on(store: CountingStore, with_key: bool) -> None:
    log = opened(store, with_key=with_key)
    assert store.gets == 600 - 512 + 1
    assert [entry.seq for entry in log.entries] == list(range(512, 601))
    all_of_it = opened(store, with_key=with_key, whole=True)
    assert log.head == all_of_it.head
    assert log.snapshots == all_of_it.snapshots
    assert list(log.segments()) == list(all_of_it.segments())
    assert log.state.tombstones == all_of_it.state.tombstones
    assert log.state.checkpoint == all_of_it.state.checkpoint
    assert len(all_of_it.entries) < 100, "a long log is not kept in memory"
    for segment in log.segments():
        assert log.state.added_by(segment.id) == all_of_it.state.added_by(segment.id)


def test_one_who_follows_reads_each_entry_once(store: CountingStore) -> None:
    log = opened(store)
    other = opened(store)
    for n in range(1000, 1250):
        other.append(a_draft(n, base=600))
    store.gets = 0
    log.load()
    assert log.head[0] == 851
    assert store.gets == 251
    assert log.entries[0].seq == 768


def test_old_entries_are_read_again_when_asked_for(store: CountingStore) -> None:
    log = opened(store)
    whole = {entry.seq: entry for entry in log.since(0)}
    assert sorted(whole) == list(range(1, 601))
    assert [entry.seq for entry in log.since(511)] == list(range(512, 601))
    assert [entry.seq for entry in log.since(599)] == [600]
    assert list(log.since(600)) == []
    assert log.entry(3) == whole[3]
    assert log.entry(600) == whole[600]
    for seq in (1, 100, 255, 256, 257, 300, 511, 512, 513, 600):
        assert log.holds(seq, whole[seq].hash)
        assert not log.holds(seq, bytes(32))
    assert not log.holds(601, bytes(32))


def test_an_old_entry_replaced_is_damage_to_who_asks(store: CountingStore) -> None:
    log = opened(store)
    forked = Log(MemoryStore(), CONFIG, KEYS)
    while forked.head[0] < 300:
        forked.append(a_draft(forked.head[0] + 5000, base=forked.head[0]))
    store.objects[entry_name(300)] = forked._store.objects[entry_name(300)]
    assert opened(store).head == log.head
    for ask in (lambda: list(log.since(290)), lambda: log.holds(299, bytes(32))):
        with pytest.raises(DamagedError):
            ask()
    with pytest.raises(DamagedError, match="reading log entry 300"):
        opened(store, whole=True)


def test_a_damaged_checkpoint_is_damage(store: CountingStore) -> None:
    stored = store.objects[entry_name(512)]
    store.objects[entry_name(512)] = stored[:200] + bytes([stored[200] ^ 1]) + stored[201:]
    with pytest.raises(DamagedError, match="reading log entry 512"):
        opened(store)


def test_two_who_race_for_a_checkpoint_agree(store: CountingStore) -> None:
    logs = [opened(store) for _ in range(3)]
    for n in range(2000, 2167):
        logs[0].append(a_draft(n, base=600))
    assert logs[0].head[0] == 767
    racing = opened(store)
    logs[0].append(a_draft(3000, base=767))
    assert racing.append(a_draft(3001, base=767)).seq == 770
    assert logs[0].append(a_draft(3002, base=769)).seq == 771
    assert opened(store, whole=True).head == logs[0].head


def test_a_writer_that_dies_after_a_checkpoint_has_committed_nothing(store: CountingStore) -> None:
    log = opened(store)
    for n in range(2000, 2167):
        log.append(a_draft(n, base=600))
    before = list(log.segments())
    real, put = store.put, []

    def die(name: str, data: bytes) -> None:
        if put:
            raise KeyboardInterrupt
        put.append(name)
        real(name, data)

    store.put = die
    with pytest.raises(KeyboardInterrupt):
        log.append(a_draft(3000, base=767))
    store.put = real
    assert put == [entry_name(768)]
    assert list(opened(store).segments()) == before
    assert opened(store).append(a_draft(3001, base=768)).seq == 769


def test_without_room_for_a_checkpoint_there_is_none(
    store: CountingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = len(store.objects[entry_name(512)])
    monkeypatch.setattr("strongroom.repository.entry.CHECKPOINT_LEN_MAX", longest)
    log = opened(store)
    for n in range(2000, 2168):
        log.append(a_draft(n, base=600))
    assert log.head[0] == 768
    assert [entry.checkpoint for entry in log.entries[1:]] == [None] * 256
    assert opened(store).entries[0].seq == 512
    assert opened(store, whole=True).head == log.head


# --- A writer that others overtake ---


def test_what_others_removed_is_not_added(store: CountingStore) -> None:
    sleeper = opened(store)
    draft = a_draft(4000, base=600)
    removal = forget_oldest(sleeper)
    opened(store).append(removal._replace(tombstones=(draft.segments[0].id,)))
    with pytest.raises(OvertakenError) as caught:
        sleeper.append(draft)
    assert caught.value.exit_code == 11
    assert opened(store).head[0] == 601


def test_a_writer_hears_of_every_entry_since_its_base_once(store: CountingStore) -> None:
    sleeper = opened(store)
    other = opened(store)
    told: list[int] = []

    def revise(draft: Draft, others: list) -> Draft:
        told.extend(entry.seq for entry in others)
        if len(told) < 8:  # and others come while it thinks
            other.append(a_draft(5000 + len(told), base=600))
        return draft._replace(private=draft.private._replace(writer=str(told[-1])))

    other.append(a_draft(4999, base=600))
    entry = sleeper.append(a_draft(4000, base=595), revise)
    assert told == list(range(596, 605))
    assert (entry.seq, entry.private.writer, entry.base) == (605, "604", 595)


def test_the_base_may_lie_before_the_checkpoint(store: CountingStore) -> None:
    told: list[int] = []

    def revise(draft: Draft, others: list) -> Draft:
        told.extend(entry.seq for entry in others)
        return draft

    opened(store).append(a_draft(4000, base=250), revise)
    assert told == list(range(251, 601))


# --- The end of a long log ---


def long_log(count: int) -> CountingStore:
    store = CountingStore()
    store.objects |= {entry_name(seq): b"" for seq in range(1, count + 1)}
    store.list = lambda _: pytest.fail("all names were asked for")
    return store


@pytest.mark.parametrize("count", [LISTED_MAX, LISTED_MAX + 1, 5000, 65536, 100_003])
@pytest.mark.parametrize("known", [0, 1, 4096, 4999])
def test_the_end_of_a_long_log_is_probed_for(count: int, known: int) -> None:
    store = long_log(count)
    assert find_newest(store, min(known, count)) == count
    assert store.looks < 300


@pytest.mark.parametrize("gap", range(9_745, 10_000, 15))
def test_a_gap_near_the_end_of_a_long_log_is_seen_or_passed_over(gap: int) -> None:
    store = long_log(10_000)
    del store.objects[entry_name(gap)]
    found: int | str = "nothing"
    try:
        found = find_newest(store, 9_000)
    except DamagedError as error:
        found = str(error)
    assert found in (10_000, f"reading the log: entry {gap} is missing")


def test_entries_that_come_meanwhile_are_no_gap() -> None:
    store = long_log(10_000)
    real = store.exists
    coming = iter(range(10_001, 10_006))

    def exists(name: str) -> bool:
        if name == entry_name(10_002):
            store.objects.update((entry_name(seq), b"") for seq in coming)
        return real(name)

    store.exists = exists
    assert find_newest(store, 10_000) == 10_005


def test_nobody_writes_into_a_gap(store: CountingStore) -> None:
    """A writer lists a long log, even if it found an end."""
    log = opened(store)
    log._is_listed = False
    store.objects[entry_name(2000)] = b"x"
    with pytest.raises(DamagedError, match="entry 601 of 2000 is missing"):
        log.append(a_draft(4000, base=600))
