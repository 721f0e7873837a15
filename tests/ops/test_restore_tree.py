"""A restore makes what the manifest says, below the target and nowhere else."""

from __future__ import annotations

import errno
import io
import os
import random
import shutil
import socket
import stat
import subprocess
import time
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom._core import CHUNK_LEN, Watch
from strongroom.errors import CancelledError, DamagedError, SourceError, TargetError, UsageError
from strongroom.manifest.entry import (
    BLOCK_DEVICE,
    FIFO,
    FILE,
    FOLDER,
    SOCKET,
    SPARSE,
    SYMLINK,
    encode,
)
from strongroom.manifest.writer import ManifestWriter
from strongroom.ops import contents, landing
from strongroom.ops.overwrite import Overwrite
from strongroom.ops.restore_tree import restore_tree
from strongroom.ops.restoring import Reports, RestoreOptions
from strongroom.ops.tree import Selection, record_tree
from tests.manifest.test_manifest import entry
from tests.ops.store import ChunkStore

REFUSE, NEVER, IF_NEWER, ALWAYS = Overwrite


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Snapshot:
    """Something to restore."""

    def __init__(self) -> None:
        self.store = ChunkStore()
        self.manifest = b""
        self.errors: list[str] = []
        self.notes: list[str] = []

    def record(self, *paths) -> None:
        target = io.BytesIO()
        record_tree(
            Selection(paths=paths),
            chunks=self.store,
            sink=self.store,
            manifest=target,
            report=lambda error: pytest.fail(str(error)),
        )
        self.manifest = target.getvalue()

    def forge(self, *entries) -> None:
        """A manifest of entries, or (entry, contents)."""
        target = io.BytesIO()
        writer = ManifestWriter(target)
        for one in entries:
            item, content = one if isinstance(one[0], tuple) else (one, b"")
            ids: list[bytes] = []
            self.store._cut(content, ids)
            writer.add(item, b"".join(ids))
        writer.finish()
        self.manifest = target.getvalue()

    def restore(self, *paths, target="out", watch=None, expected=None, **options):
        self.errors.clear()
        self.notes.clear()
        return restore_tree(
            lambda: closing(io.BytesIO(self.manifest)),
            target,
            chunks=self.store,
            reports=Reports(lambda error: self.errors.append(str(error)), self.notes.append),
            paths=paths,
            options=RestoreOptions(**options),
            expected_bytes=expected,
            watch=watch or Watch(),
        )


@pytest.fixture
def snapshot():
    return Snapshot()


def write(name: str, content: bytes = b"x") -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(content)


def picture(top: str) -> dict[str, tuple]:
    """All that is below a folder."""
    found = {}
    for folder, folders, files in os.walk(top):
        for name in (*folders, *files, "."):
            path = os.path.normpath(f"{folder}/{name}")
            status = os.lstat(path)
            kind = stat.S_IFMT(status.st_mode)
            content: bytes | str | None = None
            if stat.S_ISREG(kind):
                content = Path(path).read_bytes()
            elif stat.S_ISLNK(kind):
                content = str(Path(path).readlink())
            mode = None if stat.S_ISLNK(kind) else stat.S_IMODE(status.st_mode)
            owner = status.st_uid, status.st_gid
            key = os.path.relpath(path, top)
            found[key] = (kind, mode, owner, status.st_mtime_ns, content)
    return found


