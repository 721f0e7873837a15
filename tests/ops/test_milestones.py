"""An interrupted backup leaves what it had committed, and the next one goes on from there."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from strongroom import BackupResult, CancelledError, Repository, RootKey
from strongroom._core import jobs
from strongroom._core.session import WriteSession
from strongroom.ops import gather, milestones, stopping, tree

KEY = RootKey(bytes(range(32)))
MIB = 2**20
COUNT, SIZE = 8, MIB


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each file is a batch, after each of which the backup saves what it has."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(milestones, "SEGMENTS", 0)
    monkeypatch.setattr(gather, "FILES_MAX", 1)
    monkeypatch.setattr(tree, "_TICK_NS", -(10**10))
    (tmp_path / "src").mkdir()
    for number in range(COUNT):
        (tmp_path / "src" / str(number)).write_bytes(os.urandom(SIZE))
    create()
    return tmp_path


def create() -> None:
    """A repository; in place of the one that was there."""
    for folder in ("repo", "state", "cache"):
        shutil.rmtree(folder, ignore_errors=True)
    with Repository.create("repo", key=KEY, state="state", cache="cache"):
        pass


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read."""
    names: list[str] = []
    start = WriteSession.start_files

    def noted(self: WriteSession, paths: list[bytes]) -> object:
        names.extend(Path(os.fsdecode(path)).name for path in paths)
        return start(self, paths)

    monkeypatch.setattr(WriteSession, "start_files", noted)
    return names


def opened() -> Repository:
    return Repository.open("repo", key=KEY, state="state", cache="cache")


def back_up(stop: threading.Event | None = None) -> BackupResult:
    with opened() as repository:
        return repository.backup("src", stop=stop)


def committed() -> int:
    return len(list(Path("repo/log").iterdir())) if Path("repo/log").exists() else 0


def killed_once(enough: Callable[[], bool]) -> None:
    """A backup in a process that dies as soon as that holds."""
    child = os.fork()
    if not child:
        try:
            with opened() as repository:
                repository.backup(
                    "src", threads=1, progress=lambda *_: _die() if enough() else None
                )
        finally:
            os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def listed() -> list[tuple[bool, int]]:
    """Of every snapshot: is it partial, and how many files has it?"""
    with opened() as repository:
        return [(s.info.partial, s.info.files) for s in repository.snapshots()]


def restored() -> dict[str, bytes]:
    shutil.rmtree("out", ignore_errors=True)
    with opened() as repository:
        repository.restore("latest", "out")
    return contents(Path("out/src"))


