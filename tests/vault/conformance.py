"""What every store of vault rows must do. A store's test module subclasses Conformance and makes
one."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from strongroom.vault.server.store import Store, T, Transaction

Open = Callable[[], Store]


def done(store: Store, body: Callable[[Transaction], T]) -> T:
    """What the body returned."""
    return store.transact(body)[0]


class Conformance:
    """Subclasses give the fixture `open_store`: each call opens the same, at first empty, store as
    another process would."""

    @pytest.fixture
    def store(self, open_store: Open) -> Store:
        return open_store()

    def test_what_was_put_is_got_by_all(self, store: Store, open_store: Open) -> None:
        store.transact(lambda rows: rows.put("user/a", b"\0one"))
        for each in (store, open_store()):
            assert done(each, lambda rows: rows.get("user/a")) == b"\0one"
            assert done(each, lambda rows: rows.get("user/b")) is None

    def test_a_body_sees_its_own_changes(self, store: Store) -> None:
        def body(rows: Transaction) -> tuple[bytes | None, bytes | None]:
            rows.put("a", b"1")
            rows.put("b", b"2")
            rows.delete("b")
            rows.delete("never there")
            return rows.get("a"), rows.get("b")

        assert done(store, body) == (b"1", None)

    def test_a_body_that_raises_changes_nothing(self, store: Store) -> None:
        store.transact(lambda rows: rows.put("a", b"1"))

        def body(rows: Transaction) -> None:
            rows.put("a", b"2")
            rows.put("b", b"2")
            raise KeyError

        with pytest.raises(KeyError):
            store.transact(body)
        assert done(store, lambda rows: (rows.get("a"), rows.get("b"))) == (b"1", None)

    def test_a_scan_is_in_order_and_keeps_to_its_prefix(self, store: Store) -> None:
        names = [f"log/aa/{n:016x}" for n in (1, 2, 15, 16, 256)]

        def fill(rows: Transaction) -> None:
            for name in [*reversed(names), "log/a", "log/ab/1", "loh", "user/1"]:
                rows.put(name, name.encode())

        store.transact(fill)

        def scanned(start: str, limit: int = 9) -> list[str]:
            return [
                name
                for name, row in done(store, lambda rows: list(rows.scan("log/aa/", start, limit)))
                if row == name.encode()
            ]

        assert scanned("log/aa/") == names
        assert scanned(names[1]) == names[1:]
        assert scanned(names[1], 2) == names[1:3]
        assert scanned("log/aa/f") == []
        assert scanned("") == names

    def test_writers_of_many_threads_and_processes_lose_nothing(
        self, store: Store, open_store: Open
    ) -> None:
        stores = [store, open_store()]

        def body(rows: Transaction) -> None:
            rows.put("count", b"%d" % (int(rows.get("count") or b"0") + 1))

        def write(one: Store) -> None:
            for _ in range(10):
                one.transact(body)

        threads = [threading.Thread(target=write, args=(stores[n % 2],)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert done(store, lambda rows: rows.get("count")) == b"60"

    def test_of_what_was_overwritten_nothing_is_read(self, store: Store) -> None:
        for value in (b"old", b"new"):
            store.transact(lambda rows, value=value: rows.put("a", value))  # type: ignore[misc]
        store.scrub()
        assert done(store, lambda rows: rows.get("a")) == b"new"

    def test_the_revision_grows_with_every_change_and_all_see_it(
        self, store: Store, open_store: Open
    ) -> None:
        other = open_store()
        seen = [other.transact(lambda rows: rows.revision)]
        for n in range(3):
            _, revision = store.transact(lambda rows, n=n: rows.put("a", b"%d" % n))  # type: ignore[misc]
            seen.append(other.transact(lambda rows: rows.revision))
            assert seen[-1] == (revision, revision)
            assert seen[-1] > seen[-2]

    def test_what_changes_nothing_has_the_revision_it_saw(self, store: Store) -> None:
        store.transact(lambda rows: rows.put("a", b"1"))
        seen, revision = store.transact(lambda rows: (rows.get("a"), rows.revision)[1])
        assert seen == revision
