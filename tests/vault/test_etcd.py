"""The etcd store, on an etcd."""

from __future__ import annotations

import json
import secrets
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from program import PATIENCE
from strongroom import UsageError
from strongroom.vault.client.endpoint import CodeError
from strongroom.vault.messages import Answered, Event, Offer, RecoverAttempt, RecoverBegin
from strongroom.vault.opaque import Login
from strongroom.vault.server import etcd
from strongroom.vault.server.access import Access, read_access
from strongroom.vault.server.clock import Clock
from strongroom.vault.server.config import read_config
from strongroom.vault.server.core import Core, found
from strongroom.vault.server.etcd import EtcdStore
from strongroom.vault.server.gateway import CompactedError, Gateway, UnknownOutcomeError, to_text
from strongroom.vault.server.keys.file import FileKeys
from strongroom.vault.server.keys.keeper import Keeper
from strongroom.vault.server.opening import opened
from strongroom.vault.server.store import Store, StoreFailedError, Transaction
from strongroom.vault.server.witness import NoWitness
from strongroom.vault.wire import NO_ID, Code
from vault.certificates import make_certificate
from vault.cluster import Cluster, running, wait_until
from vault.conformance import Conformance, Open, done
from vault.parties import NO_DELAYS, PASSWORD, Guess, Person, recovers
from vault.service import served