def listed(folder: str = ".") -> list[str]:
    """Names in a folder."""
    return sorted(path.name for path in Path(folder).iterdir())


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_tree_comes_back_as_it_was(snapshot):
    write("t/big", os.urandom(2 * CHUNK_LEN + 5))
    write("t/empty", b"")
    write("t/a/b/small", b"abc")
    Path("t/folder").mkdir()
    Path("t/link").symlink_to(b"else\xff")
    Path("t/a/up").symlink_to("..")
    os.mkfifo("t/fifo", 0o620)
    write(os.fsdecode(b"t/\xff\nodd"), b"odd")
    Path("t/a/b/small").chmod(0o4750)
    Path("t/a").chmod(0o555)
    for number, path in enumerate(["t/a/b/small", "t/a/b", "t/a", "t/link", "t/fifo", "t"]):
        os.utime(path, ns=(1, 10**9 * number - 5), follow_symlinks=False)
    snapshot.record("t")
    before = open_files()
    counts = snapshot.restore()
    assert open_files() == before
    assert (snapshot.errors, snapshot.notes) == ([], [])
    assert picture("out/t") == picture("t")
    assert (counts.entries, counts.files, counts.errors) == (11, 4, 0)
    assert counts.bytes == 2 * CHUNK_LEN + 5 + 3 + 3
    for name in ("t/a", "out/t/a"):  # so that pytest can remove it
        Path(name).chmod(0o755)


def test_extended_attributes_come_back(snapshot):
    write("t/a")
    try:
        os.setxattr("t/a", "user.one", b"1\0")
        os.setxattr("t", "user.two", b"")
    except OSError:
        pytest.skip("no extended attributes here")
    snapshot.record("t")
    snapshot.restore()
    assert os.getxattr("out/t/a", "user.one") == b"1\0"
    assert os.getxattr("out/t", "user.two") == b""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_owners_come_back_by_name_or_number(snapshot):
    snapshot.forge(
        entry(b"a", mode=0o4755, uid=54321, gid=54322, user=b"daemon", group=b"no such group"),
        entry(b"l", SYMLINK, uid=7, gid=8),
    )
    snapshot.restore()
    daemon = next(
        int(line.split(":")[2])
        for line in Path("/etc/passwd").read_text("utf-8").splitlines()
        if line.startswith("daemon:")
    )
    status = os.lstat("out/a")
    assert (status.st_uid, status.st_gid) == (daemon, 54322)
    assert stat.S_IMODE(status.st_mode) == 0o4755
    assert os.lstat("out/l").st_gid == 8
    snapshot.restore(target="again", numeric_owners=True)
    assert os.lstat("again/a").st_uid == 54321


def test_names_of_one_file_stay_names_of_one(snapshot):
    write("t/a", b"shared")
    write("t/z/other", b"other")
    os.link("t/a", "t/b")
    os.link("t/a", "t/z/c")
    snapshot.record("t")
    counts = snapshot.restore()
    inodes = {os.lstat(f"out/t/{name}").st_ino for name in ("a", "b", "z/c")}
    assert len(inodes) == 1
    assert counts.files == 4
    assert picture("out/t") == picture("t")
    snapshot.restore("t/z/c", target="one")
    assert Path("one/t/z/c").read_bytes() == b"shared"


def test_names_of_one_file_across_batches(snapshot, monkeypatch):
    monkeypatch.setattr(contents, "FILES_MAX", 2)
    for number in range(9):
        write(f"t/{number}/x", b"%d" % number)
        write("t/0/a", b"shared") if number == 0 else os.link("t/0/a", f"t/{number}/a")
    snapshot.record("t")
    snapshot.restore()
    assert os.lstat("out/t/8/a").st_nlink == 9
    assert picture("out/t") == picture("t")


def test_what_cannot_be_linked_is_a_file_of_its_own(snapshot, monkeypatch):
    write("t/a", b"shared")
    os.link("t/a", "t/b")
    snapshot.record("t")
    real = os.link

    def link(source, *rest, **more):
        if source == b"a":
            raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))
        return real(source, *rest, **more)

    monkeypatch.setattr(os, "link", link)
    counts = snapshot.restore()
    assert (snapshot.errors, counts.files) == ([], 2)
    assert picture("out/t") == picture("t")


def test_entries_that_only_claim_to_be_one_file_are_not(snapshot):
    one = entry(b"a", size=3)._replace(nlink=2)
    snapshot.forge((one, b"abc"), (one._replace(path=b"b"), b"xyz"))
    snapshot.restore()
    assert Path("out/b").read_bytes() == b"xyz"


