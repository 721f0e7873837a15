"""A guess at one record is none at another, nor is a row another's; and time jumps both ways."""

from __future__ import annotations

import pytest

from strongroom import DamagedError
from strongroom.vault.server import recover
from strongroom.vault.server.ledger import RefusalError
from strongroom.vault.wire import Code
from vault.parties import House, Person, Times


def test_a_guess_is_not_answered_again_for_another_record(house: House, anna: Person) -> None:
    """It would be a second one, without a charge."""
    old = house.user(anna.ref).active
    made = Person(house.core, anna.account).register("theirs", delayed=True)
    house.times.pass_by(8 * 86400)
    made.confirm()
    guess = anna.guess("wrong", old)
    offer = anna.offer()
    assert offer.record_id != old
    asked = guess.message(record_id=offer.record_id, token=offer.token)
    with pytest.raises(RefusalError) as caught:
        recover.attempt(house.core, anna.ref, asked)
    assert caught.value.code == Code.STALE


def test_a_record_is_read_for_its_own_user_alone(house: House, anna: Person) -> None:
    bob = Person(house.core, "bob")
    bob.registered("his")
    with pytest.raises(DamagedError, match="another's"):
        house.record(bob.ref, house.user(anna.ref).active)


def test_a_clock_that_jumps_back_is_noticed_whatever_was_stored() -> None:
    times = Times()
    clock = times.clock()
    times.wall -= 300
    assert clock.sound(0)
    times.wall -= 1
    assert not clock.sound(0)
