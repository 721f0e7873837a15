"""A guess is charged before it is answered, once, to the account, and never comes back."""

from __future__ import annotations

import threading

import pytest

from strongroom.vault import messages
from strongroom.vault.opaque import Login, MalformedError, WrongPasswordError
from strongroom.vault.server import recover
from strongroom.vault.server.ledger import RefusalError
from strongroom.vault.wire import Code
from vault.parties import PASSWORD, House, Person, left, refused

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
