"""What is destroyed is gone from the disk, however it came to be due; and setups stay where they
belong."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from strongroom import DamagedError
from strongroom.vault.server import owner
from strongroom.vault.server.core import Core, context
from strongroom.vault.server.ledger import RefusalError
from strongroom.vault.server.sweeping import sweep
from vault.parties import House, Person


def ask(core: Core) -> None:
    with suppress(RefusalError):
        Person(core).offer()


@pytest.mark.parametrize("act", [ask, sweep], ids=["asking", "sweeping"])
def test_what_nobody_finished_is_gone_from_the_disk_once_it_is_due(
    house: House, anna: Person, act: Callable[[Core], object]
) -> None:
    record = house.record(anna.ref, house.user(anna.ref).active)
    for _ in range(9):
        anna.guess("wrong").give_up()
    anna.guess("wrong")
    secrets = (record.sealed_setup, record.password_file, record.wrapped)
    assert all(secret in house.everything() for secret in secrets)
    house.times.pass_by(601)
    act(house.core)
    assert not any(secret in house.everything() for secret in secrets)


@pytest.mark.parametrize("name", ["vault_id", "user", "record_id"])
def test_a_sealed_setup_is_bound_to_vault_user_and_record(
    house: House, anna: Person, name: str
) -> None:
    record = house.record(anna.ref, house.user(anna.ref).active)
    assert house.keeper.unseal(record.sealed_setup, context(record))
    other = replace(record, **{name: bytes(len(getattr(record, name)))})
    with pytest.raises(DamagedError):
        house.keeper.unseal(record.sealed_setup, context(other))


def test_what_the_owner_orders_to_go_is_gone_from_the_disk(house: House, anna: Person) -> None:
    active = house.user(anna.ref).active
    pending = anna.register("another").opened.record_id
    for act, record_id in ((owner.revoke, pending), (owner.destroy, active)):
        sealed = house.record(anna.ref, record_id).sealed_setup
        assert sealed in house.everything()
        anna.order(act, record_id)
        assert sealed not in house.everything()


def test_of_two_that_replace_it_without_proof_the_first_record_stays(
    house: House, anna: Person
) -> None:
    old = house.user(anna.ref).active
    for _ in range(2):
        made = Person(house.core, anna.account).register("theirs", delayed=True)
        house.times.pass_by(8 * 86400)
        made.confirm()
        assert house.user(anna.ref).kept == old
