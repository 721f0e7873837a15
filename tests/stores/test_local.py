"""The store in a folder: as every store, and what only files can do."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from stores.conformance import Conformance
from strongroom import (
    DamagedError,
    ObjectExistsError,
    ObjectMissingError,
    TargetError,
    UsageError,
)
from strongroom.stores import UnsyncedError, nameless
from strongroom.stores.local import LocalStore
from strongroom.stores.locate import open_store


class TestLocalStore(Conformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalStore:
        return LocalStore(tmp_path / "repository")


class TestWithoutNamelessFiles(Conformance):
    """On file systems that have hard links and no more."""

    @pytest.fixture
    def store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
        monkeypatch.delattr(os, "O_TMPFILE")
        return LocalStore(tmp_path / "repository")


class TestWithoutHardLinks(Conformance):
    """As on FAT."""

    @pytest.fixture
    def store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
        def no_link(*_words: object, **_options: object) -> None:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.delattr(os, "O_TMPFILE")
        monkeypatch.setattr(os, "link", no_link)
        return LocalStore(tmp_path / "repository")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path / "repository")
    store.put("config", b"data")
    return store


def test_making_a_store_makes_no_folder(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "new")
    assert not store.exists("config")
    assert list(store.list("")) == []
    assert not (tmp_path / "new").exists()


def test_objects_are_files_that_nobody_writes_to(store: LocalStore, tmp_path: Path) -> None:
    path = tmp_path / "repository/config"
    assert store.path_of("config") == path
    assert stat.S_IMODE(path.stat().st_mode) & 0o222 == 0
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_is_no_object_is_not_listed(store: LocalStore, tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    (folder / ".DS_Store").touch()
    (folder / "lost+found").mkdir()
    (folder / "Thumbs.db").touch()
    (folder / "a/b/c/d/e").mkdir(parents=True)
    (folder / "a/b/c/d/e/f").touch()
    assert list(store.list("")) == ["config"]


def test_a_link_a_pipe_or_a_folder_is_no_object(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("not yours")
    (tmp_path / "repository/link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "repository/pipe")
    (tmp_path / "repository/folder").mkdir()
    for name in ("link", "pipe"):
        with pytest.raises(DamagedError, match="not a regular file"):
            store.get(name)
        assert not store.exists(name)
        with pytest.raises(ObjectExistsError):
            store.put(name, b"x")
    with pytest.raises(ObjectMissingError):
        store.get("folder")
    assert (tmp_path / "secret").read_text() == "not yours"


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = LocalStore(tmp_path / "file")
    assert not store.exists("config")
    assert list(store.list("")) == []
    with pytest.raises(ObjectMissingError):
        store.get("config")
    with pytest.raises(TargetError, match="writing config: Not a directory"):
        store.put("config", b"x")


def test_nothing_partial_is_left_by_a_put_that_failed(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_sync(_fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    for named in (False, True):
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", no_sync)
            if named:
                patch.delattr(os, "O_TMPFILE")
            with pytest.raises(TargetError, match="writing other: Input/output error"):
                store.put("other", b"x")
        assert os.listdir(tmp_path / "repository") == ["config"]  # noqa: PTH208


def test_every_name_is_synced_with_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    real = os.fsync

    def seen(fd: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{fd}").readlink()).removeprefix(f"{tmp_path}"))
        real(fd)

    monkeypatch.setattr(os, "fsync", seen)
    LocalStore(tmp_path / "r").put("segments/ab/c", b"x")
    folders = [path for path in synced if "deleted" not in path and "#" not in path]
    assert folders == ["", "/r", "/r/segments", "/r/segments/ab"]
    assert len(synced) == 5


def test_an_adopted_object_is_synced_below_folders_of_somebody_who_did_not(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "repository/segments/ab").mkdir(parents=True)
    synced = synced_folders(tmp_path, monkeypatch)
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(b"x")
    store.adopt([(tmp_path / name, f"segments/ab/{name}") for name in ("one", "two")])
    assert sorted(synced) == ["repository", "repository/segments", "repository/segments/ab"]
    synced.clear()
    store.sync("segments/ab/one")
    assert sorted(synced) == ["repository", "repository/segments", "repository/segments/ab"]


def test_what_cannot_be_synced_is_named(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_sync(_fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", no_sync)
    with pytest.raises(UnsyncedError, match="writing config: Input/output error"):
        store.sync("config")


def synced_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows with each folder below tmp_path that is synced."""
    synced: list[str] = []
    real = os.fsync

    def seen(fd: int) -> None:
        path = Path(f"/proc/self/fd/{fd}").readlink()
        real(fd)
        if path.is_dir():
            synced.append(str(path.relative_to(tmp_path)))

    monkeypatch.setattr(os, "fsync", seen)
    return synced


READ_ONLY = """
import sys
from pathlib import Path
from strongroom.errors import TargetError
from strongroom.stores.local import LocalStore
store = LocalStore(Path(sys.argv[1]))
print(store.get("config"), list(store.list("")), store.length("config"), store.exists("x"))
for attempt in (lambda: store.put("x", b""), lambda: store.delete("config")):
    try:
        attempt()
    except TargetError as error:
        print(error)
"""


def test_a_read_only_store_is_read(
    store: LocalStore, tmp_path: Path, powerless: tuple[str, ...]
) -> None:
    (tmp_path / "repository").chmod(0o500)
    run = [*powerless, sys.executable, "-c", READ_ONLY, str(tmp_path / "repository")]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    (tmp_path / "repository").chmod(0o700)
    assert done.stdout.splitlines() == [
        "b'data' ['config'] 4 False",
        "writing x: Permission denied",
        "deleting config: Permission denied",
    ], done.stderr


def test_a_full_disk_is_named_and_leaves_nothing(small_disk: tuple[str, ...]) -> None:
    code = """
import sys
from pathlib import Path
from strongroom.errors import TargetError
from strongroom.stores.local import LocalStore
store = LocalStore(Path(sys.argv[1]))
try:
    store.put("large", bytes(8 << 20))
except TargetError as error:
    print(error)
store.put("small", b"x")
"""
    run = [*small_disk, sys.executable, "-c", code, small_disk[-1]]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.stdout == "writing large: No space left on device\n", done.stderr
    assert Path(f"{small_disk[-1]}.left").read_text() == "small\n"


# --- Names of stores ---


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("/srv/backup", "/srv/backup"),
        ("file:///srv/backup", "/srv/backup"),
        ("file://localhost/srv/backup", "/srv/backup"),
        ("FILE:///srv/a%20b%C3%A9", "/srv/a bé"),
        ("file:///srv/a+b:c", "/srv/a+b:c"),
        ("/srv/a%20b", "/srv/a%20b"),
        ("/srv/c:d", "/srv/c:d"),
    ],
)
def test_a_path_or_a_file_url_names_a_folder(url: str, folder: str) -> None:
    assert open_store(url).folder == Path(folder)


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_store("repo").folder == tmp_path / "repo"
    assert open_store("repo").url == f"{tmp_path}/repo"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "s3://bucket",
        "http://x/y",
        "file://host/x",
        "file:///x?y",
        "file:///x#y",
        "file://",
        "a\0",
    ],
)
def test_other_names_are_refused(url: str) -> None:
    with pytest.raises(UsageError):
        open_store(url)


def test_two_partial_files_never_have_the_same_name() -> None:
    names = {nameless.sibling(Path("a/b")) for _ in range(100)}
    assert len(names) == 100
    assert all(name.name.startswith(".") for name in names)