pytestmark = pytest.mark.xdist_group("etcd")


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A single node is enough where none fails."""
    with running(tmp_path_factory.mktemp("etcd"), count=1) as cluster:
        yield cluster


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    return f"{request.node.name}/"


class TestEtcd(Conformance):
    @pytest.fixture
    def open_store(self, one: Cluster, prefix: str) -> Iterator[Open]:
        opened: list[EtcdStore] = []

        def open_one() -> EtcdStore:
            opened.append(one.store(prefix))
            return opened[-1]

        yield open_one
        for store in opened:
            store.close()

    def test_what_was_scanned_is_what_is_changed(self, store: Store, open_store: Open) -> None:
        """A row that is new in a range, or gone from it, makes the body run again."""
        other, seen = open_store(), []

        def body(rows: Transaction) -> None:
            seen.append([name for name, _ in rows.scan("a/", "", 9)])
            if len(seen) == 1:
                other.transact(lambda rows: rows.put("a/1", b""))
            elif len(seen) == 2:
                other.transact(lambda rows: rows.delete("a/1"))
            rows.put("sum", b"")

        store.transact(body)
        assert seen == [[], ["a/1"], []]

    def test_all_reads_of_a_body_are_of_one_moment(self, store: Store, open_store: Open) -> None:
        other = open_store()

        def put(value: bytes) -> None:
            other.transact(lambda rows: (rows.put("a", value), rows.put("b", value)))

        def body(rows: Transaction) -> tuple[bytes | None, bytes | None]:
            first = rows.get("a")
            put(b"new")
            return first, rows.get("b")

        put(b"old")
        assert done(store, body) == (b"old", b"old")


# --- an outcome that was lost ---


class Losing(Gateway):
    """Loses what is answered to transactions, done or not, and lets others write meanwhile."""

    lost = 0
    done = True
    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    def order(self, path: str, message: Mapping[str, Any]) -> dict[str, Any]:
        if path != "kv/txn" or not self.lost:
            return super().order(path, message)
        self.lost -= 1
        if self.done:
            super().order(path, message)
        self.meanwhile()
        raise UnknownOutcomeError("lost")


@pytest.fixture
def losing(one: Cluster, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[EtcdStore]:
    monkeypatch.setattr(etcd, "Gateway", Losing)
    with closing(one.store(prefix)) as store:
        yield store


@pytest.mark.parametrize("was_done", [True, False])
@pytest.mark.parametrize("others", [0, 1, 3])
def test_a_transaction_whose_answer_was_lost_is_done_once(
    losing: EtcdStore, was_done: bool, others: int
) -> None:
    """Whether it was done or not, and however many came after it."""

    def add(rows: Transaction) -> None:
        rows.put("count", b"%d" % (int(rows.get("count") or b"0") + 1))

    def meanwhile() -> None:
        for _ in range(others):
            losing.transact(add)

    losing.transact(add)
    gateway = losing._gateway
    assert isinstance(gateway, Losing)
    gateway.lost, gateway.done, gateway.meanwhile = 1, was_done, meanwhile
    losing.transact(add)
    assert done(losing, lambda rows: rows.get("count")) == b"%d" % (2 + others)


@pytest.mark.parametrize("was_done", [True, False])
def test_a_guess_whose_charge_was_lost_on_the_way_is_charged_once(
    losing: EtcdStore, tmp_path: Path, was_done: bool
) -> None:
    keeper = Keeper([FileKeys.make(tmp_path / "key")])
    found(losing, keeper)
    core = Core(losing, keeper, policy=NO_DELAYS, clock=Clock(), witness=NoWitness())
    anna = Person(core)
    anna.registered("secret")
    guess = Guess(anna, anna.offer(), "secret")
    gateway = losing._gateway
    assert isinstance(gateway, Losing)
    gateway.lost, gateway.done = 1, was_done
    guess.ask()
    assert guess.is_right()
    assert anna.offer().left == 9
    gateway.lost = 1
    assert guess.release() == anna.wrapped
    assert [entry.event for entry in anna.log()].count(Event.RECOVERED) == 1


# --- what it forgets, and how large it is ---


def scrub(store: EtcdStore) -> None:
    """Whose scrub_every is a second."""
    wait_until(lambda: not store._scrubbing.is_alive())
    time.sleep(1.1)
    store.scrub()
    wait_until(lambda: not store._scrubbing.is_alive())


def test_scrubbing_compacts_what_is_older_than_the_scrub_before(one: Cluster, prefix: str) -> None:
    with closing(one.store(prefix, scrub_every=1)) as store:
        for value in (b"old", b"new"):
            _, revision = store.transact(lambda rows, value=value: rows.put("a", value))  # type: ignore[misc]
        scrub(store)
        old = {"key": store._key("a"), "revision": revision - 1}
        assert store._gateway.order("kv/range", old)["kvs"]
        size = store.health().size
        scrub(store)
        with pytest.raises(CompactedError):
            store._gateway.order("kv/range", old)
        assert done(store, lambda rows: rows.get("a")) == b"new"
        assert 0 < store.health().used <= store.health().size <= size


def test_processes_together_scrub_no_more_often_than_was_said(one: Cluster, prefix: str) -> None:
    with closing(one.store(prefix)) as first, closing(one.store(prefix)) as second:
        before = first.transact(lambda rows: rows.revision)[1]
        for store in (first, second, first):
            store.scrub()
            wait_until(lambda store=store: not store._scrubbing.is_alive())  # type: ignore[misc]
        assert first.transact(lambda rows: rows.revision)[1] == before + 1


def fill(store: EtcdStore) -> None:
    while True:
        store.transact(lambda rows: rows.put("x", secrets.token_bytes(500_000)))


def test_at_its_full_quota_nobody_is_answered_and_nothing_is_lost(tmp_path: Path) -> None:
    quota, said = ["--quota-backend-bytes=2000000"], list[str]()
    with (
        running(tmp_path, count=1, extra=quota) as cluster,
        served(tmp_path / "vault", etcd=cluster.table()) as service,
        opened(read_config(service.config)) as core,
        closing(cluster.store("strongroom/", said.append, scrub_every=1)) as store,
    ):
        anna = Person(core)
        anna.registered(PASSWORD)
        endpoint = service.endpoint(service.token("anna"))
        offer = endpoint.call("recover/begin", RecoverBegin(NO_ID), Offer)
        asked = RecoverAttempt(offer.record_id, offer.token, Login("wrong").ke1)
        with pytest.raises(StoreFailedError, match="space exceeded"):
            fill(store)
        with pytest.raises(CodeError) as refused:
            endpoint.call("recover/attempt", asked, Answered)
        assert refused.value.code == Code.UNAVAILABLE
        # Reading goes on, and tells what is wrong.
        assert endpoint.call("recover/begin", RecoverBegin(NO_ID), Offer).left == 10
        assert "strongroom_vault_store_full 1\n" in service.get("/metrics")[1]
        assert service.get("/healthz") == (200, "ok\n")
        assert "space exceeded" in service.log()
        scrub(store)
        assert "old history stays for now" in said[-1]
        cluster.etcdctl("compact", str(json.loads(service("status", "--json"))["revision"]))
        cluster.etcdctl("defrag")
        cluster.etcdctl("alarm", "disarm")
        endpoint.call("recover/attempt", asked, Answered)
        assert anna.offer().left == 9
        recovers(anna)
        assert "strongroom_vault_store_full 0\n" in service.get("/metrics")[1]


# --- who is let in ---


def test_plain_http_goes_to_this_machine_only() -> None:
    Access(("http://127.0.0.1:2379", "http://[::1]:2379"))
    for wrong in ("http://10.0.0.1:2379", "http://etcd.example:2379", "ftp://127.0.0.1:1", "x"):
        with pytest.raises(UsageError):
            Access((wrong,))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("", "endpoints"),
        ("endpoints = 3", "endpoints"),
        ("endpoints = []", "one or more"),
        ("endpoints = [1]", "texts"),
        ("endpoints = ['http://h:1']", "TLS"),
        ("endpoints = ['https://h:1']\nuser = 'a'", "password_file"),
        ("endpoints = ['https://h:1']\nkey = 'a'", "certificate"),
        ("endpoints = ['https://h:1']\npasword = 'a'", "nothing else"),
    ],
)
def test_a_table_that_is_wrong_is_refused(tmp_path: Path, lines: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_access(tomllib.loads(lines), tmp_path)


def test_an_etcd_of_another_authority_is_told_nothing(
    one: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(etcd, "_PATIENCE_S", 0.1)
    other, _ = make_certificate(tmp_path, "other")
    stranger = replace(one.access("x/"), ca=other)
    nobody = replace(one.access("x/"), certificate=None, key=None)
    for access in (stranger, nobody):
        with closing(EtcdStore(access)) as store, pytest.raises(StoreFailedError):
            store.transact(lambda rows: rows.get("a"))


def refused(store: EtcdStore, words: str) -> None:
    with closing(store), pytest.raises(StoreFailedError, match=words):
        store.transact(lambda rows: rows.get("a"))


def test_users_are_let_in_by_their_password_and_to_their_prefix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = tmp_path / "password"
    password.write_text("right\n")
    with running(tmp_path, count=1) as cluster:
        gateway = Gateway(cluster.access(""))
        begin, end = to_text(b"vault/"), to_text(b"vault0")
        permission = {"permType": "READWRITE", "key": begin, "range_end": end}
        for path, message in (
            ("auth/user/add", {"name": "root", "password": "r"}),
            ("auth/user/grant", {"user": "root", "role": "root"}),
            ("auth/user/add", {"name": "vault", "password": "right"}),
            ("auth/role/add", {"name": "vault"}),
            ("auth/role/grant", {"name": "vault", "perm": permission}),
            ("auth/user/grant", {"user": "vault", "role": "vault"}),
            ("auth/enable", {}),
        ):
            gateway.order(path, message)
        gateway.close()
        known = {"user": "vault", "password_file": password}
        with closing(cluster.store("vault/", **known)) as store:
            store.transact(lambda rows: rows.put("a", b"1"))
            # A node that begins anew knows no token of before.
            cluster.kill(*cluster.nodes)
            cluster.start()
            assert done(store, lambda rows: rows.get("a")) == b"1"
        # It compacts; writing files anew is for root alone, which is said once.
        said: list[str] = []
        with closing(cluster.store("vault/", said.append, scrub_every=1, **known)) as store:
            marked = done(store, lambda rows: rows.revision) + 1
            for _ in range(3):
                scrub(store)
            deadline = time.monotonic() + PATIENCE
            with pytest.raises(CompactedError):
                store.read("a", None, limit=1, revision=marked - 1, deadline=deadline)
        assert len(said) == 1, said
        (words,) = said
        assert "its role root" in words
        assert "permission denied" in words
        refused(cluster.store("others/", **known), "permission denied")
        password.write_text("wrong\n")
        refused(cluster.store("vault/", **known), "authentication failed")
        monkeypatch.setattr(etcd, "_PATIENCE_S", 0.1)
        refused(cluster.store("vault/"), "user name is empty")
