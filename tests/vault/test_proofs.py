"""Nobody but the owner changes what is there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.vault import messages, statements, wire
from strongroom.vault.opaque import Login
from strongroom.vault.server import owner, recover, register
from strongroom.vault.server.core import verify
from strongroom.vault.server.ledger import RefusalError
from strongroom.vault.server.sweeping import sweep
from strongroom.vault.wire import Code
from vault.parties import PASSWORD, House, Person, left, refused

WEEK, MONTH = 7 * 24 * 3600, 30 * 24 * 3600


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
