"""Counters are the account's: registering moves none of them before the owner is proved."""

from __future__ import annotations

from pathlib import Path

from strongroom.vault.server.policy import Policy
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