def test_holes_stay_holes(snapshot):
    with Path("hole").open("wb") as file:
        file.seek(5 * CHUNK_LEN)
        file.write(b"end")
        file.truncate(9 * CHUNK_LEN)
    snapshot.record("hole")
    counts = snapshot.restore()
    assert Path("out/hole").read_bytes() == Path("hole").read_bytes()
    assert os.lstat("out/hole").st_blocks * 512 <= 3 * CHUNK_LEN
    assert counts.room == 0


def test_large_files_come_in_pieces(snapshot, monkeypatch):
    monkeypatch.setattr(contents, "BYTES_MAX", CHUNK_LEN)
    monkeypatch.setattr("strongroom.manifest.entry.IDS_PER_ITEM", 2)
    monkeypatch.setattr("strongroom.manifest.reader.IDS_PER_ITEM", 2)
    write("t/a", b"first")
    write("t/big", random.Random(1).randbytes(7 * CHUNK_LEN + 9))
    write("t/z", b"last")
    snapshot.record("t")
    calls = []
    real = snapshot.store.fetch
    snapshot.store.fetch = lambda wants, fds, **more: (
        calls.append(len(wants)),
        real(wants, fds, **more),
    )
    snapshot.restore()
    assert max(calls) <= 3
    assert picture("out/t") == picture("t")
    del snapshot.store.chunks[list(snapshot.store.chunks)[3]]
    counts = snapshot.restore(target="again")
    assert counts.errors == 1
    assert listed("again/t") == ["a", "z"]


def test_parts_of_a_snapshot(snapshot):
    for name in ("a", "b/c", "b/d/e", "b.x", "f"):
        write(f"t/{name}", name.encode())
    snapshot.record("t")
    snapshot.restore("/t/b/", "t/f", "t/b/d/e")
    assert set(picture("out")) == {".", "t", "t/b", "t/b/c", "t/b/d", "t/b/d/e", "t/f"}
    snapshot.restore("t/b.x", "t/nothing", target="one")
    assert set(picture("one")) == {".", "t", "t/b.x"}
    assert snapshot.errors == ["restoring t/nothing: it is not in the snapshot"]
    with pytest.raises(SourceError, match="nothing of what was asked for"):
        snapshot.restore("x", "t/q", target="none")
    snapshot.restore("/", target="all")
    assert picture("all/t") == picture("t")
    for path in ("../x", "a\0b"):
        with pytest.raises(UsageError):
            snapshot.restore(path)


def test_a_part_is_had_without_reading_to_the_end(snapshot):
    write("a")
    write("b")
    snapshot.record("a", "b")
    snapshot.manifest = snapshot.manifest[:-5]
    snapshot.restore("a")
    assert listed("out") == ["a"]
    with pytest.raises(DamagedError, match="restoring to out2: it is cut off"):
        snapshot.restore(target="out2")
    assert listed("out2") == ["a", "b"]  # what could be had


def test_existing_files_are_refused_and_left(snapshot):
    write("t/a", b"new")
    write("t/b", b"new")
    snapshot.record("t")
    write("out/t/a", b"old")
    counts = snapshot.restore()
    assert snapshot.errors == ["restoring t/a: it exists"]
    assert (counts.errors, counts.files) == (1, 1)
    assert Path("out/t/a").read_bytes() == b"old"
    assert Path("out/t/b").read_bytes() == b"new"


