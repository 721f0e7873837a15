"""A vault that lies, a network that loses answers, and steps after which nothing works."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import re
import struct
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from typing_extensions import Buffer

from strongroom import (
    DamagedError,
    Password,
    RootKey,
    StrongroomError,
    UnsupportedError,
    UsageError,
    WrongKeyError,
)
from strongroom.errors import LimitError, UnreachableError
from strongroom.keys.password import KdfParameters
from strongroom.keys.slot import SLOT_PASSWORD, frame_slot
from strongroom.ops.vault import Account, connect, owners_log, recover, register
from strongroom.repository.config import Config, read_config
from strongroom.repository.create import create_repository
from strongroom.repository.slots import put_slot, read_slots
from strongroom.stores.local import LocalStore
from strongroom.vault.client import enrol
from strongroom.vault.client.derive import wrap_root
from strongroom.vault.client.pins import read_pins
from strongroom.vault.messages import Answered, Confirming, LogEntry, Offer, Opened, Released
from vault.machines import PASSWORD
from vault.service import Service

NEW = "copper meadow signal harbour"
ROOT = RootKey(bytes(range(7, 39)))
Lie = Callable[[bytes], bytes]


class Quick(Password):
    """Stretches with next to nothing: what is tested here is not its cost."""

    def stretch(self, salt: bytes, parameters: KdfParameters) -> bytes:
        return bytes(a ^ b for a, b in zip(salt, self.to_text().encode().ljust(32), strict=False))


@dataclass
class Between:
    """Stands between client and vault."""

    service: Service
    lies: dict[str, Lie] = field(default_factory=dict)
    """By verb: what becomes of a good answer."""
    lose: dict[str, int] = field(default_factory=dict)
    """By verb: so many answers are lost."""
    steps_left: int = 10**9
    """After so many steps nothing works any more."""
    url: str = ""

    def step(self) -> None:
        self.steps_left -= 1
        if self.steps_left < 0:
            raise UnreachableError("everything stopped")

    def pass_on(self, verb: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes] | None:
        try:
            self.step()
            place = urllib.parse.urlsplit(self.service.url)
            connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
            connection.request("POST", f"/v1/{verb}", body, headers)
            answer = connection.getresponse()
            status, content = answer.status, answer.read()
            connection.close()
            self.step()
        except UnreachableError:
            return None
        if self.lose.get(verb, 0) > 0:
            self.lose[verb] -= 1
            return None
        return (status, self.lies.get(verb, bytes)(content)) if status == 200 else (status, content)


@pytest.fixture
def between(service: Service) -> Iterator[Between]:
    made = Between(service)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            token = {"Authorization": self.headers["Authorization"]}
            answer = made.pass_on(self.path.removeprefix("/v1/"), body, token)
            if answer is None:
                self.close_connection = True
                return
            self.send_response(answer[0])
            self.send_header("Content-Length", str(len(answer[1])))
            self.end_headers()
            self.wfile.write(answer[1])

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        made.url = f"http://127.0.0.1:{server.server_port}"
        yield made
        server.shutdown()
        thread.join()


@dataclass
class Owner:
    """With a repository, and an account at the vault."""

    between: Between
    store: LocalStore
    account: Account

    def register(self, password: str = PASSWORD, store: LocalStore | None = None) -> None:
        register(store or self.store, ROOT, self.account, Quick(password), doing="registering")

    def recover(self, password: str = PASSWORD, *, remember: bool = True) -> RootKey:
        connection = connect(self.store, self.account, doing="recovering")
        return recover(
            connection,
            lambda: Quick(password),
            tell=lambda _: None,
            remember=remember,
            doing="recovering",
        )

    def left(self) -> int:
        said: list[str] = []

        def stop() -> Password:
            raise KeyError

        connection = connect(self.store, self.account, doing="looking")
        with pytest.raises(KeyError):
            recover(connection, stop, tell=said.append, remember=True, doing="looking")
        return int(said[0].split()[1])


_ACCOUNTS = iter(range(10**6))


@pytest.fixture
def owner(between: Between, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Owner:
    """Not yet registered."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    token = between.service.token(f"owner{next(_ACCOUNTS)}")
    store = LocalStore(tmp_path / "repo")
    create_repository(store, ROOT, doing="testing")
    return Owner(between, store, Account(between.url, token, None))


