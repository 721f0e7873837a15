"""Damaged, hostile or ended early, a restore writes nothing wrong, and nothing elsewhere."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from threading import Event

import pytest

from strongroom._core import CHUNK_LEN, Watch
from strongroom._core.segments import WANT
from strongroom.errors import CancelledError, DamagedError, TargetError
from strongroom.manifest.entry import (
    FILE,
    FOLDER,
    SPARSE,
    SYMLINK,
    encode,
)
from strongroom.manifest.writer import ManifestWriter
from strongroom.ops import landing
from strongroom.ops.overwrite import Overwrite
from tests.manifest.test_manifest import entry
from tests.ops.store import ChunkStore
from tests.ops.trees import listed, open_files, write

REFUSE, NEVER, IF_NEWER, ALWAYS = Overwrite


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


def test_room_is_checked_first(snapshot, monkeypatch):
    write("t/a", b"12345")
    write("t/b", b"678")
    snapshot.record("t")

    class Room:
        f_bavail, f_frsize = 7, 1

    monkeypatch.setattr(os, "statvfs", lambda _: Room)
    with pytest.raises(TargetError, match="it needs 8 bytes, and 7 are free"):
        snapshot.restore(expected=8)
    assert not Path("out").exists()
    for target in ("out", "deep/down"):
        with pytest.raises(TargetError, match="it needs 8 bytes, and 7 are free"):
            snapshot.restore(target=target, dry_run=True)
    assert snapshot.restore("t/a").errors == 0
    assert snapshot.restore(overwrite=NEVER).errors == 0  # what is there needs no room
    assert snapshot.restore(target="two", expected=7).errors == 0  # whoever says so is believed


def test_a_full_disk_ends_the_restore(snapshot):
    for name in ("a", "b"):
        write(f"t/{name}", name.encode())
    snapshot.record("t")

    def fetch(wants, fds, **_):
        full = [want._replace(status=4, place=3, os_error=errno.ENOSPC) for want in wants]
        wants.memory[:] = WANT.rows(full).memory

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


def test_names_too_long_for_the_target_are_named(snapshot):
    snapshot.forge(entry(b"a"), entry(b"n" * 300), entry(b"x", FOLDER), entry(b"x/" + b"n" * 300))
    snapshot.restore()
    assert len(snapshot.errors) == 2
    assert listed("out") == ["a", "x"]
