"""An open repository: sessions commit all or nothing, and the index follows the log."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from repository.support import ROOT
from strongroom import (
    ConflictError,
    DamagedError,
    NoRepositoryError,
    RootKey,
    TargetError,
    WrongKeyError,
)
from strongroom._core.rows import each_id
from strongroom._core.segments import WANT, Want
from strongroom.repository.create import create_repository
from strongroom.repository.entry import LogEntry
from strongroom.repository.names import segment_name
from strongroom.repository.opened import OpenRepository
from strongroom.repository.session import BackupSession, Effort
from strongroom.repository.snapshots import Snapshot
from strongroom.stores.local import LocalStore

CHUNK = 2**20 - 64
TESTS = str(Path(__file__).parents[1])
MANIFEST = b"what was saved " * 1000


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path / "r")
    create_repository(store, ROOT, doing="testing")
    return store


def opened(store: LocalStore, cache: str = "cache") -> OpenRepository:
    return OpenRepository(store, ROOT, cache=store.folder.parent / cache)


@pytest.fixture
def repository(store: LocalStore) -> Iterator[OpenRepository]:
    with opened(store) as repository:
        yield repository


def noise(seed: int, length: int = 3 * CHUNK + 999) -> bytes:
    return random.Random(seed).randbytes(length)


def backup(repository: OpenRepository, data: bytes) -> tuple[LogEntry, bytes]:
    with repository.begin_session(effort=Effort(threads=2)) as session:
        return take_in(repository, session, data)


def take_in(
    repository: OpenRepository, session: BackupSession, data: bytes
) -> tuple[LogEntry, bytes]:
    result, ids = session.write.stream(data)
    with session.new_manifest() as target:
        target.write(MANIFEST)
        manifest = target.finish()
    snapshot = Snapshot(
        id=manifest.id,
        root=manifest.root,
        time=1,
        host="host",
        user="user",
        tags=(),
        paths=(),
        entries=1,
        files=1,
        bytes=len(data),
        new_bytes=result.new_len,
        errors=0,
    )
    return repository.commit(session, snapshot, manifest), ids


def restored(repository: OpenRepository, ids: bytes, length: int) -> bytes:
    wants = WANT.rows(
        Want(one, min(CHUNK, length - at), 0, at)
        for one, at in zip(each_id(ids), range(0, length, CHUNK), strict=True)
    )
    memory = bytearray(length)
    repository.segments.fetch_into(repository.index, wants, memory)
    assert not any(want.status for want in wants)
    return bytes(memory)


def files(store: LocalStore) -> list[str]:
    """All that is in the repository, objects or not."""
    below = store.folder.rglob("*")
    return sorted(str(path.relative_to(store.folder)) for path in below if path.is_file())


def test_what_was_committed_is_there_for_another(
    store: LocalStore, repository: OpenRepository
) -> None:
    entry, ids = backup(repository, noise(1))
    assert (entry.seq, entry.base) == (1, 0)
    for cache in ("cache", "none"):
        with opened(store, cache) as again:
            (snapshot,) = again.snapshots
            assert again.find("latest") == again.find(snapshot.id.hex()[:6]) == snapshot
            assert restored(again, ids, 3 * CHUNK + 999) == noise(1)
            with again.open_manifest(snapshot) as manifest:
                assert len(manifest) == len(MANIFEST)
                assert manifest.read(100) + manifest.read(10**6) == MANIFEST
                assert manifest.read(1) == b""
    names = {segment_name(segment.id) for segment in entry.segments}
    assert set(files(store)) == {"config", "log/0000000000000001", *names}


def test_what_is_there_is_not_stored_again(store: LocalStore, repository: OpenRepository) -> None:
    first, ids = backup(repository, noise(1))
    second, same = backup(repository, noise(1))
    assert same == ids
    assert [segment.type for segment in second.segments] == [3]
    with opened(store, "none") as another:
        third, _ = backup(another, noise(1) + noise(2))
    assert third.base == 2
    assert sum(s.length for s in third.segments) < 2 * sum(s.length for s in first.segments)


def test_two_sessions_at_once_both_commit(store: LocalStore) -> None:
    with opened(store, "a") as a, opened(store, "b") as b:
        with a.begin_session() as one, b.begin_session() as two:
            first, ids_a = take_in(a, one, noise(1))
            second, ids_b = take_in(b, two, noise(2))
        assert [(e.seq, e.base) for e in (first, second)] == [(1, 0), (2, 0)]
        assert restored(b, ids_a, 3 * CHUNK + 999) == noise(1)
        a.log.load()
        a.load_index()
        assert restored(a, ids_b, 3 * CHUNK + 999) == noise(2)
    with opened(store, "b") as again:
        assert again.index.find(ids_a + ids_b).all()


def test_a_session_that_is_given_up_leaves_nothing(
    store: LocalStore, repository: OpenRepository
) -> None:
    before = files(store)
    with repository.begin_session() as session:
        _, ids = session.write.stream(noise(1))
        with session.new_manifest() as target:
            target.write(MANIFEST)
            target.finish()
    assert files(store) == before
    assert not repository.index.find(ids).any()
    entry, ids = backup(repository, noise(1))
    assert restored(repository, ids, 3 * CHUNK + 999) == noise(1)
    assert entry.seq == 1


def test_a_manifest_that_is_given_up_leaves_nothing(repository: OpenRepository) -> None:
    with repository.begin_session() as session:
        with session.new_manifest() as target:
            target.write(MANIFEST)
        assert [path.name for path in session.spool.folder.iterdir()] == ["lock"]


def test_one_session_at_a_time(repository: OpenRepository) -> None:
    with repository.begin_session(), pytest.raises(ConflictError):
        repository.begin_session()
    repository.begin_session().close()


def test_a_commit_that_fails_is_none(
    store: LocalStore, repository: OpenRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise TargetError("writing: no space left")

    for broken in ("adopt", "put"):
        with monkeypatch.context() as patch:
            patch.setattr(store, broken, full)
            with pytest.raises(TargetError):
                backup(repository, noise(1))
        with opened(store) as again:
            assert again.snapshots == []
    entry, ids = backup(repository, noise(1))
    assert entry.seq == 1
    assert restored(repository, ids, 3 * CHUNK + 999) == noise(1)


def test_chunks_of_a_missing_segment_are_stored_again(
    store: LocalStore, repository: OpenRepository
) -> None:
    first, ids = backup(repository, noise(1))
    data = [segment for segment in first.segments if segment.type == 2]
    store.delete(segment_name(data[0].id))
    second, _ = backup(repository, noise(1))
    assert 2 in [segment.type for segment in second.segments]
    assert restored(repository, ids, 3 * CHUNK + 999) == noise(1)


@pytest.mark.parametrize("harm", ["gone", "nonsense", "altered"])
def test_an_index_that_was_lost_is_made_anew(
    store: LocalStore, repository: OpenRepository, harm: str
) -> None:
    _, ids = backup(repository, noise(1))
    repository.close()
    tables = list((store.folder.parent / "cache").iterdir())
    assert len(tables) == 1
    for table in tables:
        stored = bytearray(table.read_bytes())
        table.unlink()
        if harm == "nonsense":
            table.write_bytes(b"nonsense")
        if harm == "altered":
            stored[100] ^= 1
            table.write_bytes(stored)
    with opened(store) as again:
        assert restored(again, ids, 3 * CHUNK + 999) == noise(1)
    with opened(store) as again:
        assert again.rebuild_index() == {}
        assert again.index.find(ids).all()


def test_many_commits_leave_few_tables(store: LocalStore) -> None:
    ids = []
    for n in range(12):
        with opened(store) as repository:
            ids.append(backup(repository, noise(n, 999))[1])
    assert len(list((store.folder.parent / "cache").iterdir())) <= 10
    with opened(store) as repository:
        assert repository.index.find(b"".join(ids)).all()
        assert repository.load_index() == {}


def test_a_damaged_segment_is_named_each_time_until_it_is_whole_again(
    store: LocalStore, repository: OpenRepository
) -> None:
    entry, ids = backup(repository, noise(1))
    path = store.path_of(segment_name(entry.segments[0].id))
    good = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(b"nonsense")
    for _ in range(2):
        with opened(store, "other") as again:
            assert set(again.load_index()) == {entry.segments[0].id}
            assert not again.index.find(ids).all()
    path.write_bytes(good)
    for _ in range(2):
        with opened(store, "other") as again:
            assert again.load_index() == {}
            assert again.index.find(ids).all()


def flip(path: Path, *places: int) -> None:
    stored = bytearray(path.read_bytes())
    for place in places:
        stored[place] ^= 1
    path.chmod(0o600)
    path.write_bytes(stored)


@pytest.mark.parametrize("has_trailer", [True, False])
@pytest.mark.parametrize("processes_before", [0, 10])
@pytest.mark.parametrize("cache", ["cache", "empty"])
def test_a_chunk_found_bad_is_stored_again_by_another_process(
    store: LocalStore,
    repository: OpenRepository,
    cache: str,
    processes_before: int,
    has_trailer: bool,
) -> None:
    entry, ids = backup(repository, noise(1))
    for n in range(processes_before):
        with opened(store) as other:
            backup(other, noise(100 + n, 9))
    for segment in entry.segments[:-1]:
        path = store.path_of(segment_name(segment.id))
        flip(path, 5000)
        if not has_trailer:
            os.truncate(path, segment.length - 4096)
    with opened(store, cache) as reader:
        reader.load_index()
        found = {one: _is_readable(reader, one) for one in each_id(ids)}
        assert set(found.values()) == {True, False}
        reader.note_bad([one for one, is_good in found.items() if not is_good])
    with opened(store, cache) as later:
        later.load_index()
        assert list(later.index.find(ids)) == list(found.values())
        again, _ = backup(later, noise(1))
        assert again.private is not None
        assert again.private.snapshot is not None
        assert again.private.snapshot.new_bytes > CHUNK
    with opened(store, cache) as last:
        assert restored(last, ids, len(noise(1))) == noise(1)


def _is_readable(repository: OpenRepository, chunk: bytes) -> bool:
    """One of the first, or the short one at the end."""
    for length in (CHUNK, 999):
        wants = WANT.rows([Want(chunk, length, 0, 0)])
        repository.segments.fetch_into(repository.index, wants, bytearray(length))
        if not wants[0].status:
            return True
    return False


def test_a_manifest_that_was_replaced_or_altered_is_damage(
    store: LocalStore, repository: OpenRepository
) -> None:
    first, second = (repository.snapshots[-1] for n in range(2) if backup(repository, noise(n)))
    path, other = (store.path_of(segment_name(s.id)) for s in (first, second))
    good = path.read_bytes()
    path.chmod(0o600)
    flipped = good[:5000] + bytes([good[5000] ^ 1]) + good[5001:]
    for stored in (other.read_bytes(), flipped, good[:-1], b""):
        path.write_bytes(stored)
        with pytest.raises(DamagedError, match=first.id.hex()):
            repository.open_manifest(first)
    path.unlink()
    with pytest.raises(DamagedError, match="it is missing"):
        repository.open_manifest(first)


def test_a_read_only_repository_is_read(
    store: LocalStore, repository: OpenRepository, powerless: tuple[str, ...]
) -> None:
    backup(repository, noise(1))
    folders = [store.folder, *(p for p in store.folder.rglob("*") if p.is_dir())]
    for folder in folders:
        folder.chmod(0o500)
    run = [*powerless, sys.executable, "-c", READER, TESTS, str(store.folder)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    for folder in folders:
        folder.chmod(0o700)
    assert done.stdout.splitlines() == ["1 4", "making: Permission denied"], done.stderr


READER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from repository.test_opened import ROOT, LocalStore, OpenRepository, TargetError
folder = Path(sys.argv[2])
with OpenRepository(LocalStore(folder), ROOT, cache=folder / "cache") as repository:
    print(len(repository.snapshots), len(repository.index))
    try:
        repository.begin_session()
    except TargetError as error:
        print("making:", str(error).rpartition(": ")[2])
"""


