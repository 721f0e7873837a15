"""A vault that lies, and a network that loses answers."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from strongroom import (
    DamagedError,
    RootKey,
    StrongroomError,
    UnsupportedError,
    UsageError,
    WrongKeyError,
)
from strongroom.errors import UnreachableError
from strongroom.ops.vault import connect, owners_log
from strongroom.repository.create import create_repository
from strongroom.stores.local import LocalStore
from strongroom.vault.client import enrol
from strongroom.vault.client.derive import wrap_root
from strongroom.vault.client.pins import read_pins
from strongroom.vault.messages import Answered, Confirming, LogEntry, Offer, Opened, Released
from vault.lying import ROOT, Between, Lie, Owner, ops_config
from vault.machines import NEW

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