@pytest.mark.parametrize(
    ("overwrite", "age", "result"),
    [
        (NEVER, +10, b"old"),
        (IF_NEWER, -10, b"new"),
        (IF_NEWER, +10, b"old"),
        (ALWAYS, +10, b"new"),
    ],
)
def test_existing_files_are_replaced_as_told(snapshot, overwrite, age, result):
    write("t/a", b"new")
    Path("t/link").symlink_to("new")
    os.link("t/a", "t/name")
    snapshot.record("t")
    write("out/t/a", b"old")
    write("out/t/name", b"old")
    Path("out/t/link").symlink_to("old")
    there = time.time() + age
    for name in ("a", "name", "link"):
        os.utime(f"out/t/{name}", (there, there), follow_symlinks=False)
    counts = snapshot.restore(overwrite=overwrite)
    assert snapshot.errors == []
    assert Path("out/t/a").read_bytes() == Path("out/t/name").read_bytes() == result
    assert str(Path("out/t/link").readlink()) == result.decode()
    assert counts.kept == (3 if result == b"old" else 0)
    assert listed("out/t") == ["a", "link", "name"]
    if result == b"new":
        assert Path("out/t/a").samefile("out/t/name")
        snapshot.restore(overwrite=ALWAYS)
        assert Path("out/t/a").samefile("out/t/name")
        assert listed("out/t") == ["a", "link", "name"]


@pytest.mark.parametrize("overwrite", [NEVER, IF_NEWER])
def test_a_second_restore_goes_on_where_the_first_one_was(snapshot, overwrite):
    for number in range(9):
        write(f"t/{number // 3}/{number}", b"%d" % number)
    Path("t/link").symlink_to("x")
    os.mkfifo("t/fifo")
    os.link("t/0/0", "t/2/name")
    snapshot.record("t")
    snapshot.restore()
    for name in ("t/0/1", "t/2/8", "t/2/name"):
        Path("out", name).unlink()
    snapshot.store.fetch = lambda wants, fds, **_: (
        fetched.extend(wants["raw_len"]) or real(wants, fds)
    )
    fetched: list[int] = []
    real = ChunkStore.fetch.__get__(snapshot.store)
    counts = snapshot.restore(overwrite=overwrite)
    assert snapshot.errors == []
    assert len(fetched) == 2
    assert (counts.files, counts.kept) == (3, 9)
    assert picture("out/t") == picture("t")
    assert Path("out/t/0/0").samefile("out/t/2/name")


def test_folders_in_the_way(snapshot):
    write("t/a")
    Path("t/link").symlink_to("x")
    snapshot.record("t")
    write("out/t/a/b")
    write("out/t/link/b")
    snapshot.restore(overwrite=ALWAYS)
    assert snapshot.errors == [
        "restoring t/a: a folder has its name",
        "restoring t/link: a folder has its name",
    ]
    assert Path("out/t/a/b").exists()


def test_links_in_the_way_are_not_followed(snapshot):
    write("t/d/a", b"new")
    write("t/d/e/f", b"new")
    write("t/f", b"new")
    snapshot.record("t")
    write("elsewhere/a", b"old")
    for overwrite in Overwrite:
        shutil.rmtree("out", ignore_errors=True)
        Path("out/t").mkdir(parents=True)
        Path("out/t/d").symlink_to("../../elsewhere")
        Path("out/t/f").symlink_to("../../elsewhere/a")
        snapshot.restore(overwrite=overwrite)
        assert Path("elsewhere/a").read_bytes() == b"old"
        assert listed("elsewhere") == ["a"]
        if overwrite is ALWAYS:
            assert snapshot.errors == []
            assert picture("out/t") == picture("t")
        else:
            message = "restoring t/d: something else has its name; nothing in it is restored"
            assert snapshot.errors[0] == message


def test_links_put_in_the_way_meanwhile_are_not_followed(snapshot):
    write("t/d/a", b"new")
    write("t/z", b"z")
    snapshot.record("t")
    Path("elsewhere").mkdir()
    real = ChunkStore.fetch.__get__(snapshot.store)

    def fetch(wants, fds, **_):
        Path("out/t/d").rename("out/t/gone")
        Path("out/t/d").symlink_to("../../elsewhere")
        real(wants, fds)

    snapshot.store.fetch = fetch
    snapshot.restore()
    assert listed("elsewhere") == []
    assert Path("out/t/gone/a").read_bytes() == b"new"


