"""What is there already is left, gone around or replaced, as told, and links never lead away."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from strongroom.ops.overwrite import Overwrite
from tests.ops.store import ChunkStore
from tests.ops.trees import contents, listed, picture, write

REFUSE, NEVER, IF_NEWER, ALWAYS = Overwrite


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
        fetched.extend(want.raw_len for want in wants) or real(wants, fds)
    )
    fetched: list[int] = []
    real = ChunkStore.fetch.__get__(snapshot.store)
    counts = snapshot.restore(overwrite=overwrite)
    assert snapshot.errors == []
    assert len(fetched) == 3
    assert (counts.files, counts.kept) == (3, 9)
    assert contents("out/t") == contents("t")
    assert os.lstat("out/t/2/name").st_nlink == 1  # 0/0 was there already


@pytest.mark.parametrize("overwrite", [NEVER, IF_NEWER])
def test_names_are_not_given_to_what_only_looks_the_same(snapshot, overwrite):
    write("t/a", b"right")
    for name in ("b", "c"):
        Path("t", name).hardlink_to("t/a")
    snapshot.record("t")
    write("elsewhere", b"wrong")
    Path("out/t").mkdir(parents=True)
    Path("out/t/a").hardlink_to("elsewhere")
    there = os.lstat("t/a").st_mtime_ns
    os.utime("elsewhere", ns=(there, there))
    counts = snapshot.restore(overwrite=overwrite)
    assert snapshot.errors == []
    assert (counts.files, counts.kept) == (2, 1)
    assert Path("out/t/b").read_bytes() == b"right"
    assert Path("out/t/b").samefile("out/t/c")
    assert Path("elsewhere").read_bytes() == b"wrong"
    assert [os.lstat(f).st_nlink for f in ("elsewhere", "out/t/b")] == [2, 2]


def test_a_dry_run_counts_the_room_of_a_name_that_is_not_given_to_what_is_there(snapshot):
    write("t/a", b"right")
    Path("t/b").hardlink_to("t/a")
    snapshot.record("t")
    snapshot.restore()
    Path("out/t/b").unlink()
    counts = snapshot.restore(overwrite=NEVER, dry_run=True)
    assert (counts.files, counts.room, counts.kept) == (1, 5, 1)


@pytest.mark.parametrize("overwrite", [NEVER, IF_NEWER, ALWAYS])
def test_an_interrupted_restore_of_names_of_one_file_is_finished(snapshot, overwrite):
    write("t/a", b"right")
    for name in ("b", "c", "d"):
        Path("t", name).hardlink_to("t/a")
    snapshot.record("t")
    snapshot.restore()
    for name in ("c", "d"):  # it had not come to them
        Path("out/t", name).unlink()
    snapshot.restore(overwrite=overwrite)
    assert snapshot.errors == []
    names = [Path("out/t", name) for name in ("a", "b", "c", "d")]
    assert [name.read_bytes() for name in names] == [b"right"] * 4
    linked = 4 if overwrite is ALWAYS else 2
    assert [name.stat().st_nlink for name in names] == [linked] * 4


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