# --- lies to who recovers ---


def changed(kind: type, **fields: object) -> Lie:
    return lambda answer: replace(kind.unpack(answer), **fields).pack()


@pytest.mark.parametrize(
    ("verb", "lie", "error"),
    [
        ("recover/begin", changed(Offer, memory_kib=8), UnsupportedError),
        ("recover/begin", changed(Offer, passes=1), UnsupportedError),
        ("recover/begin", changed(Offer, memory_kib=2**31), UnsupportedError),
        ("recover/begin", changed(Offer, server_key=bytes(32)), DamagedError),
        ("recover/begin", changed(Offer, record_id=bytes(16)), DamagedError),
        ("recover/begin", changed(Offer, vault_id=bytes(16)), DamagedError),
        ("recover/begin", changed(Offer, log_seq=0), DamagedError),
        ("recover/begin", lambda _: b"", UnreachableError),
        ("recover/begin", lambda answer: answer * 1000, UnreachableError),
    ],
)
def test_a_lying_offer_gets_no_guess(
    owner: Owner, between: Between, verb: str, lie: Lie, error: type[StrongroomError]
) -> None:
    owner.register()
    assert owner.recover() == ROOT
    between.lies[verb] = lie
    with pytest.raises(error):
        owner.recover()
    between.lies.clear()
    assert owner.left() == 10


@pytest.mark.parametrize(
    ("verb", "lie", "error"),
    [
        ("recover/attempt", changed(Answered, ke2=bytes(320)), DamagedError),
        ("recover/attempt", lambda _: b"x", UnreachableError),
        ("recover/attempt", changed(Answered, nonce=bytes(32)), StrongroomError),
        ("recover/finish", changed(Released, wrapped=bytes(80)), DamagedError),
        ("recover/finish", lambda _: b"", UnreachableError),
    ],
)
def test_a_lie_about_a_guess_gives_no_key(
    owner: Owner, between: Between, verb: str, lie: Lie, error: type[StrongroomError]
) -> None:
    owner.register()
    between.lies[verb] = lie
    with pytest.raises(error):
        owner.recover()


def test_a_garbled_answer_says_nothing_of_the_password(owner: Owner, between: Between) -> None:
    owner.register()
    between.lies["recover/attempt"] = changed(Answered, ke2=bytes(320))
    with pytest.raises(DamagedError):
        owner.recover()
    between.lies.clear()
    assert owner.recover() == ROOT


def test_who_does_not_remember_can_try_what_seemed_wrong(owner: Owner, between: Between) -> None:
    owner.register()
    between.lies["recover/attempt"] = lambda answer: (
        answer[:300] + bytes([answer[300] ^ 1]) + answer[301:]
    )
    with pytest.raises(WrongKeyError):
        owner.recover()
    between.lies.clear()
    with pytest.raises(WrongKeyError, match="was not asked") as caught:
        owner.recover()
    assert str(read_pins(ops_config(owner).repo_id).path) in str(caught.value.hint)
    assert owner.recover(remember=False) == ROOT
    assert owner.recover() == ROOT


def ops_config(owner: Owner) -> Config:
    return read_config(owner.store, doing="testing")


def test_a_salt_of_the_vaults_choice_makes_a_right_password_wrong_and_no_more(
    owner: Owner, between: Between
) -> None:
    owner.register()
    between.lies["recover/begin"] = changed(Offer, salt=bytes(32))
    with pytest.raises(WrongKeyError):
        owner.recover()
    between.lies.clear()
    assert owner.recover() == ROOT


def test_the_vault_cannot_hand_out_the_key_of_another_repository(
    owner: Owner, tmp_path: Path
) -> None:
    """Nor can who holds the account and the password, by registering one."""
    owner.register()
    other = LocalStore(tmp_path / "other")
    create_repository(other, ROOT, doing="testing")
    for name in owner.store.list("keys/"):
        slot = owner.store.get(name)
        other.put(name, slot)
    owner.store = other
    with pytest.raises(StrongroomError):
        owner.recover()