@pytest.mark.parametrize("path", [b"../x", b"/x", b"a/../../x", b"."])
def test_hostile_paths_write_nothing(snapshot, path):
    item = entry(b"t/xxxxxxxxxxxx"[: 2 + len(path)], size=0)
    snapshot.forge(entry(b"t", FOLDER), item)
    snapshot.manifest = snapshot.manifest.replace(item.path, b"t/" + path).replace(
        b"t/" + path, (path + b"/t")[: 2 + len(path)]
    )
    with pytest.raises(DamagedError):
        snapshot.restore()
    assert listed() == ["out"]
    assert listed("out") in ([], ["t"])


@pytest.mark.parametrize("size", [1, 3 * CHUNK_LEN, 2**63, 2**64 - 1])
def test_files_without_their_chunk_ids_are_damage(snapshot, size):
    target = io.BytesIO()
    writer = ManifestWriter(target)
    writer.add(entry(b"a", size=0))
    writer.put(b"b", FILE, size, encode(entry(b"b", size=size, flags=SPARSE)))
    writer.finish()
    snapshot.manifest = target.getvalue()
    with pytest.raises(DamagedError, match="too few chunk ids"):
        snapshot.restore(expected=1)
    assert listed("out") == ["a"]


def test_a_link_and_a_folder_of_its_name_cannot_both_be(snapshot):
    snapshot.forge(entry(b"t", SYMLINK, target=b"/etc"))
    snapshot.restore()
    snapshot.forge(entry(b"t", FOLDER), entry(b"t/x"))
    snapshot.restore(overwrite=IF_NEWER)
    assert not Path("/etc/x").exists()
    assert len(snapshot.errors) == 1


def test_missing_chunks_cost_only_their_files(snapshot):
    for name in ("a", "b", "c"):
        write(f"t/{name}", name.encode() * 5)
    os.link("t/b", "t/b2")
    snapshot.record("t")
    chunks = snapshot.store.chunks
    del chunks[next(name for name, chunk in chunks.items() if chunk == b"bbbbb")]
    counts = snapshot.restore()
    assert listed("out/t") == ["a", "c"]
    assert counts.errors == 2
    assert snapshot.errors[0].startswith("restoring t/b: chunk ")
    assert snapshot.errors[0].endswith(": missing")
    assert "t/b2" in snapshot.errors[1]


def test_damage_leaves_what_was_there(snapshot):
    write("t/a", b"new")
    snapshot.record("t")
    snapshot.store.chunks.clear()
    write("out/t/a", b"old")
    snapshot.restore(overwrite=ALWAYS)
    assert Path("out/t/a").read_bytes() == b"old"
    assert listed("out/t") == ["a"]


def test_special_files(snapshot):
    Path("t").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("t/socket")
    snapshot.record("t")
    counts = snapshot.restore()
    assert listed("out/t") == []
    assert snapshot.notes == ["left out t/socket: it is a socket"]
    assert (counts.skipped, counts.errors) == (1, 0)


def test_devices_are_made_only_when_asked_for(snapshot):
    snapshot.forge(entry(b"null", 6, rdev=os.makedev(1, 3), mode=0o604), entry(b"p", FIFO))
    snapshot.restore()
    assert snapshot.notes == ["left out null: it is a device"]
    if os.geteuid() == 0:
        snapshot.restore(target="with", devices=True)
        if snapshot.errors:
            pytest.skip("no devices may be made here")
        status = os.lstat("with/null")
        assert stat.S_ISCHR(status.st_mode)
        assert status.st_rdev == os.makedev(1, 3)
        assert stat.S_IMODE(status.st_mode) == 0o604


