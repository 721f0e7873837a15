"""Registering gives no guess away, and nobody but the owner changes what is there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom import UsageError
from strongroom.vault import messages, statements, wire
from strongroom.vault.opaque import Login, Registration, WrongPasswordError
from strongroom.vault.server import owner, recover, register
from strongroom.vault.server.core import verify
from strongroom.vault.server.ledger import RefusalError
from strongroom.vault.server.policy import Policy
from strongroom.vault.server.sweeping import sweep
from strongroom.vault.wire import Code
from vault.parties import PASSWORD, House, Person
from vault.test_guessing import left, refused

WEEK, MONTH = 7 * 24 * 3600, 30 * 24 * 3600


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


# --- proofs ---


def test_without_the_owners_proof_a_registration_is_refused(house: House, anna: Person) -> None:
    refused(Code.PROOF, lambda: Person(house.core).register("mine"))
    assert anna.guess(PASSWORD).is_right()


@pytest.mark.parametrize("field", ["upload", "wrapped", "owner_pk", "reset_pk", "proof"])
def test_a_proof_is_for_what_it_was_made_for(house: House, field: str) -> None:
    anna = Person(house.core)
    made = anna.register(PASSWORD)
    other = Person(house.core).register("other").sent
    altered = replace(made.sent, **{field: getattr(other, field)})
    fresh = anna.register(PASSWORD)
    moved = replace(altered, record_id=fresh.opened.record_id)
    refused(Code.PROOF, lambda: register.finish(house.core, anna.ref, moved))


def test_without_proof_there_is_a_request_that_waits_seven_days(house: House, anna: Person) -> None:
    thief = Person(house.core)
    made = thief.register("mine", delayed=True)
    assert made.pending.seconds == WEEK
    refused(Code.PENDING, made.log_in)
    house.times.pass_by(WEEK - 1)
    assert refused(Code.PENDING, made.log_in).seconds == 1
    house.times.pass_by(1)
    made.confirm()
    assert thief.guess("mine").is_right()


def test_the_owner_revokes_such_a_request_and_nobody_else(house: House, anna: Person) -> None:
    thief = Person(house.core)
    made = thief.register("mine", delayed=True)
    refused(Code.PROOF, lambda: thief.order(owner.revoke, made.opened.record_id))
    anna.order(owner.revoke, made.opened.record_id)
    house.times.pass_by(WEEK)
    refused(Code.PENDING, made.log_in)


def test_what_such_a_request_replaced_is_kept_thirty_days(house: House, anna: Person) -> None:
    old = anna.offer().record_id
    thief = Person(house.core)
    made = thief.register("mine", delayed=True)
    house.times.pass_by(WEEK)
    made.confirm()
    guess = anna.guess(PASSWORD, old)
    assert guess.is_right()
    assert guess.release() == anna.wrapped
    house.times.pass_by(MONTH + 1)
    refused(Code.NO_RECORD, lambda: anna.offer(old))


def test_who_replaced_a_record_without_proof_gets_no_more_guesses_at_the_old_one(
    house: House, anna: Person
) -> None:
    old = anna.offer().record_id
    anna.guess("wrong")
    thief = Person(house.core)
    made = thief.register("mine", delayed=True)
    house.times.pass_by(WEEK)
    made.confirm()
    thief.guess("guess", old)
    own = thief.guess("mine")
    assert own.is_right()
    own.release()
    assert left(house, anna) == 8
    thief.registered("mine too")
    assert left(house, anna) == 8
    guess = anna.guess(PASSWORD, old)
    assert guess.is_right()
    guess.release()
    assert left(house, anna) == 10


@pytest.fixture
def replaced(house: House, anna: Person) -> tuple[bytes, Person, bytes]:
    """anna's record, and who replaced it without proof by another one."""
    old = anna.offer().record_id
    thief = Person(house.core)
    made = thief.register("mine", delayed=True)
    house.times.pass_by(WEEK)
    made.confirm()
    return old, thief, made.opened.record_id


def test_whose_record_was_replaced_comes_back_at_once_with_their_proof(
    house: House, anna: Person, replaced: tuple[bytes, Person, bytes]
) -> None:
    old, thief, theirs = replaced
    anna.registered("new")
    assert anna.guess("new").is_right()
    for record_id in (old, theirs):
        refused(Code.NO_RECORD, lambda record_id=record_id: anna.offer(record_id))  # type: ignore[misc]
    refused(Code.PROOF, lambda: thief.register("mine again"))


def test_whose_record_was_replaced_destroys_and_revokes_what_replaced_it(
    house: House, anna: Person, replaced: tuple[bytes, Person, bytes]
) -> None:
    old, thief, theirs = replaced
    refused(Code.PROOF, lambda: thief.order(owner.destroy, old))
    made = thief.register("mine again")
    anna.order(owner.revoke, made.opened.record_id)
    refused(Code.PENDING, made.log_in)
    anna.order(owner.destroy, theirs)
    refused(Code.DESTROYED, thief.offer)
    assert anna.guess(PASSWORD, old).is_right()
    with pytest.raises(RefusalError):
        Person(house.core).order(owner.destroy, theirs)


