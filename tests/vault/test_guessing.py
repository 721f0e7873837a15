"""A guess is charged before it is answered, once, to the account, and never comes back."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

import pytest

from strongroom.vault import messages, wire
from strongroom.vault.messages import Event
from strongroom.vault.opaque import Login, MalformedError, WrongPasswordError
from strongroom.vault.server import owner, recover, register
from strongroom.vault.server.ledger import RefusalError
from strongroom.vault.server.policy import Policy
from strongroom.vault.server.rows import State
from strongroom.vault.server.sweeping import sweep
from strongroom.vault.wire import Code
from vault.parties import PASSWORD, House, Person


def refused(code: Code, act: Callable[[], object]) -> RefusalError:
    with pytest.raises(RefusalError) as caught:
        act()
    assert caught.value.code == code
    return caught.value


def left(house: House, person: Person) -> int:
    return house.user(person.ref).left


# --- whole transcripts ---


def test_a_right_guess_releases_the_wrapped_root_and_restores_all_attempts(
    house: House, anna: Person
) -> None:
    for _ in range(2):
        anna.guess("wrong")
    guess = anna.guess(PASSWORD)
    assert left(house, anna) == 7
    assert guess.is_right()
    assert guess.release() == anna.wrapped
    assert left(house, anna) == 10
    assert house.user(anna.ref).lifetime == 2


def test_a_wrong_guess_is_told_from_its_answer_and_costs_one(house: House, anna: Person) -> None:
    guess = anna.guess("wrong")
    with pytest.raises(WrongPasswordError):
        guess.is_right()
    assert left(house, anna) == 9


def test_an_abandoned_guess_counts(house: House, anna: Person) -> None:
    anna.guess(PASSWORD)
    assert left(house, anna) == 9
    assert house.user(anna.ref).lifetime == 1


def test_asking_for_an_offer_costs_nothing(house: House, anna: Person) -> None:
    for _ in range(20):
        offer = anna.offer()
    assert (offer.left, offer.most, offer.lifetime_left) == (10, 10, 100)


# --- one charge a guess ---


def test_the_same_guess_again_is_answered_and_free(house: House, anna: Person) -> None:
    guess = anna.guess(PASSWORD)
    for _ in range(5):
        guess.ask()
    assert left(house, anna) == 9
    assert guess.is_right()
    assert guess.release() == anna.wrapped


def test_the_same_ke1_under_another_token_is_free_too(house: House, anna: Person) -> None:
    guess = anna.guess(PASSWORD)
    guess.offer = anna.offer()
    guess.ask()
    assert left(house, anna) == 9


def test_the_same_token_with_another_guess_is_refused(house: House, anna: Person) -> None:
    guess = anna.guess("wrong")
    other = guess.message(ke1=Login(PASSWORD).ke1)
    refused(Code.STALE, lambda: recover.attempt(house.core, anna.ref, other))
    assert left(house, anna) == 9


def test_only_the_latest_guess_is_answered_again(house: House, anna: Person) -> None:
    first = anna.guess("wrong")
    anna.guess("wrong again")
    refused(Code.STALE, first.ask)
    assert left(house, anna) == 8


def test_after_ten_minutes_a_guess_is_not_answered_again(house: House, anna: Person) -> None:
    guess = anna.guess(PASSWORD)
    house.times.pass_by(600)
    guess.ask()
    house.times.pass_by(1)
    refused(Code.STALE, guess.ask)


def test_a_token_made_before_another_guess_is_refused(house: House, anna: Person) -> None:
    offers = [anna.offer() for _ in range(3)]
    anna.guess("wrong")
    for offer in offers:
        asked = messages.RecoverAttempt(offer.record_id, offer.token, Login("x").ke1)
        refused(Code.STALE, lambda asked=asked: recover.attempt(house.core, anna.ref, asked))  # type: ignore[misc]
    assert left(house, anna) == 9


def test_a_token_of_ones_own_making_is_refused(house: House, anna: Person) -> None:
    guess = anna.guess("wrong")
    offer = anna.offer()
    for place in (0, 7, 8, 23, 24, 39):
        token = bytearray(offer.token)
        token[place] ^= 1
        asked = guess.message(token=bytes(token), ke1=Login("x").ke1)
        refused(Code.STALE, lambda asked=asked: recover.attempt(house.core, anna.ref, asked))  # type: ignore[misc]
    bob = Person(house.core, "bob")
    bob.registered("other")
    asked = messages.RecoverAttempt(bob.offer().record_id, offer.token, Login("x").ke1)
    refused(Code.STALE, lambda: recover.attempt(house.core, bob.ref, asked))


def test_a_malformed_guess_costs_nothing(house: House, anna: Person) -> None:
    offer = anna.offer()
    for ke1 in (bytes(96), b"\xff" * 96):
        asked = messages.RecoverAttempt(offer.record_id, offer.token, ke1)
        with pytest.raises(MalformedError):
            recover.attempt(house.core, anna.ref, asked)
    assert left(house, anna) == 10


def test_a_hundred_guesses_at_once_cost_what_was_answered_and_no_more_than_ten(
    house: House, anna: Person
) -> None:
    answered, refusals = [], []
    gate = threading.Barrier(100)

    def guess() -> None:
        gate.wait()
        try:
            answered.append(anna.guess("wrong"))
        except RefusalError as error:
            refusals.append(error.code)

    threads = [threading.Thread(target=guess) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answered) + len(refusals) == 100
    assert set(refusals) <= {Code.STALE, Code.SPENT}
    assert len(answered) <= 10
    assert left(house, anna) == 10 - len(answered)
    assert house.user(anna.ref).lifetime == len(answered)


def test_of_a_hundred_at_once_that_ask_for_one_guess_all_are_answered_for_one_charge(
    house: House, anna: Person
) -> None:
    guess = anna.guess("wrong")
    answers: list[bytes] = []
    threads = [threading.Thread(target=lambda: answers.append(guess.ask().ke2)) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 100
    assert left(house, anna) == 9


def test_two_processes_share_the_counters(house: House, anna: Person) -> None:
    other = Person(house.open(), key=anna.key)
    anna.guess("wrong")
    other.guess("wrong")
    assert anna.offer().left == other.offer().left == 8


def test_another_process_answers_again_and_releases(house: House, anna: Person) -> None:
    guess = anna.guess(PASSWORD)
    other = house.open()
    guess.ask(other)
    assert left(house, anna) == 9
    assert guess.is_right()
    assert guess.release(house.open()) == anna.wrapped


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


# --- after a right guess ---


def test_a_guess_is_released_again_and_counts_once(house: House, anna: Person) -> None:
    """The answer may be lost, and another process asked."""
    anna.guess("wrong")
    guess = anna.guess(PASSWORD)
    assert guess.is_right()
    assert guess.release() == anna.wrapped
    before = house.user(anna.ref)
    assert guess.release(house.open()) == anna.wrapped
    assert house.user(anna.ref) == before
    assert (before.left, before.lifetime) == (10, 1)
    refused(Code.STALE, guess.ask)
    refused(Code.STALE, guess.give_up)
    refused(Code.PROOF, lambda: guess.finish(bytes(63) + b"\1"))
    house.times.pass_by(601)
    refused(Code.STALE, guess.release)


def test_a_guess_is_not_released_again_after_another_or_for_a_record_that_went(
    house: House, anna: Person
) -> None:
    guess = anna.guess(PASSWORD)
    assert guess.is_right()
    guess.release()
    anna.registered("new")
    refused(Code.STALE, guess.release)
    guess = anna.guess("new")
    assert guess.is_right()
    guess.release()
    anna.guess("wrong")
    refused(Code.STALE, guess.release)


def test_a_release_ten_minutes_late_is_refused(house: House, anna: Person) -> None:
    guess = anna.guess(PASSWORD)
    assert guess.is_right()
    house.times.pass_by(601)
    refused(Code.STALE, guess.release)
    assert left(house, anna) == 9


def test_a_signature_for_another_guess_releases_nothing(house: House, anna: Person) -> None:
    first = anna.guess(PASSWORD)
    assert first.is_right()
    second = anna.guess("wrong")
    second.export_key = first.export_key
    second.login = first.login
    refused(Code.PROOF, second.release)
    for signature in (b"\1" * 64, bytes(63) + b"\1"):
        refused(Code.PROOF, lambda s=signature: second.finish(s))  # type: ignore[misc]
    assert left(house, anna) == 8


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