def test_a_slot_of_before_that_is_put_back_gets_no_token(owner: Owner, between: Between) -> None:
    """The owner moved to another vault, and has the digits: neither beats what is pinned here."""
    owner.register()
    (old,) = owner.store.list("keys/")
    stored = owner.store.get(old)
    owner.store.delete(old)
    path = read_pins(ops_config(owner).repo_id).path
    path.unlink()
    place = owner.account
    owner.account = replace(place, url=between.url.replace("127.0.0.1", "localhost"))
    owner.register()
    (new,) = owner.store.list("keys/")
    owner.store.delete(new)
    owner.store.put(old, stored)
    between.steps_left = 0
    owner.account = replace(place, url=None)
    for act in (owner.register, owner.recover):
        with pytest.raises((UsageError, DamagedError), match=re.escape(place.url or "")):
            act()
    path.unlink()
    for act in (owner.register, owner.recover):
        with pytest.raises(UsageError, match="knows no vault"):
            act()
    assert between.steps_left == 0


# --- lies to who registers ---


@pytest.mark.parametrize(
    ("verb", "lie"),
    [
        ("register/begin", changed(Opened, server_key=bytes(32))),
        ("register/begin", changed(Opened, vault_id=bytes(16))),
        ("register/begin", changed(Opened, nonce=bytes(32))),
        ("register/request", lambda _: bytes(64)),
        ("register/request", lambda answer: answer[:32] + bytes(32)),
        ("register/confirm-begin", changed(Confirming, ke2=bytes(320))),
        ("register/confirm-begin", changed(Confirming, wrapped=bytes(80))),
        ("register/confirm-begin", lambda _: b"x"),
    ],
)
def test_a_vault_that_lies_while_registering_leaves_the_old_password(
    owner: Owner, between: Between, verb: str, lie: Lie
) -> None:
    owner.register()
    before = list(owner.store.list("keys/"))
    between.lies[verb] = lie
    with pytest.raises(StrongroomError):
        owner.register(NEW)
    between.lies.clear()
    assert list(owner.store.list("keys/")) == before
    assert owner.recover() == ROOT


def test_a_server_key_that_changes_while_registering_is_refused(
    owner: Owner, between: Between
) -> None:
    """It would be in the slot, and the vault could answer with another one later."""
    between.lies["register/begin"] = changed(Opened, server_key=bytes(32))
    with pytest.raises(DamagedError, match="changed its key"):
        owner.register()


# --- lost answers ---


def test_lost_answers_cost_no_guess(owner: Owner, between: Between) -> None:
    owner.register()
    between.lose.update({"recover/begin": 2, "recover/attempt": 2})
    with pytest.raises(WrongKeyError):
        owner.recover("wrong")
    assert owner.left() == 9
    between.lose.update({"recover/begin": 2, "recover/attempt": 2})
    assert owner.recover() == ROOT


def test_a_lost_release_is_asked_for_again(owner: Owner, between: Between) -> None:
    owner.register()
    between.lose["recover/finish"] = 2
    assert owner.recover() == ROOT
    between.lose["recover/finish"] = 3
    with pytest.raises(UnreachableError):
        owner.recover()
    assert owner.left() == 10
    assert owner.recover() == ROOT


def test_answers_lost_while_registering_are_asked_for_again(owner: Owner, between: Between) -> None:
    between.lose.update({"register/request": 2, "register/confirm-finish": 2})
    owner.register()
    assert owner.recover() == ROOT


# --- a change of password that is interrupted ---


class Stopping(LocalStore):
    """The same store, until everything stops."""

    def __init__(self, store: LocalStore, between: Between) -> None:
        super().__init__(store.folder)
        self._between = between

    def put(self, name: str, data: Buffer) -> None:
        self._between.step()
        super().put(name, data)

    def delete(self, name: str) -> None:
        self._between.step()
        super().delete(name)