def test_every_type_is_told_apart(snapshot):
    types = [FIFO, SOCKET, BLOCK_DEVICE, SYMLINK, FILE, FOLDER]
    snapshot.forge(*(entry(b"%d" % type_, type_) for type_ in sorted(types)))
    snapshot.restore()
    assert snapshot.errors == []
    assert listed("out") == sorted(str(t) for t in types if t not in (SOCKET, BLOCK_DEVICE))


def test_a_dry_run_writes_nothing(snapshot):
    write("t/a/b", b"12345")
    write("t/c", b"678")
    os.link("t/a/b", "t/d")
    snapshot.record("t")
    counts = snapshot.restore(dry_run=True)
    assert not Path("out").exists()
    assert (counts.files, counts.bytes, counts.room) == (3, 13, 8)
    write("out/t/c", b"old")
    counts = snapshot.restore(dry_run=True)
    assert snapshot.errors == ["restoring t/c: it exists"]
    assert (counts.files, counts.room) == (2, 5)
    assert set(picture("out")) == {".", "t", "t/c"}


def test_room_is_checked_first(snapshot, monkeypatch):
    write("t/a", b"12345")
    write("t/b", b"678")
    snapshot.record("t")

    class Room:
        f_bavail, f_frsize = 7, 1

    monkeypatch.setattr(os, "statvfs", lambda _: Room)
    with pytest.raises(TargetError, match="it needs 8 bytes, and 7 are free"):
        snapshot.restore(expected=8)
    assert listed("out") == []
    assert snapshot.restore("t/a").errors == 0
    assert snapshot.restore(overwrite=NEVER).errors == 0  # what is there needs no room
    assert snapshot.restore(target="two", expected=7).errors == 0  # whoever says so is believed


def test_a_full_disk_ends_the_restore(snapshot):
    for name in ("a", "b"):
        write(f"t/{name}", name.encode())
    snapshot.record("t")

    def fetch(wants, fds, **_):
        wants["status"], wants["place"], wants["os_error"] = 4, 3, errno.ENOSPC

    snapshot.store.fetch = fetch
    before = open_files()
    with pytest.raises(TargetError, match="No space left"):
        snapshot.restore()
    assert listed("out/t") == []
    assert open_files() == before


def test_a_restore_stops_when_it_is_told_to(snapshot):
    write("t/a")
    snapshot.record("t")
    stop = Event()
    stop.set()
    with pytest.raises(CancelledError):
        snapshot.restore(watch=Watch(cancel=stop))


def test_where_files_must_have_names(snapshot, monkeypatch):
    monkeypatch.setattr(landing, "_NAMELESS", os.O_WRONLY | os.O_DIRECTORY)  # fails as elsewhere
    write("t/a", b"new")
    write("t/b", b"gone")
    snapshot.record("t")
    snapshot.store.chunks.pop(next(n for n, c in snapshot.store.chunks.items() if c == b"gone"))
    for overwrite in (REFUSE, ALWAYS):
        counts = snapshot.restore(overwrite=overwrite)
        assert counts.errors == 1
        assert listed("out/t") == ["a"]
        assert Path("out/t/a").read_bytes() == b"new"
    real = ChunkStore.fetch.__get__(snapshot.store)

    def fetch(wants, fds, **_):
        real(wants, fds)
        write("out2/t/a", b"from somebody else")

    snapshot.store.fetch = fetch
    snapshot.restore(target="out2")
    assert Path("out2/t/a").read_bytes() == b"from somebody else"
    assert listed("out2/t") == ["a"]


def test_a_file_that_appears_meanwhile_is_left(snapshot):
    write("t/a", b"new")
    snapshot.record("t")
    real = ChunkStore.fetch.__get__(snapshot.store)

    def fetch(wants, fds, **_):
        real(wants, fds)
        write("out/t/a", b"from somebody else")

    snapshot.store.fetch = fetch
    snapshot.restore()
    assert snapshot.errors == ["restoring t/a: it exists"]
    assert Path("out/t/a").read_bytes() == b"from somebody else"


