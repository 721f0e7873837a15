"""strongroom.Repository: a repository inside somebody else's program."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import strongroom
from strongroom import (
    CancelledError,
    DamagedError,
    InvalidKeyError,
    Labels,
    NoRepositoryError,
    Overwrite,
    Password,
    Repository,
    RestoreOptions,
    RootKey,
    Selection,
    SourceError,
    TargetExistsError,
    UsageError,
    WrongKeyError,
    scrub_repository,
)
from strongroom._core import CHUNK_LEN

NOISE = random.Random(11).randbytes(5 * CHUNK_LEN + 321)


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "film").write_bytes(NOISE)
    (tmp_path / "src" / "note").write_text("hello")
    return tmp_path / "repo"


@pytest.fixture
def repository(url: Path, key: RootKey) -> Iterator[Repository]:
    with Repository.create(url, key=key) as made:
        yield made


def test_what_is_backed_up_comes_back(repository: Repository, tmp_path: Path) -> None:
    result = repository.backup("src", labels=Labels(host="me", tags=("a",)))
    assert result.snapshot is not None
    assert (result.counts.files, result.counts.errors) == (2, 0)
    snapshot = repository.snapshot()
    assert snapshot.info == result.snapshot
    assert snapshot == repository.snapshots()[-1] == repository.snapshot(snapshot.id[:6])
    assert (snapshot.info.host, snapshot.info.tags) == ("me", ("a",))
    assert [entry.path for entry in snapshot.entries()] == [b"src", b"src/film", b"src/note"]
    assert [entry.size for entry in snapshot.entries("src/note")] == [5]
    for name, what in (("one", "latest"), ("two", snapshot), ("three", result.snapshot)):
        counts = repository.restore(what, tmp_path / name)
        assert counts.files == 2
        assert (tmp_path / name / "src" / "film").read_bytes() == NOISE


def test_a_key_is_given_in_any_form(url: Path, key: RootKey, cheap_password: Password) -> None:
    Path("my.key").write_text(key.to_digits())
    Path("no.key").write_bytes(b"\xff\xff")
    with Repository.create(url, key="my.key", password=cheap_password, cache="here") as made:
        assert made.snapshots() == []
        repo_id = made.repo_id
    for given in (key, cheap_password, "my.key", Path("my.key")):
        with Repository.open(str(url), key=given) as repository:
            assert repository.repo_id == repo_id
    with pytest.raises(WrongKeyError):
        Repository.open(url, key=RootKey.generate())
    with pytest.raises(InvalidKeyError):
        Repository.open(url, key="no.key")
    with pytest.raises(SourceError):
        Repository.open(url, key="none.key")
    with pytest.raises(NoRepositoryError):
        Repository.open("elsewhere", key=key)
    with pytest.raises(TargetExistsError):
        Repository.create(url, key=key)
    with pytest.raises(TypeError):
        Repository.create("elsewhere", key=cheap_password)


def test_a_selection_says_what_to_leave_out(repository: Repository) -> None:
    errors: list[Exception] = []
    repository.backup(Selection(paths=("src", "gone"), excludes=("film",)), on_error=errors.append)
    assert [entry.path for entry in repository.snapshot().entries()] == [b"src", b"src/note"]
    assert ["gone" in str(error) for error in errors] == [True]
    dry = repository.backup(["src"], dry_run=True)
    assert dry.snapshot is None
    assert dry.counts.new_bytes >= len(NOISE)  # what has just changed is read again


class Upload:
    """Gives pieces of any size, as a network would, and may break."""

    def __init__(self, content: bytes, *, breaks_at: int | None = None) -> None:
        self._file = io.BytesIO(content)
        self._breaks_at = breaks_at
        self.threads: set[int] = set()

    def read(self, size: int, /) -> bytes:
        self.threads.add(threading.get_ident())
        if self._breaks_at is not None and self._file.tell() >= self._breaks_at:
            raise ConnectionError("the client went away")
        return self._file.read(min(size, 70_000))


def test_a_stream_is_stored_as_it_arrives(repository: Repository) -> None:
    upload = Upload(NOISE)
    seen: list[int] = []
    result = repository.add_stream("up", upload, progress=lambda read, _: seen.append(read))
    assert result.counts.bytes == len(NOISE)
    assert upload.threads == {threading.get_ident()}
    assert seen == sorted(seen)
    assert seen[-1] == len(NOISE)
    with repository.open_file("latest", "up") as file:
        assert file.read() == NOISE
    again = repository.add_stream(b"\xff", io.BytesIO(NOISE))
    assert again.counts.new_bytes == 0
    repository.add_stream("empty", io.BytesIO())
    assert [entry.size for entry in repository.snapshot().entries()] == [0]
    with pytest.raises(UsageError):
        repository.add_stream("a/b", io.BytesIO())


def test_a_stream_that_breaks_is_not_stored(repository: Repository, url: Path) -> None:
    with pytest.raises(ConnectionError):
        repository.add_stream("up", Upload(NOISE, breaks_at=3 * CHUNK_LEN))
    stop = threading.Event()
    stop.set()
    with pytest.raises(CancelledError):
        repository.add_stream("up", Upload(NOISE), cancel=stop)
    assert repository.snapshots() == []
    assert list((url / "tmp").iterdir()) == []
    repository.add_stream("up", Upload(NOISE))
    assert len(repository.snapshots()) == 1


def test_a_stream_takes_no_more_memory_than_it_must(url: Path, key: RootKey) -> None:
    Path("my.key").write_text(key.to_digits())
    program = """