def test_a_delayed_request_that_nobody_confirms_expires(house: House, anna: Person) -> None:
    made = Person(house.core).register("mine", delayed=True)
    house.times.pass_by(2 * WEEK)
    made.log_in()
    house.times.pass_by(1)
    refused(Code.PENDING, made.log_in)
    refused(Code.PENDING, made.finish)
    sweep(house.core)
    assert house.user(anna.ref).pending == wire.NO_ID


def test_what_was_kept_goes_when_its_owner_is_back(
    house: House, anna: Person, replaced: tuple[bytes, Person, bytes]
) -> None:
    old, thief, _ = replaced
    before = house.record(anna.ref, old)
    thief.registered("mine too")
    assert house.user(anna.ref).kept == old
    anna.registered("new")
    assert house.user(anna.ref).kept == wire.NO_ID
    assert before.sealed_setup not in house.everything()


def test_a_guess_at_what_was_kept_ends_with_it(
    house: House, anna: Person, replaced: tuple[bytes, Person, bytes]
) -> None:
    old, _, _ = replaced
    house.times.pass_by(MONTH - 60)
    guess = anna.guess(PASSWORD, old)
    assert guess.is_right()
    house.times.pass_by(120)
    refused(Code.STALE, guess.release)
    refused(Code.STALE, guess.ask)


def test_without_proof_nothing_is_requested_once_no_attempt_is_left(
    house: House, anna: Person
) -> None:
    for _ in range(10):
        anna.guess("wrong").give_up()
    refused(Code.PROOF, lambda: Person(house.core).register("mine", delayed=True))


def test_the_owner_destroys_and_nobody_else(house: House, anna: Person) -> None:
    record_id = anna.offer().record_id
    refused(Code.PROOF, lambda: Person(house.core).order(owner.destroy, record_id))
    assert anna.guess(PASSWORD).is_right()
    before = house.record(anna.ref, record_id)
    anna.order(owner.destroy, record_id)
    refused(Code.DESTROYED, anna.offer)
    assert before.password_file not in house.everything()


# Those of order 1, 2, 4 and 8, and 32 zeros, which stand where a destroyed record's key was.
SMALL = [
    bytes(32),
    bytes([1]) + bytes(31),
    bytes(31) + b"\x80",
    b"\xec" + b"\xff" * 30 + b"\x7f",
    b"\xed" + b"\xff" * 30 + b"\x7f",
    b"\xee" + b"\xff" * 31,
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
]


@pytest.mark.parametrize("key", SMALL, ids=bytes.hex)
def test_a_key_of_small_order_signs_nothing(key: bytes) -> None:
    """Whatever R is of small order fits one statement in eight."""
    for number in range(40):
        for point in SMALL:
            assert not verify(key, point + bytes(32), bytes([number]))


def test_the_points_of_order_eight_are_those() -> None:
    p = 2**255 - 19
    d = -121665 * pow(121666, -1, p)
    for key in SMALL[-2:]:
        y = int.from_bytes(key, "little") % 2**255
        assert (2 * y * y - 1 + d * y**4) % p == 0


@pytest.mark.parametrize("signature", [bytes([1]) + bytes(63), b"\1" * 64, bytes(63) + b"\1"])
def test_a_guess_at_what_is_destroyed_meanwhile_is_over(
    house: House, anna: Person, signature: bytes
) -> None:
    guess = anna.guess(PASSWORD)
    assert guess.is_right()
    anna.order(owner.destroy, guess.offer.record_id)
    refused(Code.STALE, lambda: guess.finish(signature))
    refused(Code.STALE, guess.release)
    refused(Code.STALE, guess.ask)
    user = house.user(anna.ref)
    house.core.transact(lambda ledger: ledger.save(replace(user, attempt_over=False)))
    refused(Code.DESTROYED, lambda: guess.finish(signature))
    refused(Code.DESTROYED, guess.ask)
    assert left(house, anna) == 9


def test_an_order_counts_once(house: House, anna: Person) -> None:
    record_id = anna.offer().record_id
    state = owner.owned(house.core, anna.ref, messages.Nothing())
    unsigned = messages.OwnerOrder(record_id, state.sequence, bytes(64))
    statement = statements.statement_order(b"destroy", state.vault_id, state.user, unsigned)
    order = replace(unsigned, signature=anna.key.sign(statement))
    refused(Code.PROOF, lambda: owner.destroy(house.core, anna.ref, unsigned))
    anna.guess("wrong")
    refused(Code.STALE, lambda: owner.destroy(house.core, anna.ref, order))


def test_records_of_others_cannot_be_asked_for(house: House, anna: Person) -> None:
    bob = Person(house.core, "bob")
    refused(Code.NO_RECORD, bob.offer)
    mine = bob.registered("other")
    refused(Code.NO_RECORD, lambda: anna.offer(mine))
    refused(Code.NO_RECORD, lambda: anna.order(owner.destroy, mine))
    asked = replace(bob.guess("x").message(), ke1=Login("y").ke1)
    from_anna = replace(asked, token=anna.offer().token)
    refused(Code.STALE, lambda: recover.attempt(house.core, anna.ref, from_anna))


def test_policy_refuses_what_protects_nothing() -> None:
    for changes in ({"attempts": 0}, {"attempts": 10, "lifetime": 9}, {"delays": ()}):
        with pytest.raises(UsageError, match=r"attempts|delays"):
            Policy(**changes)  # type: ignore[arg-type]
