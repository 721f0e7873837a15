"""What a backup records, reads and takes over, with chunks kept in memory."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path
from threading import Event

import pytest

from strongroom._core import CHUNK_LEN, Watch
from strongroom.errors import CancelledError, SourceError, StrongroomError, UsageError
from strongroom.manifest.entry import FIFO, FILE, FOLDER, SYMLINK
from strongroom.manifest.reader import ManifestReader
from strongroom.ops import gather
from strongroom.ops.tree import Previous, Selection, record_tree
from tests.ops.store import ChunkStore


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Backups:
    """Backups of this folder, one after another."""

    def __init__(self) -> None:
        self.store = ChunkStore()
        self.manifest: bytes | None = None
        self.time = 0
        self.errors: list[str] = []

    def run(self, *paths, dry=False, own=frozenset(), watch=None, later=True, **options):
        previous = []
        if self.manifest is not None:
            previous = [Previous(io.BytesIO(self.manifest), self.time)]
        target = io.BytesIO()
        self.errors.clear()
        self.store.read.clear()
        # As if some time had gone by, so that nothing counts as changed just now.
        self.time = time.time_ns() + (10**9 if later else 0)
        counts, _ = record_tree(
            Selection(paths=paths or (".",), **options),
            previous=previous,
            chunks=self.store,
            sink=None if dry else self.store,
            manifest=target,
            report=lambda error: self.errors.append(str(error)),
            own=own,
            watch=watch or Watch(),
        )
        if not dry:
            self.manifest = target.getvalue()
        return counts

    def entries(self):
        reader = ManifestReader(io.BytesIO(self.manifest or b""), doing="reading")
        self.ids = {}
        found = {}
        for entry in reader:
            self.ids[entry.path] = b"".join(reader.ids())
            found[entry.path] = entry
        return found

    def content(self, path: bytes) -> bytes:
        ids = self.ids[path]
        return b"".join(self.store.chunks[ids[i : i + 32]] for i in range(0, len(ids), 32))


@pytest.fixture
def backups():
    return Backups()


def write(name: str, content: bytes = b"x") -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(content)


def test_everything_is_recorded_as_it_is(backups):
    big = os.urandom(2 * CHUNK_LEN + 5)
    write("t/big", big)
    write("t/empty", b"")
    write("t/small", b"abc")
    Path("t/link").symlink_to(b"else\xff".decode("utf-8", "surrogateescape"))
    os.mkfifo("t/fifo")
    Path("t/small").chmod(0o4750)
    os.utime("t/small", ns=(1, -1_500_000_001))
    counts = backups.run("t")
    entries = backups.entries()
    assert backups.errors == []
    assert (counts.entries, counts.files, counts.errors) == (6, 3, 0)
    assert counts.bytes == len(big) + 3 == counts.new_bytes
    types = {b"t": FOLDER, b"t/fifo": FIFO, b"t/link": SYMLINK}
    for path, entry in entries.items():
        status = os.lstat(path)
        assert entry.type == types.get(path, FILE)
        assert entry.mode == status.st_mode & 0o7777
        for name in ("uid", "gid", "mtime_ns", "ctime_ns", "ino", "dev", "nlink"):
            assert getattr(entry, name) == getattr(status, f"st_{name}"), (path, name)
        assert entry.size == (status.st_size if entry.type == FILE else 0)
        assert (entry.user, entry.group) == (b"root", b"root") or os.geteuid()
    assert entries[b"t/link"].target == b"else\xff"
    assert entries[b"t/small"].mtime_ns == -1_500_000_001
    for name in (b"big", b"empty", b"small"):
        assert backups.content(b"t/" + name) == Path(os.fsdecode(b"t/" + name)).read_bytes()


def test_extended_attributes_are_recorded(backups):
    write("t/a")
    os.mkfifo("t/f")
    try:
        os.setxattr("t/a", "user.two", b"2\0")
        os.setxattr("t/a", "user.one", b"")
        os.setxattr("t", "user.folder", b"yes")
    except OSError:
        pytest.skip("no extended attributes here")
    backups.run("t")
    expected = ((b"user.one", b""), (b"user.two", b"2\0"))
    assert backups.entries()[b"t/a"].xattrs == expected
    assert backups.entries()[b"t"].xattrs == ((b"user.folder", b"yes"),)
    backups.run("t")
    assert backups.entries()[b"t/a"].xattrs == expected
    os.setxattr("t/a", "user.one", b"1")  # shows in the time of change alone
    backups.run("t")
    assert backups.store.read == [b"t/a"]
    assert backups.entries()[b"t/a"].xattrs[0] == (b"user.one", b"1")


def test_sparse_files_are_known(backups):
    with Path("hole").open("wb") as file:
        file.truncate(3 * CHUNK_LEN)
    write("whole")
    backups.run()
    assert backups.entries()[b"hole"].flags == 1
    assert backups.entries()[b"whole"].flags == 0
    backups.run()
    assert backups.entries()[b"hole"].flags == 1


def test_unchanged_files_are_not_read_again(backups):
    for number in range(50):
        write(f"t/{number % 7}/{number}", os.urandom(number * 99))
    backups.run("t")
    before = backups.manifest
    assert len(backups.store.read) == 50
    counts = backups.run("t")
    assert (backups.store.read, counts.new_bytes, counts.files) == ([], 0, 50)
    assert backups.manifest == before


def test_changed_new_moved_and_deleted_files_are_seen(backups):
    for name in ("a", "b", "c", "d"):
        write(name, name.encode() * 9)
    backups.run()
    write("b", b"new content")
    Path("c").rename("c2")
    Path("d").unlink()
    write("0", b"another")
    counts = backups.run()
    assert backups.store.read == [b"0", b"b", b"c2"]
    assert counts.new_bytes == len(b"new content") + len(b"another")
    assert list(backups.entries()) == [b"0", b"a", b"b", b"c2"]
    assert backups.content(b"c2") == b"c" * 9


@pytest.mark.parametrize(
    ("change", "options"),
    [
        (lambda: os.utime("f", ns=(5, 5)), {}),
        (lambda: Path("f").chmod(0o600), {}),
        (lambda: (Path("f").rename("g"), write("f"), os.utime("f", ns=(1, 1))), {}),
        (lambda: None, {"force_read": True}),
        (lambda: write("f", b"y"), {"ignore_ctime": True, "ignore_inode": True}),
    ],
)
def test_what_makes_a_file_be_read(backups, change, options):
    write("f")
    os.utime("f", ns=(1, 1))
    backups.run("f")
    change()
    backups.run("f", **options)
    assert backups.store.read == [b"f"]


def test_what_can_be_ignored(backups):
    write("f")
    os.utime("f", ns=(1, 1))
    backups.run("f")
    Path("f").chmod(0o600)
    backups.run("f", ignore_ctime=True)
    assert backups.store.read == []
    assert backups.entries()[b"f"].mode == 0o600  # taken as it is now, but for the contents
    Path("f").rename("g")
    write("f")
    os.utime("f", ns=(1, 1))
    backups.run("f", ignore_ctime=True, ignore_inode=True)
    assert backups.store.read == []
    backups.run("f", ignore_inode=True)
    assert backups.store.read == []  # as the one before recorded its inode and ctime


def test_what_changed_just_before_is_read_again(backups):
    write("f")
    backups.run(later=False)
    backups.run()
    assert backups.store.read == [b"f"]
    backups.run()
    assert backups.store.read == []


def test_what_changed_within_a_tick_of_a_coarse_clock_is_read_again(backups):
    stamp = int(time.time() - 0.5) * 10**9  # as FAT or sshfs would give it
    write("f", b"1")
    os.utime("f", ns=(stamp, stamp))
    backups.run(later=False)
    write("f", b"2")
    os.utime("f", ns=(stamp, stamp))
    backups.run(ignore_ctime=True)
    assert backups.store.read == [b"f"]
    backups.run(ignore_ctime=True)
    assert backups.store.read == []


def test_a_file_whose_chunks_are_gone_is_read_again(backups):
    write("a", b"1")
    write("b", b"2" * (CHUNK_LEN + 1))
    write("c", b"3")
    backups.run()
    entries = backups.entries()
    del backups.store.chunks[backups.ids[b"b"][32:]]
    counts = backups.run()
    assert backups.store.read == [b"b"]
    assert counts.bytes == CHUNK_LEN + 3
    assert backups.entries() == entries
    assert len(backups.content(b"b")) == CHUNK_LEN + 1


def test_names_of_one_file_are_read_once(backups):
    write("a", b"shared")
    write("z", b"other")
    for name in ("b", "c"):
        Path(name).hardlink_to("a")
    counts = backups.run()
    assert backups.store.read == [b"a", b"z"]
    assert counts.files == 4
    entries = backups.entries()
    assert {entries[name].ino for name in (b"a", b"b", b"c")} == {os.lstat("a").st_ino}
    assert backups.content(b"c") == b"shared"
    assert backups.run().new_bytes == 0
    assert backups.store.read == []
    Path("d").hardlink_to("a")
    backups.run()
    assert backups.store.read == [b"a"]


def test_names_of_one_file_in_several_batches(backups, monkeypatch):
    monkeypatch.setattr(gather, "FILES_MAX", 1)
    write("a", b"shared")
    for number in range(20):
        write(f"b{number}", b"%d" % number)
        Path(f"c{number}").hardlink_to("a")
    backups.run()
    assert len(backups.store.read) == 21
    assert backups.entries()[b"c19"].nlink == 21
    assert backups.content(b"c19") == b"shared"


def test_files_that_cannot_be_read_are_named(backups):
    for name in ("a", "b", "c"):
        write(name)
    Path("d").hardlink_to("b")

    def spoil() -> None:
        Path("b").unlink()
        backups.store.changed.add(b"c")

    backups.store.before_reading = spoil
    counts = backups.run(".", "gone")
    assert list(backups.entries()) == [b"a", b"c"]
    assert counts.errors == 4
    assert backups.errors == [
        "reading gone: it is not there (any more)",
        "reading b: No such file or directory",
        "reading c: it changed while it was read",
        "reading d: it could not be read under its other name",
    ]


def test_nothing_at_all_is_an_error(backups):
    with pytest.raises(SourceError, match="nothing of what was named"):
        backups.run("gone")
    backups.run(".")  # empty, but there
    assert backups.entries() == {}


def test_a_dry_run_reads_nothing(backups):
    write("a", b"123")
    backups.run()
    write("b", b"4567")
    counts = backups.run(dry=True)
    assert backups.store.read == []
    assert (counts.files, counts.bytes, counts.new_bytes) == (2, 7, 4)


def test_a_stream_is_a_file(backups):
    write("source", b"from a pipe" * 10)
    with Path("source").open("rb") as file:
        counts, _ = record_tree(
            Selection(stream=file.fileno(), stream_name="dump.sql"),
            chunks=backups.store,
            sink=backups.store,
            manifest=(target := io.BytesIO()),
            report=print,
        )
    backups.manifest = target.getvalue()
    entry = backups.entries()[b"dump.sql"]
    assert (entry.type, entry.size, counts.bytes) == (FILE, 110, 110)
    assert backups.content(b"dump.sql") == b"from a pipe" * 10


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"paths": ("a",), "stream_name": "x", "stream": 0},
        {"stream_name": "x"},
        {"stream": 0},
        {"stream_name": "a/b", "stream": 0},
        {"stream_name": "..", "stream": 0},
        {"stream_name": "", "stream": 0},
    ],
)
def test_selections_that_make_no_sense(options):
    with pytest.raises(UsageError):
        Selection(**options)


def test_a_backup_stops_when_it_is_told_to(backups, monkeypatch):
    monkeypatch.setattr(gather, "FILES_MAX", 1)
    for number in range(50):
        write(f"{number:02}")
    stop = Event()
    backups.store.before_reading = stop.set
    with pytest.raises(CancelledError):
        backups.run(watch=Watch(cancel=stop))
    assert len(backups.store.read) <= 2


def test_progress_counts_what_is_done(backups):
    write("a", b"123")
    seen = []
    backups.run(watch=Watch(progress=lambda *counts: seen.append(counts)))
    assert seen[-1] == (3, 3)
    write("b", b"4567")
    backups.run(watch=Watch(progress=lambda *counts: seen.append(counts)))
    assert seen[-1] == (7, 4)


def test_what_fails_the_store_fails_the_backup(backups):
    write("a")

    def fail() -> None:
        raise StrongroomError("disk full")

    backups.store.before_reading = fail
    with pytest.raises(StrongroomError, match="disk full"):
        backups.run()


def test_what_fails_the_walk_fails_the_backup(backups, monkeypatch):
    write("a")

    def fail(*_):
        raise MemoryError

    monkeypatch.setattr("strongroom.ops.record.Recorder.xattrs", fail)
    with pytest.raises(MemoryError):
        backups.run()


def test_an_earlier_manifest_that_is_damaged_is_read_as_far_as_it_goes(backups):
    for name in ("a", "b", "c"):
        write(name)
    backups.run()
    backups.manifest = backups.manifest[:250]
    backups.run()
    assert backups.store.read == [b"b", b"c"]