def test_a_change_of_password_that_stops_anywhere_leaves_the_old_or_the_new(
    owner: Owner, between: Between
) -> None:
    owner.register()
    present, outcomes = PASSWORD, []
    for stop in range(100):
        following = NEW if present == PASSWORD else PASSWORD
        between.steps_left = stop
        stopping = Stopping(owner.store, between)
        try:
            owner.register(following, stopping)
            finished = True
        except StrongroomError:
            finished = False
        between.steps_left = 10**9
        try:
            assert owner.recover(present) == ROOT
            outcomes.append("old")
        except WrongKeyError:
            assert owner.recover(following) == ROOT
            outcomes.append("new")
            present = following
        assert len(list(owner.store.list("keys/"))) <= 2
        if finished:
            break
    assert finished
    assert {"old", "new"} == set(outcomes)
    assert outcomes == sorted(outcomes, reverse=True)
    assert len(outcomes) > 12


def test_changes_that_stop_beside_seven_passwords_leave_a_repository_that_opens(
    owner: Owner, between: Between
) -> None:
    for n in range(7):
        body = struct.pack(">IBBH", 65536, 3, 4, 0) + bytes(112)
        slot = frame_slot(SLOT_PASSWORD, bytes([n + 1]) * 16, ops_config(owner).repo_id, 0, body)
        put_slot(owner.store, slot, doing="testing")
    owner.register()
    for stop in (11, 12, 13, 14, 15, 16, 17):
        between.steps_left = stop
        with contextlib.suppress(StrongroomError):
            owner.register(NEW, Stopping(owner.store, between))
        between.steps_left = 10**9
        assert read_slots(owner.store, ops_config(owner), doing="testing").count <= 9
    owner.register(NEW)
    assert owner.recover(NEW) == ROOT
    assert len(list(owner.store.list("keys/"))) == 8
    put_slot(
        owner.store,
        frame_slot(SLOT_PASSWORD, b"x" * 16, ops_config(owner).repo_id, 0, body),
        doing="testing",
    )
    with pytest.raises(LimitError):
        owner.register(PASSWORD)
    assert owner.recover(NEW) == ROOT


def test_a_first_registration_that_stops_anywhere_can_be_made_again(
    owner: Owner, between: Between
) -> None:
    for stop in (1, 5, 9, 10, 11, 12, 13):
        between.steps_left = stop
        with pytest.raises(StrongroomError):
            owner.register(NEW, Stopping(owner.store, between))
        between.steps_left = 10**9
    owner.register()
    assert owner.recover() == ROOT
    assert len(list(owner.store.list("keys/"))) == 1


def test_an_owner_goes_on_with_another_account_at_the_same_vault(
    owner: Owner, between: Between
) -> None:
    """As after the rows of the first one were damaged."""
    owner.register()
    owner.account = replace(owner.account, token=between.service.token("another"))
    owner.register(NEW)
    read_pins(ops_config(owner).repo_id).path.unlink()
    assert owner.recover(NEW) == ROOT
    assert len(list(owner.store.list("keys/"))) == 1


def test_what_comes_back_is_compared_before_the_old_record_goes(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.register()
    other = RootKey(bytes(32))
    monkeypatch.setattr(enrol, "wrap_root", lambda key, name, _: wrap_root(key, name, other))
    with pytest.raises(DamagedError, match="another root key than it was given"):
        owner.register(NEW)
    assert owner.recover() == ROOT


SIZE = LogEntry.LAYOUT.size


@pytest.mark.parametrize(
    "lie",
    [
        lambda log: log[:9] + bytes([log[9] ^ 1]) + log[10:],
        lambda log: log[SIZE:],
        lambda log: log[SIZE : 2 * SIZE] + log[:SIZE] + log[2 * SIZE :],
        lambda log: log[:SIZE] + log[2 * SIZE :],
        lambda log: log[:-1],
        lambda log: log[:-SIZE],
    ],
    ids=["altered", "first gone", "swapped", "one gone", "cut", "end gone"],
)
def test_a_forged_log_is_refused(owner: Owner, between: Between, lie: Lie) -> None:
    owner.register()
    owner.recover()

    def log() -> list[str]:
        connection = connect(owner.store, owner.account, doing="reading")
        return [event for _, event in owners_log(connection, doing="reading")]

    assert log() == ["registered", "confirmed", "charged", "recovered"]
    between.lies["owner/log"] = lambda page: lie(page) if page else page
    with pytest.raises(DamagedError, match=r"forged|cut|not the one"):
        log()