import re, sys
from pathlib import Path
from strongroom import Repository
class Zeros:
    left = int(sys.argv[1])
    def read(self, size):
        size = min(size, self.left)
        self.left -= size
        return self.left.to_bytes(8, "big") * (size // 8)
with Repository.open("repo", key="my.key") as repository:
    repository.add_stream("zeros", Zeros())
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""
    Repository.create(url, key=key).close()
    peaks = []
    for size in (64 << 20, 512 << 20):
        run = [sys.executable, "-c", program, str(size)]
        done = subprocess.run(run, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
    assert peaks[1] < 200 * 1024
    assert peaks[1] - peaks[0] < 40 * 1024


def test_a_file_is_read_at_any_place(repository: Repository) -> None:
    repository.backup("src")
    places = random.Random(3)
    with repository.open_file("latest", "src/film") as file:
        assert len(file) == len(NOISE)
        for _ in range(40):
            begin = places.randrange(len(NOISE) + 100)
            length = places.choice([0, 1, 1000, CHUNK_LEN, 3 * CHUNK_LEN])
            file.seek(begin)
            assert file.read(length) == NOISE[begin : begin + length]
            assert file.read_at(begin, length) == NOISE[begin : begin + length]
        assert file.seek(-5, os.SEEK_END) == len(NOISE) - 5
        assert file.readall() == NOISE[-5:]
        with pytest.raises(ValueError, match="seek"):
            file.seek(-1)
        buffered = io.BufferedReader(file)
        buffered.seek(CHUNK_LEN - 3)
        assert buffered.read(6) == NOISE[CHUNK_LEN - 3 : CHUNK_LEN + 3]
    with pytest.raises(ValueError, match="closed"):
        file.read_at(0, 1)
    with pytest.raises(SourceError, match="there is no"):
        repository.open_file("latest", "src/none")
    with pytest.raises(SourceError, match="not a regular file"):
        repository.open_file("latest", "src")


def test_threads_may_share_a_repository_and_a_file(repository: Repository) -> None:
    repository.backup("src")

    def read(begin: int) -> bool:
        return file.read_at(begin, 300_000) == NOISE[begin : begin + 300_000]

    def store(number: int) -> bool:
        repository.add_stream(f"up {number}", io.BytesIO(NOISE[number:]))
        return True

    with repository.open_file("latest", "src/film") as file, ThreadPoolExecutor(8) as pool:
        stored = pool.map(store, range(4))
        assert all(pool.map(read, range(0, len(NOISE), 200_000)))
        assert all(stored)
    assert len(repository.snapshots()) == 5
    assert repository.verify(data=True).damaged_files == 0


def test_two_openings_of_one_repository_see_each_other(
    repository: Repository, url: Path, key: RootKey
) -> None:
    with Repository.open(url, key=key, cache="other") as other:
        repository.backup("src")
        with other.open_file("latest", "src/film") as file:
            assert file.read_at(0, 10) == NOISE[:10]
        Path("src/film").write_bytes(NOISE + b"more")
        other.backup("src")
        again = repository.backup("src")
        assert again.counts.new_bytes == 0
        assert len(other.snapshots()) == 3
        repository.restore("latest", "out")
        assert Path("out/src/film").read_bytes() == NOISE + b"more"


def test_damage_is_told(repository: Repository, url: Path) -> None:
    repository.backup("src/note")
    Path("src/film").write_bytes(NOISE[: 2 * CHUNK_LEN])
    repository.backup("src/film")
    (damaged,) = [p for p in (url / "segments").rglob("*") if p.is_file() and _is_large(p)]
    damaged.unlink()
    found = []
    result = repository.verify(on_damage=found.append)
    assert (result.damaged_segments, result.damaged_files) == (1, 1)
    assert [finding.path for finding in found] == [None, b"src/film"]
    with repository.open_file("latest", "src/film") as file, pytest.raises(DamagedError):
        file.read(1)
    names: list[str] = []
    scrubbed = scrub_repository(url, on_damage=lambda name, _: names.append(name))
    assert scrubbed.damaged == 1
    assert names == [f"segments/{damaged.parent.name}/{damaged.name}"]
    errors: list[Exception] = []
    repository.restore("latest", "out", on_error=errors.append)
    assert [isinstance(error, DamagedError) for error in errors] == [True]
    notes: list[str] = []
    repository.backup("src/film", on_note=notes.append)
    assert any(damaged.name in note for note in notes)
    options = RestoreOptions(overwrite=Overwrite.ALWAYS)
    assert repository.restore("latest", "out", options=options).errors == 0


def _is_large(path: Path) -> bool:
    return path.stat().st_size > CHUNK_LEN


def test_a_new_client_finds_what_was_stored_again(
    repository: Repository, url: Path, key: RootKey, tmp_path: Path
) -> None:
    repository.backup("src")
    for damaged in [p for p in (url / "segments").rglob("*") if p.is_file() and _is_large(p)]:
        damaged.chmod(0o600)
        with damaged.open("r+b") as file:
            file.seek(damaged.stat().st_size // 2)
            file.write(b"damage")
    assert repository.verify(data=True).damaged_files > 0
    repository.backup("src")
    for turn in range(12):
        with Repository.open(url, key=key, cache=tmp_path / f"cache-{turn}") as other:
            assert other.restore("latest", tmp_path / f"out-{turn}").errors == 0
        assert (tmp_path / f"out-{turn}" / "src" / "film").read_bytes() == NOISE


def test_a_scrub_needs_no_key_and_pins_one(
    repository: Repository, url: Path, tmp_path: Path
) -> None:
    repository.backup("src")
    seen: list[int] = []
    found = scrub_repository(
        url, progress=lambda read, _: seen.append(read), threads=2, state=tmp_path / "stranger"
    )
    assert not found.trusted
    assert (found.damaged, found.superfluous) == (0, ())
    assert seen[-1] == found.stored_bytes == repository.stored_bytes
    assert scrub_repository(url, public_key=repository.public_key).trusted
    with pytest.raises(DamagedError, match="not the one given"):
        scrub_repository(url, public_key=bytes(32))
    stop = threading.Event()
    stop.set()
    with pytest.raises(CancelledError):
        scrub_repository(url, cancel=stop)
    with pytest.raises(CancelledError):
        repository.verify(cancel=stop)


def test_stats_and_the_index(repository: Repository) -> None:
    repository.backup("src")
    repository.backup("src")
    stats = repository.stats()
    assert (stats.snapshots, stats.files) == (2, 4)
    assert stats.raw_bytes == 2 * (len(NOISE) + 5)
    assert stats.chunks == 7
    assert 1.5 < stats.ratio < 2
    assert repository.rebuild_index() == {}
    assert repository.stats() == stats


def test_a_closed_repository_does_nothing(repository: Repository) -> None:
    repository.backup("src")
    file = repository.open_file("latest", "src/film")
    repository.close()
    repository.close()
    for call in (repository.snapshots, repository.stats, lambda: repository.backup("src")):
        with pytest.raises(ValueError, match="closed"):
            call()
    with pytest.raises(ValueError, match="closed"):
        file.read(1)


def test_the_names_are_those_of_the_package() -> None:
    assert strongroom.Repository is Repository
