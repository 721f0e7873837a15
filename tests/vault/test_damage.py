"""A damaged row concerns its account alone, whose owner goes on."""

from __future__ import annotations

import pytest

from strongroom import DamagedError
from strongroom.vault import messages
from strongroom.vault.server import owner
from strongroom.vault.server.operate import status
from strongroom.vault.server.rows import State
from strongroom.vault.server.sweeping import sweep
from strongroom.vault.wire import NO_ID, Code
from vault.parties import PASSWORD, House, Person, put, refused, rows


def damage(house: House, name: str) -> None:
    row = bytearray(rows(house)[name])
    row[60] ^= 1
    put(house, name, bytes(row))


def test_a_damaged_row_stops_nothing_for_others(house: House) -> None:
    people = [Person(house.core, f"u{n}") for n in range(3)]
    records = [person.registered(PASSWORD) for person in people]
    for person in people:
        for _ in range(10):
            person.guess("wrong")
    house.times.pass_by(601)
    damaged = min(people, key=lambda person: person.ref)
    damage(house, f"user/{damaged.ref.hex()}")
    _, (told,) = sweep(house.core)
    assert damaged.ref.hex() in told
    for person, record_id in zip(people, records, strict=True):
        if person is not damaged:
            assert house.record(person.ref, record_id).state == State.DESTROYED
    shown = status(house.core)
    assert (shown["users"], shown["damaged"], shown["spent"]) == (3, 1, 2)


def test_a_damaged_pending_row_is_dropped(house: House, anna: Person) -> None:
    made = anna.register("new")
    damage(house, f"record/{made.opened.record_id.hex()}")
    assert anna.guess(PASSWORD).is_right()
    anna.registered("newer")


@pytest.mark.parametrize("burnt", [False, True])
def test_the_owner_of_a_damaged_record_registers_anew(
    house: House, anna: Person, burnt: bool
) -> None:
    """Also where it was to be destroyed."""
    record_id = anna.offer().record_id
    for _ in range(10 if burnt else 1):
        anna.guess("wrong")
    damage(house, f"record/{record_id.hex()}")
    with pytest.raises(DamagedError):
        anna.offer()
    house.times.pass_by(601)
    if burnt:
        assert sweep(house.core)[1] == []
        refused(Code.NO_RECORD, anna.offer)
    refused(Code.PROOF, lambda: Person(house.core).register("mine"))
    anna.registered("new")
    assert anna.guess("new").is_right()


def test_the_owner_of_a_damaged_record_has_it_destroyed(house: House, anna: Person) -> None:
    record_id = anna.offer().record_id
    damage(house, f"record/{record_id.hex()}")
    refused(Code.PROOF, lambda: Person(house.core).order(owner.destroy, record_id))
    anna.order(owner.destroy, record_id)
    refused(Code.NO_RECORD, anna.offer)
    assert f"record/{record_id.hex()}" not in rows(house)
    assert anna.log()[-1].event == messages.Event.DESTROYED


def test_a_damaged_kept_row_stops_nobody(house: House, anna: Person) -> None:
    old = anna.offer().record_id
    thief = Person(house.core)
    made = thief.register("mine", delayed=True)
    house.times.pass_by(7 * 24 * 3600)
    made.confirm()
    damage(house, f"record/{old.hex()}")
    assert thief.offer().record_id == made.opened.record_id
    assert house.user(anna.ref).kept == NO_ID
    thief.registered("mine too")
