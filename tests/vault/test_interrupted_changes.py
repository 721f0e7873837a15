"""A change of the vault's password that stops anywhere leaves the old or the new."""

from __future__ import annotations

import contextlib
import struct
from dataclasses import replace

import pytest
from typing_extensions import Buffer

from strongroom import (
    StrongroomError,
    WrongKeyError,
)
from strongroom.errors import LimitError
from strongroom.keys.slot import SLOT_PASSWORD, frame_slot
from strongroom.repository.slots import put_slot, read_slots
from strongroom.stores.local import LocalStore
from strongroom.vault.client.pins import read_pins
from vault.lying import ROOT, Between, Owner, ops_config
from vault.machines import NEW, PASSWORD


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
        assert read_slots(owner.store, ops_config(owner), doing="testing").total <= 9
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