def held(path: str) -> bytes:
    """Of the latest snapshot."""
    with opened() as repository, repository.open_file("latest", path) as file:
        return file.read()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def bytes_read() -> int:
    """By this process, from whatever file."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"])


def test_a_killed_first_backup_goes_on_where_it_was(read: list[str]) -> None:
    killed_once(lambda: committed() >= 4)
    ((partial, files),) = listed()
    assert partial
    assert files >= 3
    before = bytes_read()
    result = back_up()
    assert bytes_read() - before < (COUNT - files) * SIZE + 2 * MIB
    assert read == [str(number) for number in range(files, COUNT)]
    assert result.complete
    assert result.counts.files == COUNT
    assert restored() == contents(Path("src"))


def test_what_a_killed_backup_left_can_be_restored() -> None:
    killed_once(lambda: committed() >= 3)
    ((_, files),) = listed()
    found = restored()
    assert sorted(found) == [str(number) for number in range(files)]
    assert found == {name: Path("src", name).read_bytes() for name in found}


def test_killed_again_and_again_it_comes_to_an_end(read: list[str]) -> None:
    for _ in range(3):
        target = committed() + 2
        killed_once(lambda target=target: committed() >= target)
    files = max(files for _, files in listed())
    assert files >= 4
    back_up()
    assert len(read) == COUNT - files
    assert restored() == contents(Path("src"))


def test_latest_is_partial_only_where_there_is_no_other(read: list[str]) -> None:
    killed_once(lambda: committed() >= 2)
    with opened() as repository:
        assert repository.snapshot().info.partial
    back_up()
    Path("src/0").write_bytes(b"changed")
    Path("src/9").write_bytes(b"new")
    now = committed()
    killed_once(lambda: committed() > now)
    assert listed()[-1][0]
    with opened() as repository:
        assert not repository.snapshot().info.partial


def test_after_the_end_of_a_partial_one_the_complete_one_before_goes_on(read: list[str]) -> None:
    back_up()
    for name in ("0", "1", "7"):
        Path("src", name).write_bytes(os.urandom(100))
    now = committed()
    killed_once(lambda: committed() > now)
    read.clear()
    (_, files) = listed()[-1]
    assert 1 <= files < COUNT
    result = back_up()
    assert read == [name for name in ("0", "1", "7") if int(name) >= files]
    assert result.counts.files == COUNT
    assert restored() == contents(Path("src"))


def test_a_backup_that_comes_to_its_end_leaves_one_snapshot() -> None:
    back_up()
    assert listed() == [(False, COUNT)]
    assert committed() == COUNT + 1
    assert restored() == contents(Path("src"))
    with opened() as repository:
        result = repository.verify(data=True)
    assert (result.damaged_files, result.damaged_segments) == (0, 0)


def test_stopped_it_ends_with_what_it_has(read: list[str]) -> None:
    stop = threading.Event()
    with opened() as repository:
        result = repository.backup(
            "src", stop=stop, progress=lambda *_: stop.set() if committed() >= 3 else None
        )
    assert not result.complete
    assert result.snapshot is not None
    assert result.snapshot.partial
    files = result.counts.files
    assert listed() == [(True, files)]
    assert 3 <= files < COUNT
    assert sorted(restored()) == [str(number) for number in range(files)]
    read.clear()
    assert back_up(threading.Event()).complete
    assert read == [str(number) for number in range(files, COUNT)]


def test_stopped_within_a_large_file_it_keeps_what_came_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stopping, "GRACE_S", -1.0)
    monkeypatch.setattr(jobs, "WAKE_MS", 1)
    data = os.urandom(64 * MIB)
    Path("src/5").write_bytes(data)

    def stopped() -> BackupResult:
        create()
        stop = threading.Event()

        def look(read: int, _: int) -> None:
            if read > 5 * SIZE + 10 * MIB:
                stop.set()

        with opened() as repository:
            return repository.backup("src", stop=stop, threads=1, progress=look)

    # Where others keep this thread waiting, the file may be read at one go.
    result = next(result for _ in range(20) if not (result := stopped()).complete)
    assert result.counts.files == 5
    assert sorted(restored()) == [str(number) for number in range(5)]
    again = back_up()
    assert again.complete
    assert again.counts.new_bytes < len(data) + 2 * SIZE
    assert held("src/5") == data


def test_stopped_within_the_only_file_it_keeps_what_was_read_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stopping, "GRACE_S", -1.0)
    monkeypatch.setattr(jobs, "WAKE_MS", 1)
    for path in Path("src").iterdir():
        path.unlink()
    data = os.urandom(64 * MIB)
    Path("src/one").write_bytes(data)

    def stopped() -> str:
        create()
        stop = threading.Event()

        def look(read: int, _: int) -> None:
            if read > 16 * MIB:
                stop.set()

        try:
            with opened() as repository:
                repository.backup("src", stop=stop, threads=1, progress=look)
        except CancelledError as error:
            return str(error)
        return ""

    # Where others keep this thread waiting, the file may be read at one go.
    assert any("before any file was read to its end" in stopped() for _ in range(20))
    assert listed() == []
    again = back_up()
    assert again.counts.new_bytes < len(data) - 12 * MIB
    assert held("src/one") == data


def test_stopped_before_anything_was_read_it_leaves_nothing() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(CancelledError):
        back_up(stop)
    assert listed() == []


def test_cancelled_it_makes_no_snapshot_of_what_it_has() -> None:
    cancel, stop = threading.Event(), threading.Event()
    cancel.set()
    stop.set()
    with opened() as repository, pytest.raises(CancelledError):
        repository.backup("src", cancel=cancel, stop=stop)
    assert listed() == []


def test_segments_are_committed_while_one_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(milestones, "SEGMENTS", 1)
    monkeypatch.setattr(jobs, "WAKE_MS", 1)
    for path in Path("src").iterdir():
        path.unlink()
    data = os.urandom(192 * MIB)
    Path("src/one").write_bytes(data)
    killed_once(lambda: committed() >= 1)
    assert listed() == []
    assert back_up().counts.new_bytes < len(data) - 32 * MIB
    assert held("src/one") == data


def test_a_manifest_is_not_written_again_for_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(milestones, "_SHARE", 10**9)
    monkeypatch.setattr(milestones, "_SLOW_DISK", 0)
    back_up()
    assert committed() == 2  # the first one had nothing to write again


def test_what_waits_long_enough_is_committed_however_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(milestones, "SEGMENTS", 10**9)
    back_up()
    assert committed() == 1
    monkeypatch.setattr(milestones, "SECONDS", 0.0)
    back_up()
    assert committed() == 2  # nothing was added
    for name in ("2", "3"):
        Path("src", name).write_bytes(os.urandom(1000))
    back_up()
    assert committed() == 5
