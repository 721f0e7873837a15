"""What every store must do. A store's test module subclasses Conformance and makes one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from strongroom import DamagedError, ObjectExistsError, ObjectMissingError, UsageError
from strongroom.stores import Store

NAMES = ["config", "keys/00ff", "log/0000000000000001", "segments/ab/abcd", "a/b/c/d", "z" * 64]
HOSTILE = [
    "",
    "/",
    "/config",
    "config/",
    "../config",
    "..",
    ".",
    "keys/../config",
    "keys//a",
    "keys/./a",
    ".hidden",
    "keys/.partial",
    "Config",
    "con fig",
    "config\0",
    "config\n",
    "con\\fig",
    "c:on",
    "kéy",
    "keys/\N{ARABIC-INDIC DIGIT ONE}",
    "z" * 65,
    "a/b/c/d/e",
    "~",
    "%2e%2e",
]


class Conformance:
    """Subclasses give the fixture `store`: an empty one."""

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 999])
    def test_what_was_put_is_got(self, store: Store, name: str, data: bytes) -> None:
        assert not store.exists(name)
        store.put(name, data)
        assert store.exists(name)
        assert store.get(name) == data
        assert store.length(name) == len(data)

    @pytest.mark.parametrize("make", [bytearray, memoryview])
    def test_any_buffer_can_be_put(
        self, store: Store, make: Callable[[bytes], bytearray | memoryview]
    ) -> None:
        store.put("config", make(b"data"))
        assert store.get("config") == b"data"

    def test_an_object_is_never_overwritten(self, store: Store) -> None:
        store.put("keys/a1", b"first")
        for data in (b"second", b"first", b""):
            with pytest.raises(ObjectExistsError):
                store.put("keys/a1", data)
        assert store.get("keys/a1") == b"first"

    @pytest.mark.parametrize("name", NAMES)
    def test_what_is_not_there_is_missing(self, store: Store, name: str) -> None:
        for ask in (store.get, store.length, store.delete):
            with pytest.raises(ObjectMissingError):
                ask(name)
        assert not store.exists(name)

    def test_the_beginning_of_a_name_is_no_object(self, store: Store) -> None:
        store.put("segments/ab/abcd", b"x")
        for name in ("segments", "segments/ab", "segments/ab/abc", "segments/ab/abcd/e"):
            assert not store.exists(name)
            with pytest.raises(ObjectMissingError):
                store.get(name)

    def test_get_refuses_what_is_longer_than_its_limit(self, store: Store) -> None:
        store.put("config", b"12345")
        assert store.get("config", limit=5) == b"12345"
        with pytest.raises(DamagedError, match="5 bytes, which is too long"):
            store.get("config", limit=4)

    def test_what_was_deleted_is_gone_and_can_be_made_again(self, store: Store) -> None:
        store.put("config", b"one")
        store.delete("config")
        assert not store.exists("config")
        assert list(store.list("")) == []
        store.put("config", b"two")
        assert store.get("config") == b"two"

    def test_list_gives_names_in_order(self, store: Store) -> None:
        names = ["config", "keys/b", "keys/a", "log/01", "log1", "segments/ab/x", "segments/0/x"]
        for name in names:
            store.put(name, b"")
        assert list(store.list("")) == sorted(names)
        assert list(store.list("keys/")) == ["keys/a", "keys/b"]
        assert list(store.list("segments/")) == ["segments/0/x", "segments/ab/x"]
        assert list(store.list("segments/ab/")) == ["segments/ab/x"]
        assert list(store.list("nothing/")) == []
        assert list(store.list("config/")) == []

    def test_an_empty_store_lists_nothing(self, store: Store) -> None:
        assert list(store.list("")) == []
        assert list(store.list("log/")) == []

    @pytest.mark.parametrize("name", HOSTILE)
    def test_hostile_names_are_refused(self, store: Store, tmp_path: Path, name: str) -> None:
        local = tmp_path / "local"
        local.write_bytes(b"x")
        for ask in (store.get, store.length, store.delete, store.exists):
            with pytest.raises(UsageError):
                ask(name)
        with pytest.raises(UsageError):
            store.put(name, b"x")
        with pytest.raises(UsageError):
            store.adopt([(local, name)])
        assert local.exists()
        assert list(store.list("")) == []

    @pytest.mark.parametrize("prefix", ["log", "/", "../", "a/../", "A/", "a//", "a/b/c/d/"])
    def test_hostile_prefixes_are_refused(self, store: Store, prefix: str) -> None:
        with pytest.raises(UsageError):
            list(store.list(prefix))

    def test_adopted_files_become_objects(self, store: Store, tmp_path: Path) -> None:
        files = []
        for n in range(5):
            (tmp_path / f"local{n}").write_bytes(b"%d" % n)
            files.append((tmp_path / f"local{n}", f"segments/{n % 2}/{n:032x}"))
        store.adopt(files)
        for n, (path, name) in enumerate(files):
            assert store.get(name) == b"%d" % n
            assert not path.exists()
        store.adopt([])

    def test_adopting_never_overwrites(self, store: Store, tmp_path: Path) -> None:
        store.put("segments/a/b", b"first")
        local = tmp_path / "local"
        local.write_bytes(b"second")
        with pytest.raises(ObjectExistsError):
            store.adopt([(local, "segments/a/b")])
        assert store.get("segments/a/b") == b"first"
        assert local.read_bytes() == b"second"

    def test_of_many_that_put_one_name_one_wins(self, store: Store) -> None:
        won: list[bytes] = []

        def put(data: bytes) -> None:
            try:
                store.put("log/0001", data)
            except ObjectExistsError:
                return
            won.append(data)

        threads = [threading.Thread(target=put, args=(b"%d" % n * 9999,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (winner,) = won
        assert store.get("log/0001") == winner
        assert list(store.list("")) == ["log/0001"]

    def test_it_has_a_name_that_people_can_type(self, store: Store) -> None:
        assert store.url
        assert store.url.isprintable()
