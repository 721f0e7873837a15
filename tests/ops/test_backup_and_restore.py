"""What was backed up into a repository comes back out of it."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings

from strongroom import RootKey
from strongroom._core import CHUNK_LEN
from strongroom._core.session import WriteSession
from strongroom.errors import DamagedError, SourceError
from strongroom.manifest.reader import ManifestReader
from strongroom.ops import tree
from strongroom.ops.backup import BackupReports, Labels, backup
from strongroom.ops.overwrite import Overwrite
from strongroom.ops.restore import restore
from strongroom.ops.restore_options import Reports, RestoreOptions
from strongroom.ops.tree import Selection
from strongroom.repository.create import create_repository
from strongroom.repository.opened import OpenRepository
from strongroom.stores.local import LocalStore
from tests.ops.trees import build, contents, listed, picture, recipes, write

KEY = RootKey(bytes(range(32)))


class Vault:
    """A repository beside what is backed up."""

    def __init__(self, folder: Path) -> None:
        self.store = LocalStore(folder / "repository")
        self.cache = folder / "cache"
        self.errors: list[str] = []
        self.notes: list[str] = []
        create_repository(self.store, KEY, doing="testing")

    def open(self) -> OpenRepository:
        return OpenRepository(self.store, KEY, cache=self.cache)

    def backup(self, *paths, dry_run=False, labels=None, **options):
        self.errors.clear()
        with self.open() as repository:
            return backup(
                repository,
                Selection(paths=paths, **options),
                reports=BackupReports(lambda e: self.errors.append(str(e)), self.notes.append),
                labels=labels,
                dry_run=dry_run,
            )

    def restore(self, *paths, name="latest", target="out", **options):
        self.errors.clear()
        with self.open() as repository:
            return restore(
                repository,
                repository.find(name),
                target,
                paths=paths,
                reports=Reports(lambda e: self.errors.append(str(e)), self.notes.append),
                options=RestoreOptions(**options),
            )

    def segments(self, type_: int) -> list[Path]:
        with self.open() as repository:
            return [
                self.store.folder / "segments" / s.id.hex()[:2] / s.id.hex()
                for e in repository.log.entries
                for s in e.segments
                if s.type == type_
            ]


@pytest.fixture
def vault(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # So that nothing counts as changed just before.
    monkeypatch.setattr(tree, "_TICK_NS", -(10**10))
    return Vault(tmp_path)


def make_tree() -> None:
    noise = random.Random(1)
    for number in range(300):
        write(f"t/{number % 9}/{number}", noise.randbytes(number * 31))
    write("t/text", b"the same line again and again\n" * 200_000)
    write("t/big", noise.randbytes(5 * CHUNK_LEN + 77))
    write("t/twin", Path("t/big").read_bytes())
    Path("t/link").symlink_to("big")
    Path("t/0/name").hardlink_to("t/big")
    with Path("t/hole").open("wb") as file:
        file.truncate(9 * CHUNK_LEN)


def test_a_tree_is_backed_up_and_restored(vault):
    make_tree()
    made = vault.backup("t", labels=Labels(host="here", tags=("one", "two")))
    assert vault.errors == []
    files = [p for p in Path("t").rglob("*") if p.is_file() and not p.is_symlink()]
    assert made.counts.bytes == sum(path.stat().st_size for path in files)
    assert made.counts.new_bytes < 8 * CHUNK_LEN
    with vault.open() as repository:
        (found,) = repository.snapshots
        assert found == made.snapshot
        assert (found.host, found.tags, found.paths) == ("here", ("one", "two"), (b"t",))
    counts = vault.restore()
    assert vault.errors == []
    assert counts.files == made.counts.files
    assert picture("out/t") == picture("t")
    assert Path("out/t/0/name").samefile("out/t/big")
    assert Path("out/t/hole").stat().st_blocks == 0


def test_only_what_changed_is_stored(vault):
    make_tree()
    first = vault.backup("t")
    assert vault.backup("t").counts.new_bytes == 0
    Path("t/big").rename("t/moved")
    shutil.copy("t/text", "t/copy")
    assert vault.backup("t").counts.new_bytes == 0
    write("t/new", b"something new")
    again = vault.backup("t")
    assert 0 < again.counts.new_bytes < 200
    vault.restore(name=first.snapshot.id.hex(), target="first")
    vault.restore(target="last")
    assert "copy" not in listed("first/t")
    assert picture("last/t") == picture("t")


def test_unchanged_files_are_not_opened(vault):
    make_tree()
    vault.backup("t")
    before = {path: path.stat().st_atime_ns for path in Path("t").rglob("*")}
    opened = time.time()
    for path in before:
        if path.is_file() and not path.is_symlink():
            os.utime(path, ns=(0, path.stat().st_mtime_ns))
    result = vault.backup("t", ignore_ctime=True)
    assert result.counts.new_bytes == 0
    assert max(p.stat().st_atime for p in before if p.is_file()) < opened


def test_the_index_may_be_lost(vault):
    make_tree()
    vault.backup("t")
    shutil.rmtree(vault.cache)
    assert vault.backup("t").counts.new_bytes == 0
    shutil.rmtree(vault.cache)
    vault.restore()
    assert picture("out/t") == picture("t")


def test_a_dry_run_leaves_nothing(vault):
    make_tree()
    result = vault.backup("t", dry_run=True)
    assert result.snapshot is None
    assert result.counts.files == 305
    with vault.open() as repository:
        assert repository.snapshots == []


def test_the_repository_is_not_backed_up_into_itself(vault):
    write("a")
    vault.backup(".")
    vault.restore()
    assert "a" in listed("out")
    assert "repository" not in listed("out")


def test_a_stream_is_stored(vault):
    content = random.Random(2).randbytes(3 * CHUNK_LEN + 1)
    write("source", content)
    with (
        subprocess.Popen(["cat", "source"], stdout=subprocess.PIPE) as child,
        vault.open() as opened,
    ):
        backup(
            opened,
            Selection(stream=child.stdout.fileno(), stream_name="dump"),
            reports=BackupReports(pytest.fail, pytest.fail),
        )
    vault.restore("dump")
    assert Path("out/dump").read_bytes() == content


def test_a_backup_that_fails_leaves_nothing(vault):
    with pytest.raises(SourceError):
        vault.backup("gone")
    with vault.open() as repository:
        assert repository.snapshots == []
    assert list((vault.store.folder / "tmp").iterdir()) == []


def files_below(top: str) -> list[str]:
    return sorted(str(p.relative_to(top)) for p in Path(top).rglob("*") if p.is_file())


def test_a_damaged_segment_costs_the_files_in_it_and_no_others(vault):
    write("t/first", random.Random(1).randbytes(3 * CHUNK_LEN))
    vault.backup("t")
    old = vault.segments(2)
    write("t/second", random.Random(2).randbytes(3 * CHUNK_LEN))
    vault.backup("t")
    (segment,) = old
    with segment.open("r+b") as file:
        file.seek(4096 + (1 << 20) + 5)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    counts = vault.restore()
    assert files_below("out") == ["t/second"]
    assert counts.errors == len(vault.errors) == 1
    assert vault.errors[0].startswith("restoring t/first: ")
    segment.unlink()
    shutil.rmtree("out")
    vault.restore()
    assert files_below("out") == ["t/second"]
    # The next backup heals it: what is not there is stored again.
    healed = vault.backup("t")
    assert healed.counts.new_bytes > 3 * CHUNK_LEN
    vault.restore(overwrite=Overwrite.NEVER)
    assert contents("out/t") == contents("t")


def test_a_damaged_manifest_is_named_and_the_next_backup_does_without(vault):
    make_tree()
    vault.backup("t")
    (manifest,) = vault.segments(3)
    stored = bytearray(manifest.read_bytes())
    stored[4200] ^= 1
    manifest.chmod(0o600)
    manifest.write_bytes(stored)
    with pytest.raises(DamagedError):
        vault.restore()
    assert vault.backup("t").counts.new_bytes == 0
    assert len(vault.notes) == 1
    assert vault.notes[0].startswith("what an earlier snapshot knows is read again")
    vault.restore()
    assert picture("out/t") == picture("t")


def test_a_manifest_lists_everything_in_order(vault):
    make_tree()
    vault.backup("t")
    with vault.open() as repository, repository.open_manifest(repository.find("latest")) as source:
        reader = ManifestReader(source, doing="testing")
        paths = [entry.path for entry in reader]
    assert len(paths) == len(list(Path("t").rglob("*"))) + 1
    assert paths == sorted(paths, key=lambda path: path.split(b"/"))


@settings(max_examples=25, deadline=None)
@given(recipes(), recipes())
def test_any_tree_survives_being_changed(tmp_path_factory, one, other):
    folder = tmp_path_factory.mktemp("tree")
    os.chdir(folder)
    vault = Vault(folder)
    Path("t").mkdir()
    build(one)
    vault.backup("t")
    before = picture("t")
    for path in other:
        name = Path("t", *path)
        if name.is_file() or name.is_symlink():
            name.unlink()
    build(other)
    vault.backup("t")
    assert vault.errors == []
    with vault.open() as repository:
        first = repository.snapshots[0].id.hex()
    vault.restore(name=first, target="first")
    vault.restore(target="last")
    assert vault.errors == []
    assert picture("first/t") == before
    assert picture("last/t") == picture("t")


@pytest.mark.parametrize(("length", "depth"), [(1, 250), (200, 22), (200, 60)])
def test_paths_longer_than_the_system_takes(vault, length, depth):
    name = "d" * length
    fd = os.open(".", os.O_RDONLY)
    try:
        for _ in range(depth):
            os.mkdir(name, dir_fd=fd)
            deeper = os.open(name, os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = deeper
        with os.fdopen(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=fd), "wb") as file:
            file.write(b"down here")
        os.link("file", "name", src_dir_fd=fd, dst_dir_fd=fd)
        os.symlink("file", "link", dir_fd=fd)
        vault.backup(name)
        assert vault.errors == []
        vault.restore()
        assert vault.errors == []
        again = os.open("out", os.O_RDONLY)
        for _ in range(depth):
            deeper = os.open(name, os.O_RDONLY, dir_fd=again)
            os.close(again)
            again = deeper
        with os.fdopen(os.open("file", os.O_RDONLY, dir_fd=again), "rb") as file:
            assert file.read() == b"down here"
        assert os.stat("name", dir_fd=again).st_nlink == 2
        assert os.readlink("link", dir_fd=again) == "file"
        os.close(again)
        assert vault.backup(name).counts.new_bytes == 0
    finally:
        os.close(fd)
        subprocess.run(["rm", "-rf", name, "out"], check=True)


def test_nothing_is_read_through_a_link_that_took_the_place_of_a_folder(vault, monkeypatch):
    write("t/a/x", b"mine")
    write("t/b", b"mine, too")
    write("outside/x", b"secret")
    real = WriteSession.start_files

    def start_files(self, paths, **options):
        Path("t/a").rename("was")
        Path("t/a").symlink_to("../outside")
        return real(self, paths, **options)

    monkeypatch.setattr(WriteSession, "start_files", start_files)
    made = vault.backup("t")
    assert vault.errors == ["reading t/a/x: Too many levels of symbolic links"]
    assert made.snapshot.errors == 1
    vault.restore()
    assert files_below("out/t") == ["b"]


def test_a_file_that_says_it_is_empty_but_is_not_is_named_each_time(vault):
    for _ in range(2):
        made = vault.backup("/proc/version")
        assert vault.errors == ["reading /proc/version: it changed while it was read"]
        assert made.snapshot.errors == 1
    vault.restore()
    assert Path("out/proc/version").read_bytes() == Path("/proc/version").read_bytes()


def test_what_lies_behind_a_link_on_the_way_comes_back(vault):
    write("real/photos/x", b"a picture")
    write("real/file", b"a text")
    Path("link").symlink_to("real")
    vault.backup("link/photos", "link/file")
    assert vault.errors == []
    vault.restore()
    assert Path("out/link/photos/x").read_bytes() == b"a picture"
    assert Path("out/link/file").read_bytes() == b"a text"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
def test_what_the_user_may_not_read_or_write(vault):
    write("t/secret", b"not for everyone")
    write("t/closed/inside")
    write("t/open", b"for everyone")
    write("t/kept/inside", b"in a folder that nobody may write to")
    Path("t/kept").chmod(0o555)
    Path("t/secret").chmod(0)
    Path("t/closed").chmod(0)
    try:
        made = vault.backup("t")
        assert vault.errors == [
            "reading t/closed: Permission denied",
            "reading t/secret: Permission denied",
        ]
        assert made.snapshot.errors == 2
        vault.restore()
        assert files_below("out/t") == ["kept/inside", "open"]
        assert Path("out/t/closed").stat().st_mode & 0o777 == 0
        assert Path("out/t/kept").stat().st_mode & 0o777 == 0o555
        Path("out/t/kept").chmod(0o755)
        Path("out/t/kept/inside").unlink()
        Path("out/t/kept").chmod(0)
        vault.restore(overwrite=Overwrite.NEVER)  # opens what it may, and closes it again
        assert vault.errors == []
        assert Path("out/t/kept").stat().st_mode & 0o777 == 0o555
        assert files_below("out/t") == ["kept/inside", "open"]
    finally:
        for name in ("t/closed", "out/t/closed"):
            Path(name).chmod(0o755)
