"""Wrong guesses wait, end, destroy, and are told to the owner."""

from __future__ import annotations

import itertools

import pytest

from strongroom.vault import messages, wire
from strongroom.vault.messages import Event
from strongroom.vault.server import owner, recover, register
from strongroom.vault.server.policy import Policy
from strongroom.vault.server.rows import State
from strongroom.vault.server.sweeping import sweep
from strongroom.vault.wire import Code
from vault.parties import PASSWORD, House, Person, left, refused

# --- the end of attempts ---


def test_the_tenth_wrong_guess_destroys_the_record_for_good(house: House, anna: Person) -> None:
    record_id = anna.offer().record_id
    before = house.record(anna.ref, record_id)
    for _ in range(10):
        guess = anna.guess("wrong")
        guess.give_up()
    stored = house.everything()
    for secret in (before.sealed_setup, before.password_file, before.wrapped):
        assert secret not in stored
    refused(Code.DESTROYED, anna.offer)
    refused(Code.STALE, guess.ask)
    assert house.record(anna.ref, record_id).state == State.DESTROYED
    assert house.user(anna.ref).owner_pk != wire.NO_KEY


def test_the_tenth_guess_may_still_be_right(house: House, anna: Person) -> None:
    for _ in range(9):
        anna.guess("wrong")
    guess = anna.guess(PASSWORD)
    assert guess.is_right()
    assert guess.release() == anna.wrapped
    assert left(house, anna) == 10


def test_a_tenth_guess_nobody_finishes_destroys_the_record_when_its_time_is_over(
    house: House, anna: Person
) -> None:
    record_id = anna.offer().record_id
    for _ in range(10):
        anna.guess("wrong")
    assert refused(Code.SPENT, anna.offer).seconds == 600
    house.times.pass_by(601)
    sweep(house.core)
    assert house.record(anna.ref, record_id).state == State.DESTROYED
    refused(Code.DESTROYED, anna.offer)


def test_a_locked_vault_is_not_changed(house: House, anna: Person) -> None:
    made = anna.register("new")
    guess = anna.guess(PASSWORD)
    assert guess.is_right()
    for _ in range(9):
        anna.guess("wrong")
    asked = messages.RegisterBegin(wire.SUITE, 64 * 1024, 3, 4, False)
    house.core.transact(lambda ledger: ledger.set_locked(locked=True))
    before = house.core.revision(), house.user(anna.ref)
    house.times.pass_by(10**6)
    for act in (
        lambda: sweep(house.core),
        anna.offer,
        guess.ask,
        guess.release,
        guess.give_up,
        lambda: register.begin(house.core, anna.ref, asked),
        lambda: made.send(made.sent.upload),
        made.log_in,
        lambda: anna.order(owner.destroy, guess.offer.record_id),
        lambda: owner.destroy(
            house.core, anna.ref, messages.OwnerOrder(guess.offer.record_id, 0, bytes(64))
        ),
        lambda: owner.revoke(house.core, anna.ref, messages.OwnerOrder(bytes(16), 0, bytes(64))),
    ):
        refused(Code.LOCKED, act)
    assert len(anna.log()) > 10
    assert (house.core.revision(), house.user(anna.ref)) == before
    house.core.transact(lambda ledger: ledger.set_locked(locked=False))
    sweep(house.core)
    refused(Code.DESTROYED, anna.offer)


def test_nobody_else_gives_up_for_one(house: House, anna: Person) -> None:
    guess = anna.guess(PASSWORD)
    stranger = messages.RecoverFinish(guess.offer.record_id, bytes(range(16)), bytes(64))
    refused(Code.STALE, lambda: recover.finish(house.core, anna.ref, stranger))
    assert guess.is_right()
    assert guess.release() == anna.wrapped


def test_failures_of_a_lifetime_destroy_the_record_though_successes_lie_between(
    house: House,
) -> None:
    house.policy = Policy(attempts=3, lifetime=5, delays=(0,))
    anna = Person(house.open())
    anna.registered(PASSWORD)
    for _ in range(2):
        for _ in range(2):
            anna.guess("wrong").give_up()
        guess = anna.guess(PASSWORD)
        assert guess.is_right()
        guess.release()
    anna.guess("wrong").give_up()
    refused(Code.DESTROYED, anna.offer)


# --- delays ---


def test_each_guess_waits_as_long_as_the_rules_say(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    house = House(tmp_path_factory.mktemp("house"), policy=Policy())
    anna = Person(house.core)
    anna.registered(PASSWORD)
    waits = []
    for _ in range(10):
        offer = anna.offer()
        waits.append(offer.wait)
        if offer.wait:
            house.times.pass_by(offer.wait - 1)
            assert refused(Code.WAIT, lambda: anna.guess("wrong")).seconds == 1
            house.times.pass_by(1)
        anna.guess("wrong")
    assert waits == [0, 0, 0, 60, 300, 900, 3600, 14400, 86400, 86400]


def test_the_delay_that_follows_is_told_before(house: House) -> None:
    house.policy = Policy(delays=(0, 5, 7, 11))
    anna = Person(house.open())
    anna.registered(PASSWORD)
    told = []
    for _ in range(4):
        offer = anna.offer()
        house.times.pass_by(offer.wait)
        told.append(anna.guess("wrong").offer.delay)
    assert told == [5, 7, 11, 11]


def test_waiting_costs_nothing_and_a_success_ends_it(house: House) -> None:
    house.policy = Policy(delays=(0, 60))
    anna = Person(house.open())
    anna.registered(PASSWORD)
    anna.guess("wrong")
    for _ in range(3):
        refused(Code.WAIT, lambda: anna.guess(PASSWORD))
    assert left(house, anna) == 9
    house.times.pass_by(60)
    guess = anna.guess(PASSWORD)
    assert guess.is_right()
    guess.release()
    assert anna.offer().wait == 0


# --- what the owner reads ---


def test_the_log_tells_all_and_is_a_chain(house: House, anna: Person) -> None:
    anna.guess("wrong").give_up()
    guess = anna.guess(PASSWORD)
    assert guess.is_right()
    guess.release()
    entries = anna.log()
    assert [Event(entry.event) for entry in entries] == [
        Event.REGISTERED,
        Event.CONFIRMED,
        Event.CHARGED,
        Event.FAILED,
        Event.CHARGED,
        Event.RECOVERED,
    ]
    assert [entry.seq for entry in entries] == list(range(1, 7))
    for before, after in itertools.pairwise(entries):
        assert after.previous == before.hash
    assert anna.offer().log_head == entries[-1].hash
    assert [entry.left for entry in entries] == [10, 10, 9, 9, 8, 10]


def test_a_charge_that_was_answered_is_in_the_log(house: House, anna: Person) -> None:
    anna.guess("wrong")
    assert anna.log()[-1].event == Event.CHARGED
