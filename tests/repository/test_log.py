"""The log: every commit in it once, whoever else commits."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from repository.support import CONFIG, KEYS, ROOT, MemoryStore, a_draft
from strongroom import ConflictError, DamagedError, StrongroomError, TargetError
from strongroom.repository.config import make_config
from strongroom.repository.entry import make_entry
from strongroom.repository.log import Log, entry_name
from strongroom.stores import UnsyncedError
from strongroom.stores.local import LocalStore

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from strongroom.stores import Store


def opened(store: Store) -> Log:
    log = Log(store, CONFIG, KEYS)
    log.load()
    return log


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def filled(store: MemoryStore) -> MemoryStore:
    """Five entries."""
    log = opened(store)
    for n in range(1, 6):
        log.append(a_draft(n, base=n - 1))
    return store


def test_an_empty_log_has_the_config_for_a_head(store: MemoryStore) -> None:
    log = opened(store)
    assert log.head == (0, CONFIG.digest)
    assert (list(log.entries), log.snapshots, list(log.segments())) == ([], [], [])


def test_what_was_appended_is_read_again(filled: MemoryStore) -> None:
    log = opened(filled)
    assert [entry.seq for entry in log.entries] == [1, 2, 3, 4, 5]
    assert [snapshot.time % 100 for snapshot in log.snapshots] == [1, 2, 3, 4, 5]
    assert len(list(log.segments())) == 10
    assert log.head == (5, log.entries[-1].hash)
    assert [entry.prev for entry in log.entries[1:]] == [e.hash for e in log.entries[:-1]]
    assert log.entries[0].prev == CONFIG.digest
    assert sorted(filled.objects)[1:] == [f"log/{n:016x}" for n in range(1, 6)]


def test_without_a_key_the_chain_is_checked_too(filled: MemoryStore) -> None:
    log = Log(filled, CONFIG, None)
    log.load()
    assert len(list(log.segments())) == 10
    assert log.snapshots == []
    with pytest.raises(StrongroomError, match="without a key"):
        log.append(a_draft(9))
    del filled.objects[entry_name(2)]
    with pytest.raises(DamagedError):
        Log(filled, CONFIG, None).load()


def test_entries_are_read_once(filled: MemoryStore) -> None:
    asked: list[str] = []
    real = filled.get
    filled.get = lambda name, **options: (asked.append(name), real(name, **options))[1]
    log = opened(filled)
    log.load()
    opened_again = Log(filled, CONFIG, KEYS)
    assert asked == [entry_name(n) for n in range(1, 6)]
    log.append(a_draft(6))
    log.load()
    assert len(asked) == 5
    opened_again.load()
    assert len(asked) == 11


def test_progress_counts_entries(filled: MemoryStore) -> None:
    seen: list[tuple[int, int]] = []
    Log(filled, CONFIG, KEYS).load(lambda done, of: seen.append((done, of)))
    assert seen == [(n, 5) for n in range(1, 6)]


def test_what_is_no_entry_is_ignored(filled: MemoryStore) -> None:
    for name in ("log/readme", "log/1", "log/000000000000000g", "log/a/b"):
        filled.objects[name] = b"x"
    assert opened(filled).head[0] == 5


@pytest.mark.parametrize("seq", [1, 3, 4])
def test_a_gap_is_damage(filled: MemoryStore, seq: int) -> None:
    del filled.objects[entry_name(seq)]
    with pytest.raises(DamagedError, match=f"reading the log: entry {seq} of 5 is missing"):
        opened(filled)


@pytest.mark.parametrize("name", ["log/ffffffffffffffff", "log/0000000000000007"])
def test_an_entry_far_ahead_is_damage(filled: MemoryStore, name: str) -> None:
    filled.objects[name] = filled.objects[entry_name(5)]
    with pytest.raises(DamagedError, match="is missing"):
        opened(filled)


def test_entries_swapped_repeated_or_altered_are_damage(filled: MemoryStore) -> None:
    good = dict(filled.objects)

    def refused(changes: dict[str, bytes]) -> None:
        filled.objects = good | changes
        with pytest.raises(DamagedError):
            opened(filled)

    two, three = good[entry_name(2)], good[entry_name(3)]
    refused({entry_name(2): three, entry_name(3): two})
    refused({entry_name(3): two})
    refused({entry_name(6): good[entry_name(5)]})
    refused({entry_name(3): three[:-1]})
    refused({entry_name(3): b""})
    refused({entry_name(3): three[:140] + bytes([three[140] ^ 1]) + three[141:]})


def test_a_chain_that_branches_off_is_damage(filled: MemoryStore) -> None:
    """An older head with another continuation, all signed."""
    rewritten = make_entry(
        a_draft(77, base=1),
        KEYS,
        seq=2,
        prev=opened(filled).entries[0].hash,
        repo_id=CONFIG.repo_id,
    )
    filled.objects[entry_name(2)] = rewritten
    with pytest.raises(DamagedError, match="reading log entry 3: it does not continue"):
        opened(filled)


def test_an_entry_before_the_first_is_no_part_of_the_chain(filled: MemoryStore) -> None:
    other = make_config(ROOT, bytes(32))
    with pytest.raises(DamagedError):
        Log(filled, other, other.keys(ROOT, doing="x")).load()


def test_the_log_knows_what_it_holds(filled: MemoryStore) -> None:
    log = opened(filled)
    assert log.holds(0, CONFIG.digest)
    assert log.holds(3, log.entries[2].hash)
    for seq, digest in ((0, bytes(32)), (3, log.entries[1].hash), (6, bytes(32)), (-1, bytes(32))):
        assert not log.holds(seq, digest)


# --- Two writers ---


def test_the_loser_of_a_race_comes_next(store: MemoryStore) -> None:
    first, second = opened(store), opened(store)
    first.append(a_draft(1))
    entry = second.append(a_draft(2))
    assert (entry.seq, entry.base) == (2, 0)
    assert [e.private.time % 100 for e in opened(store).entries] == [1, 2]
    assert [e.seq for e in second.entries] == [1, 2]


def test_a_loser_does_not_extend_a_head_it_cannot_verify(store: MemoryStore) -> None:
    log = opened(store)
    store.objects[entry_name(1)] = b"nonsense"
    with pytest.raises(DamagedError):
        log.append(a_draft(1))
    assert list(store.objects) == ["config", entry_name(1)]


class LossyStore(MemoryStore):
    """Fails `failures` times, after or before the object was made."""

    def __init__(self, *, after: bool, failures: int = 1) -> None:
        super().__init__()
        self.after = after
        self.failures = failures

    def put(self, name: str, data: Buffer) -> None:
        if self.after:
            super().put(name, data)
        if self.failures:
            self.failures -= 1
            raise TargetError("writing: no answer")
        if not self.after:
            super().put(name, data)


def test_a_lost_answer_is_no_lost_commit() -> None:
    store = LossyStore(after=True)
    log = opened(store)
    assert log.append(a_draft(1)).seq == 1
    assert log.append(a_draft(2, base=1)).seq == 2
    assert len(opened(store).entries) == 2


def test_a_lost_question_is_an_error_and_no_commit() -> None:
    store = LossyStore(after=False)
    log = opened(store)
    with pytest.raises(TargetError, match="no answer"):
        log.append(a_draft(1))
    assert list(log.entries) == []
    assert log.append(a_draft(1)).seq == 1


def test_a_lost_answer_to_the_loser_of_a_race() -> None:
    store = LossyStore(after=False)
    loser = opened(store)
    winner = make_entry(a_draft(1), KEYS, seq=1, prev=CONFIG.digest, repo_id=CONFIG.repo_id)
    store.objects[entry_name(1)] = winner
    assert loser.append(a_draft(2)).seq == 2
    assert len(opened(store).entries) == 2


def test_a_store_that_contradicts_itself_is_a_conflict(store: MemoryStore) -> None:
    log = opened(store)
    store.objects[entry_name(1)] = b"x"
    real = store.get
    hidden: Callable[..., bytes] = lambda name, **_: real(name + "no")  # noqa: E731
    store.get = hidden
    with pytest.raises(ConflictError) as caught:
        log.append(a_draft(1))
    assert caught.value.exit_code == 11


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from repository.support import CONFIG, KEYS, a_draft
from strongroom.repository.log import Log
from strongroom.stores.local import LocalStore
folder, who, count = Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
log = Log(LocalStore(folder), CONFIG, KEYS)
log.load()
print("ready", flush=True)
sys.stdin.readline()
for n in range(count):
    log.append(a_draft(1000 * who + n, base=log.head[0]))
"""


