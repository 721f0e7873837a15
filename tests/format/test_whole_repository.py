"""Repositories made by the product, read by the reference; and both judge damage alike."""

from __future__ import annotations

import contextlib
import os
import random
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom import KdfParameters, Labels, Password, Repository, RootKey

from . import manifest_reference as manifest
from . import whole_reference as reference
from .header_reference import CHUNK

PASSWORD = "correct horse"


def make_tree(top: Path) -> None:
    noise = random.Random(5)
    (top / "sub" / "deep").mkdir(parents=True)
    (top / "empty").write_bytes(b"")
    (top / "empty folder").mkdir(mode=0o700)
    (top / "film").write_bytes(noise.randbytes(3 * CHUNK + 17))
    (top / "exact").write_bytes(noise.randbytes(CHUNK))
    (top / "text").write_text("the same line\n" * 200_000)
    for n in range(40):
        (top / "sub" / f"small {n}").write_bytes(noise.randbytes(n * 7))
    (top / "sub.txt").write_text("sorts between sub and sub/ by bytes")
    (top / "sub" / "deep" / "executable").write_text("#!")
    (top / "sub" / "deep" / "executable").chmod(0o4755)
    (top / "link").symlink_to("sub/small 3")
    (top / "dangling").symlink_to("/nowhere/at all")
    os.link(top / "film", top / "sub" / "film too")
    with (top / "sparse").open("wb") as file:
        file.truncate(2 * CHUNK + 5)
        file.write(b"begin")
    os.mkfifo(top / "fifo")
    odd = [b"\xff\xfe", b"new\nline", b"...", b" ", "e\u0301".encode(), b"x" * 255]
    for name in odd:
        Path(os.fsdecode(os.fsencode(top) + b"/" + name)).write_bytes(name)
    with contextlib.suppress(OSError):  # not every file system has them
        os.setxattr(top / "text", "user.note", b"\0value")
    os.utime(top / "text", ns=(1, -1_000_000_001))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, RootKey]]:
    """A repository of three snapshots, the last of them of the tree that is still there."""
    folder = tmp_path_factory.mktemp("whole")
    key = RootKey(random.Random(1).randbytes(32))
    make_tree(folder / "src")
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    patch.chdir(folder)
    with Repository.create(folder / "repo", key=key, password=cheap()) as repository:
        repository.backup("src", labels=Labels(host="h", tags=("one", "\u00e9")))
        (folder / "src" / "exact").write_bytes(b"shorter now")
        repository.backup("src/sub")
        (folder / "src" / "later").write_bytes(random.Random(6).randbytes(5000))
        repository.backup("src")
    yield folder, key
    patch.undo()


def cheap() -> Password:
    return Password(PASSWORD, kdf=KdfParameters(memory_kib=64 * 1024, passes=3, lanes=1))


TYPES = {
    stat.S_IFREG: manifest.FILE,
    stat.S_IFDIR: manifest.FOLDER,
    stat.S_IFLNK: manifest.LINK,
    stat.S_IFIFO: manifest.FIFO,
}


def described(path: Path) -> dict[str, object]:
    """What an entry is to say of a file, without ctime, which reading alone may not change."""
    about = path.lstat()
    kind = TYPES[stat.S_IFMT(about.st_mode)]
    names = [] if kind == manifest.LINK else sorted(os.listxattr(path))
    return {
        "type": kind,
        "mode": stat.S_IMODE(about.st_mode),
        **{name: getattr(about, f"st_{name}") for name in ("uid", "gid", "ino", "dev", "nlink")},
        "mtime": about.st_mtime_ns,
        "ctime": about.st_ctime_ns,
        "size": about.st_size if kind == manifest.FILE else 0,
        "target": os.fsencode(path.readlink()) if kind == manifest.LINK else b"",
        "attributes": {os.fsencode(name): os.getxattr(path, name) for name in names},
    }


def test_the_reference_reads_every_snapshot(made: tuple[Path, RootKey]) -> None:
    folder, key = made
    objects = reference.objects_in(folder / "repo")
    assert reference.unlock(objects, PASSWORD) == key.to_bytes()
    contents = reference.read(objects, key.to_bytes())
    first, second, _ = contents.snapshots
    assert (first.info["host"], first.info["tags"]) == ("h", ["one", "\u00e9"])
    assert second.info["paths"] == [b"src/sub"]
    assert sum(entry.path.startswith(b"src/sub/") for entry in second.entries) == 43
    old = {entry.path: contents.file(entry) for entry in first.entries}
    assert len(old[b"src/exact"]) == CHUNK
    assert b"src/later" not in old


def test_the_reference_gives_the_same_tree(made: tuple[Path, RootKey]) -> None:
    folder, key = made
    contents = reference.read(reference.objects_in(folder / "repo"), key.to_bytes())
    entries = {entry.path: entry for entry in contents.snapshots[-1].entries}
    top = folder / "src"
    expected = {os.fsencode(path.relative_to(folder)) for path in (top, *top.rglob("*"))}
    assert set(entries) == expected
    for path, entry in entries.items():
        source = folder / os.fsdecode(path)
        facts = described(source)
        assert {name: getattr(entry, name) for name in facts} == facts, path
        if entry.type == manifest.FILE:
            assert contents.file(entry) == source.read_bytes()
    assert entries[b"src/film"].chunks == entries[b"src/sub/film too"].chunks
    assert entries[b"src/sparse"].flags == 1
    assert entries[b"src/film"].flags == 0
