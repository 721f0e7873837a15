"""A restore makes what the manifest says, below the target and nowhere else."""

from __future__ import annotations

import errno
import os
import random
import socket
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings

from strongroom._core import CHUNK_LEN
from strongroom.errors import DamagedError, SourceError, UsageError
from strongroom.manifest.entry import (
    BLOCK_DEVICE,
    FIFO,
    FILE,
    FOLDER,
    SOCKET,
    SYMLINK,
)
from strongroom.ops import contents
from strongroom.ops.overwrite import Overwrite
from tests.manifest.test_manifest import entry
from tests.ops.store import ChunkStore
from tests.ops.trees import Snapshot, build, listed, open_files, picture, recipes, write

REFUSE, NEVER, IF_NEWER, ALWAYS = Overwrite


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