def test_processes_that_race_lose_nothing(tmp_path: Path) -> None:
    """Real processes on one folder, each appending as fast as it can."""
    writers, count = 4, 25
    LocalStore(tmp_path / "r").put("config", CONFIG.stored)
    tests = str(Path(__file__).parents[1])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, tests, str(tmp_path / "r"), str(who), str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for who in range(writers)
    ]
    for process in processes:
        assert process.stdout.readline() == b"ready\n"
    for process in processes:
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in processes:
        assert process.wait(60) == 0
        process.stdin.close()
        process.stdout.close()
    log = opened(LocalStore(tmp_path / "r"))
    times = [entry.private.time % 1_000_000 for entry in log.entries]
    assert sorted(times) == sorted(1000 * who + n for who in range(writers) for n in range(count))
    for who in range(writers):
        own = [n for n in times if n // 1000 == who]
        assert own == sorted(own)
    assert times != sorted(times), "nobody raced"


def test_a_long_log_is_read_in_seconds(store: MemoryStore) -> None:
    """10,000 commits; a minute is what the slowest machine of ours is granted."""
    prev = CONFIG.digest
    for seq in range(1, 10_001):
        stored = make_entry(
            a_draft(seq, base=seq - 1), KEYS, seq=seq, prev=prev, repo_id=CONFIG.repo_id
        )
        store.objects[entry_name(seq)] = stored
        prev = hashlib.sha256(stored).digest()
    begun = time.monotonic()
    assert opened(store).head == (10_000, prev)
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize("disk_works", [True, False])
def test_an_entry_whose_put_failed_after_it_got_its_name_is_synced_or_not_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk_works: bool
) -> None:
    store = LocalStore(tmp_path / "r")
    store.put("config", CONFIG.stored)
    log = opened(store)
    log.append(a_draft(1))
    real_unlink, real_sync, synced = os.unlink, os.fsync, []

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def sync(fd: int) -> None:
        path = Path(f"/proc/self/fd/{fd}").readlink()
        if path.is_dir() and not disk_works:
            fail()
        real_sync(fd)
        synced.append(path)

    with monkeypatch.context() as patch:
        patch.delattr(os, "O_TMPFILE")
        patch.setattr(os, "unlink", fail)
        patch.setattr(os, "fsync", sync)
        if disk_works:
            assert log.append(a_draft(2, base=1)).seq == 2
        else:
            with pytest.raises(UnsyncedError):
                log.append(a_draft(2, base=1))
    assert os.unlink is real_unlink
    assert ((tmp_path / "r/log") in synced) == disk_works
    assert opened(store).head[0] == 2