def test_wrong_keys_and_places_are_refused(store: LocalStore, tmp_path: Path) -> None:
    with pytest.raises(WrongKeyError):
        OpenRepository(store, RootKey(bytes(32)))
    with pytest.raises(NoRepositoryError):
        OpenRepository(LocalStore(tmp_path / "nowhere"), ROOT)


# --- Sessions that die ---

DYING = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from repository.test_opened import *
repository = opened(LocalStore(Path(sys.argv[2])), "dying")
session = repository.begin_session()
session.write.stream(noise(1))
print("begun", flush=True)
sys.stdin.readline()
"""


def test_what_a_killed_session_left_is_swept_but_not_of_one_that_lives(
    store: LocalStore, repository: OpenRepository
) -> None:
    run = [sys.executable, "-c", DYING, TESTS, str(store.folder)]
    both = [subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    for process in both:
        assert process.stdout.readline() == b"begun\n"
    dead, alive = both
    os.kill(dead.pid, signal.SIGKILL)
    dead.wait()
    assert len(list((store.folder / "tmp").iterdir())) == 2
    with repository.begin_session():
        assert len(list((store.folder / "tmp").iterdir())) == 2
    os.kill(alive.pid, signal.SIGKILL)
    alive.wait()
    for process in both:
        process.stdin.close()
        process.stdout.close()
    backup(repository, noise(2))
    assert list((store.folder / "tmp").iterdir()) == []


def test_what_is_no_working_folder_is_not_swept(
    store: LocalStore, repository: OpenRepository, tmp_path: Path
) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").touch()
    (store.folder / "tmp").mkdir()
    (store.folder / "tmp/readme").touch()
    (store.folder / "tmp" / ("ab" * 16)).symlink_to(tmp_path / "precious")
    (store.folder / "tmp" / ("cd" * 16)).mkdir()
    (store.folder / "tmp" / ("cd" * 16) / "x").symlink_to(tmp_path / "precious")
    repository.begin_session().close()
    assert (tmp_path / "precious/file").exists()
    assert sorted(p.name for p in (store.folder / "tmp").iterdir()) == ["ab" * 16, "readme"]
