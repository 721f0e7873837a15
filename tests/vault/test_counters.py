"""What registering moves, and when: no counter before the owner is proved."""

from __future__ import annotations

from pathlib import Path

import pytest

from strongroom.vault.server.ledger import RefusalError
from strongroom.vault.server.policy import Policy
from strongroom.vault.server.rows import State
from strongroom.vault.wire import Code
from vault.parties import House, Person

PASSWORD = "granite otter velvet lantern"


def test_registering_moves_no_counter_until_the_owner_confirms(tmp_path: Path) -> None:
    house = House(tmp_path, policy=Policy(delays=(0, 600)))
    anna = Person(house.core)
    anna.registered(PASSWORD)

    def counters() -> tuple[int, int, int]:
        user = house.user(anna.ref)
        return user.left, user.lifetime, user.not_before

    anna.guess("wrong").give_up()
    before = counters()
    assert before == (9, 1, int(house.times.wall) + 600)
    made = anna.register(PASSWORD)
    assert counters() == before
    made.log_in()
    assert counters() == before
    made.finish()
    assert counters() == (10, 0, 0)


def test_with_the_last_attempt_goes_all_that_could_be_guessed_at(house: House) -> None:
    """What somebody replaced without proof too."""
    anna = Person(house.core)
    old = anna.registered(PASSWORD)
    thief = Person(house.core, anna.account)
    made = thief.register("theirs", delayed=True)
    house.times.pass_by(8 * 86400)
    made.confirm()
    assert (house.user(anna.ref).kept, house.user(anna.ref).left) == (old, 10)
    for _ in range(10):
        anna.guess("wrong").give_up()
    for record_id in (old, made.opened.record_id):
        record = house.record(anna.ref, record_id)
        assert record.state == State.DESTROYED
        assert not any(record.sealed_setup + record.password_file + record.wrapped)


@pytest.mark.parametrize("code", [Code.LOCKED, Code.CLOCK])
def test_nothing_is_confirmed_that_was_begun_before_a_lock_or_a_jump(
    house: House, anna: Person, code: Code
) -> None:
    old = house.user(anna.ref).active
    made = anna.register("another")
    made.log_in()
    if code == Code.LOCKED:
        house.core.transact(lambda ledger: ledger.set_locked(locked=True))
    else:
        house.times.wall += 301
    with pytest.raises(RefusalError) as caught:
        made.finish()
    assert caught.value.code == code
    assert house.user(anna.ref).active == old


def test_each_record_has_a_setup_of_its_own(house: House, anna: Person) -> None:
    """So that destroying a record destroys something."""
    first = house.record(anna.ref, house.user(anna.ref).active)
    second = house.record(anna.ref, anna.registered("another"))
    assert first.server_key != second.server_key
    assert house.core.setup_of(first) != house.core.setup_of(second)
