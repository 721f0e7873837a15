"""Registering gives no guess away, and restores none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom import UsageError
from strongroom.vault import messages, wire
from strongroom.vault.opaque import Registration, WrongPasswordError
from strongroom.vault.server import register
from strongroom.vault.server.policy import Policy
from strongroom.vault.wire import Code
from vault.parties import PASSWORD, House, Person, left, refused

# --- the steps ---


def test_a_registration_that_is_not_confirmed_changes_nothing(house: House, anna: Person) -> None:
    before = anna.offer().record_id
    anna.register("new").log_in()
    assert anna.offer().record_id == before
    guess = anna.guess(PASSWORD)
    assert guess.is_right()


def test_a_new_password_shreds_the_old_record_once_it_is_confirmed(
    house: House, anna: Person
) -> None:
    old = house.record(anna.ref, anna.offer().record_id)
    anna.registered("new")
    stored = house.everything()
    for secret in (old.sealed_setup, old.password_file):
        assert secret not in stored
    assert anna.guess("new").is_right()
    with pytest.raises(WrongPasswordError):
        anna.guess(PASSWORD).is_right()
    refused(Code.NO_RECORD, lambda: anna.offer(old.record_id))


def test_a_confirmation_whose_answer_was_lost_can_be_sent_again(house: House) -> None:
    anna = Person(house.core)
    made = anna.register(PASSWORD)
    made.confirm()
    made.finish()
    assert anna.guess(PASSWORD).is_right()


def test_a_pending_record_lives_fifteen_minutes(house: House) -> None:
    made = Person(house.core).register(PASSWORD)
    house.times.pass_by(900)
    made.log_in()
    house.times.pass_by(1)
    refused(Code.PENDING, made.log_in)
    refused(Code.PENDING, made.finish)


def test_there_is_one_pending_record_for_an_account(house: House) -> None:
    anna = Person(house.core)
    first = anna.register(PASSWORD)
    second = anna.register("other")
    refused(Code.PENDING, first.log_in)
    second.confirm()


def test_a_pending_record_takes_three_logins(house: House) -> None:
    made = Person(house.core).register(PASSWORD)
    for _ in range(3):
        made.log_in()
    answered, named = made.answer, made.hash
    refused(Code.SPENT, made.log_in)
    made.answer, made.hash = answered, named
    made.finish()


def test_a_pending_record_is_no_place_to_guess(house: House) -> None:
    """Whoever stole the token cannot log in: that takes the key that the password gives."""
    anna = Person(house.core)
    made = anna.register(PASSWORD)
    thief = replace(made, export_key=bytes(64))
    refused(Code.PROOF, lambda: thief.log_in("guess"))
    refused(Code.NO_RECORD, lambda: anna.offer(made.opened.record_id))
    made.confirm()


def test_only_who_logged_in_confirms(house: House, anna: Person) -> None:
    made = anna.register("new")
    asked = messages.ConfirmFinish(made.opened.record_id, bytes(64))
    refused(Code.PROOF, lambda: register.confirm_finish(house.core, anna.ref, asked))
    made.log_in()
    thief = replace(made, export_key=bytes(64))
    thief.answer, thief.hash = made.answer, made.hash
    refused(Code.PROOF, thief.finish)
    made.answer = replace(made.answer, nonce=bytes(32))
    refused(Code.PROOF, made.finish)
    assert anna.guess(PASSWORD).is_right()


def test_a_pending_record_evaluates_one_request_only(house: House) -> None:
    """Each further one would be a guess at the record that it becomes."""
    anna = Person(house.core)
    made = anna.register(PASSWORD)
    asked = messages.RegisterRequest(made.opened.record_id, Registration("guess").request)
    refused(Code.STALE, lambda: register.request(house.core, anna.ref, asked))
    made.confirm()
    refused(Code.PENDING, lambda: register.request(house.core, anna.ref, asked))


def test_a_request_whose_answer_was_lost_gets_the_same_again(house: House) -> None:
    anna = Person(house.core)
    opened = register.begin(
        house.core, anna.ref, messages.RegisterBegin(wire.SUITE, 64 * 1024, 3, 4, False)
    )
    asked = messages.RegisterRequest(opened.record_id, Registration(PASSWORD).request)
    first = register.request(house.core, anna.ref, asked)
    assert register.request(house.core, anna.ref, asked) == first


def test_an_upload_is_kept_once(house: House) -> None:
    anna = Person(house.core)
    made = anna.register(PASSWORD)
    assert register.finish(house.core, anna.ref, made.sent).seconds == 0
    other = replace(made.sent, wrapped=bytes(80))
    refused(Code.PROOF, lambda: register.finish(house.core, anna.ref, other))


@pytest.mark.parametrize(
    "cost", [(64 * 1024 - 1, 3, 4), (64 * 1024, 2, 4), (64 * 1024, 3, 0), (2**21, 3, 4)], ids=str
)
def test_weak_or_absurd_stretching_is_refused(house: House, cost: tuple[int, int, int]) -> None:
    asked = messages.RegisterBegin(wire.SUITE, *cost, False)
    refused(Code.MALFORMED, lambda: register.begin(house.core, Person(house.core).ref, asked))


def test_another_suite_is_refused(house: House) -> None:
    asked = messages.RegisterBegin(wire.SUITE + 1, 64 * 1024, 3, 4, False)
    refused(Code.MALFORMED, lambda: register.begin(house.core, Person(house.core).ref, asked))


# --- counters belong to the account ---


def test_a_hundred_registrations_give_not_one_more_guess(house: House, anna: Person) -> None:
    for _ in range(4):
        anna.guess("wrong")
    lifetime = house.user(anna.ref).lifetime
    thief = Person(house.core)
    asked = messages.RegisterBegin(wire.SUITE, 64 * 1024, 3, 4, False)
    for _ in range(100):
        opened = register.begin(house.core, thief.ref, asked)
        ask = messages.RegisterRequest(opened.record_id, Registration("x").request)
        register.request(house.core, thief.ref, ask)
    for _ in range(3):
        refused(Code.PROOF, lambda: thief.register("mine"))
    assert (left(house, anna), house.user(anna.ref).lifetime) == (6, lifetime)


def test_the_owners_proof_restores_attempts_and_clears_the_lifetime(
    house: House, anna: Person
) -> None:
    for _ in range(10):
        anna.guess("wrong").give_up()
    refused(Code.DESTROYED, anna.offer)
    made = anna.register("new")
    assert left(house, anna) == 0
    made.confirm()
    assert (left(house, anna), house.user(anna.ref).lifetime) == (10, 0)
    assert anna.guess("new").is_right()


def test_policy_refuses_what_protects_nothing() -> None:
    for changes in ({"attempts": 0}, {"attempts": 10, "lifetime": 9}, {"delays": ()}):
        with pytest.raises(UsageError, match=r"attempts|delays"):
            Policy(**changes)  # type: ignore[arg-type]