def test_names_too_long_for_the_target_are_named(snapshot):
    snapshot.forge(entry(b"a"), entry(b"n" * 300), entry(b"x", FOLDER), entry(b"x/" + b"n" * 300))
    snapshot.restore()
    assert len(snapshot.errors) == 2
    assert listed("out") == ["a", "x"]


@pytest.mark.parametrize(("length", "depth"), [(1, 300), (200, 60)])
def test_deep_folders(snapshot, length, depth):
    name = b"d" * length
    folders = [entry(b"/".join([name] * n), FOLDER, mode=0o755) for n in range(1, depth + 1)]
    last = entry(folders[-1].path + b"/file", size=3)
    beside = [entry(b"%b/z" % f.path, size=3) for f in reversed(folders)]
    snapshot.forge(*folders, (last, b"abc"), *((b, b"abc") for b in beside))
    try:
        before = open_files()
        counts = snapshot.restore()
        assert (snapshot.errors, counts.files) == ([], depth + 1)
        assert open_files() == before
        found = subprocess.run(
            ["find", "out", "-type", "f"], capture_output=True, check=True
        ).stdout.splitlines()
        assert len(found) == depth + 1
        assert b"out/" + last.path in found
        assert os.lstat("out/" + name.decode()).st_mtime_ns == folders[0].mtime_ns
    finally:
        subprocess.run(["rm", "-rf", "out"], check=True)


def test_few_files_are_open_at_once(snapshot, monkeypatch):
    for number in range(700):
        write(f"t/{number}/{number}", b"%d" % number)
    snapshot.record("t")
    most = 0
    real = ChunkStore.fetch.__get__(snapshot.store)

    def fetch(wants, fds, **_):
        nonlocal most
        most = max(most, open_files())
        real(wants, fds)

    snapshot.store.fetch = fetch
    snapshot.restore()
    assert most < 550
    assert picture("out/t") == picture("t")


names = st.sampled_from(["a", "b", "a.b", "\udcff", "new\nline", "é", "x" * 255])
sizes = st.sampled_from([0, 1, 4096, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1])


@st.composite
def recipes(draw):
    """Paths and what to make there."""
    recipe = {}
    for _ in range(draw(st.integers(1, 8))):
        path = tuple(draw(st.lists(names, min_size=1, max_size=3)))
        kind = draw(st.sampled_from(["file", "file", "folder", "link", "fifo", "name", "hole"]))
        recipe[path] = (kind, draw(sizes), draw(st.sampled_from([0o600, 0o755, 0o4711])))
    return recipe


def build(recipe) -> None:
    files = []
    for path, (kind, size, mode) in recipe.items():
        name = "/".join(("t", *path))
        try:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            if kind == "folder":
                Path(name).mkdir()
            elif kind == "link":
                Path(name).symlink_to("/nowhere")
            elif kind == "fifo":
                os.mkfifo(name)
            elif kind == "name" and files:
                os.link(files[-1], name)
            elif kind == "hole":
                with Path(name).open("xb") as file:
                    file.truncate(size)
            else:
                with Path(name).open("xb") as file:
                    file.write(random.Random(size).randbytes(size))
                Path(name).chmod(mode)
                files.append(name)
        except OSError:  # something else has the name
            continue


@settings(max_examples=40, deadline=None)
@given(recipes())
def test_any_tree_comes_back(tmp_path_factory, recipe):
    os.chdir(tmp_path_factory.mktemp("tree"))
    Path("t").mkdir()
    build(recipe)
    snapshot = Snapshot()
    snapshot.record("t")
    snapshot.restore()
    assert snapshot.errors == []
    assert picture("out/t") == picture("t")
    links = {key: os.lstat(f"t/{key}").st_nlink for key in picture("t")}
    assert {key: os.lstat(f"out/t/{key}").st_nlink for key in links} == links
    again = snapshot.restore(overwrite=NEVER)
    assert (again.files, again.errors) == (0, 0)
