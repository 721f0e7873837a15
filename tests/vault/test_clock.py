"""Time never goes back, and stands still while the clock is not to be believed."""

from __future__ import annotations

import pytest

from strongroom.vault.server import owner
from strongroom.vault.server.clock import Clock
from strongroom.vault.server.sweeping import sweep
from strongroom.vault.wire import Code
from vault.parties import PASSWORD, House, Person, Times, refused, rows


@pytest.mark.parametrize("jump", [-301, 301, -(10**6), 10**8])
def test_attempts_stop_when_the_clock_jumps(house: House, anna: Person, jump: int) -> None:
    guess = anna.guess("wrong")
    house.times.wall += jump
    refused(Code.CLOCK, guess.ask)
    refused(Code.CLOCK, lambda: anna.guess(PASSWORD))
    assert house.user(anna.ref).left == 9


@pytest.mark.parametrize("jump", [8 * 24 * 3600, 60 * 24 * 3600, -(10**6)])
def test_nothing_is_due_while_the_clock_is_wrong(house: House, anna: Person, jump: int) -> None:
    old = anna.offer().record_id
    made = Person(house.core).register("mine", delayed=True)
    house.times.wall += jump
    before = rows(house)
    refused(Code.CLOCK, made.log_in)
    refused(Code.CLOCK, lambda: anna.register("new"))
    refused(Code.CLOCK, lambda: sweep(house.core))
    anna.offer()
    assert rows(house) == before
    house.times.wall -= jump
    sweep(house.core)
    assert anna.offer().record_id == old
    refused(Code.PENDING, made.log_in)
    assert anna.guess(PASSWORD).is_right()


def test_what_was_due_before_waits_too_while_the_clock_is_wrong(house: House, anna: Person) -> None:
    anna.guess("wrong")
    house.times.pass_by(601)
    Person(house.core, "bob").registered("other")
    house.times.wall += 1000
    before = house.core.revision()
    anna.offer()
    assert house.core.revision() == before
    house.times.wall -= 1000
    anna.offer()
    assert house.core.revision() == before + 1


def test_a_kept_record_stays_while_the_clock_is_wrong(house: House, anna: Person) -> None:
    old = anna.offer().record_id
    made = Person(house.core).register("mine", delayed=True)
    house.times.pass_by(7 * 24 * 3600)
    made.confirm()
    house.times.wall += 31 * 24 * 3600
    refused(Code.CLOCK, lambda: sweep(house.core))
    anna.offer(old)
    house.times.wall -= 31 * 24 * 3600
    assert anna.guess(PASSWORD, old).is_right()


def test_a_wrong_time_is_not_kept(house: House, anna: Person) -> None:
    """Else guesses would be refused until then."""
    house.times.wall += 50 * 365 * 24 * 3600
    anna.order(owner.destroy, anna.offer().record_id)
    house.times.wall -= 50 * 365 * 24 * 3600
    later = Person(house.open(), key=anna.key)
    later.registered("new")
    assert later.guess("new").is_right()


def test_small_steps_of_the_clock_are_taken(house: House, anna: Person) -> None:
    for jump in (150, -250, 100):
        house.times.wall += jump
        anna.guess("wrong")


def test_a_clock_set_back_between_two_runs_is_noticed(house: House, anna: Person) -> None:
    house.times.wall -= 3600
    later = Person(house.open(), key=anna.key)
    refused(Code.CLOCK, lambda: later.guess(PASSWORD))


def test_time_does_not_go_back_with_the_clock(house: House, anna: Person) -> None:
    """So a delay does not grow, nor a pending registration live longer."""
    house.times.wall -= 200
    assert house.core.transact(lambda ledger: ledger.now) == house.times.wall + 200


def test_the_clock_is_the_machines() -> None:
    clock = Clock()
    assert clock.sound(clock.now())
    assert Times().clock().sound(0)
