"""A pending record: what goes with the next one, and what it takes once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.vault.messages import RegisterBegin
from strongroom.vault.server import register
from strongroom.vault.server.ledger import RefusalError
from strongroom.vault.wire import SUITE, Code
from vault.parties import House, Person, Registering


def test_a_pending_record_goes_with_the_next_one(house: House) -> None:
    anna = Person(house.core)
    first = anna.register("first").opened.record_id
    second = anna.register("second").opened.record_id
    held = [house.core.transact(lambda ledger, r=r: ledger.holds(r)) for r in (first, second)]
    assert held == [False, True]


def test_another_upload_is_refused_and_none_is_taken_unasked(house: House) -> None:
    anna = Person(house.core)
    made = anna.register("secret")
    with pytest.raises(RefusalError) as caught:
        replace(made, person=replace(anna, wrapped=b"w" * 80)).upload()
    assert caught.value.code == Code.STALE
    with pytest.raises(RefusalError) as caught:
        replace(made, person=replace(anna, wrapped=b"w" * 80)).send(made.sent.upload)
    assert caught.value.code == Code.STALE
    opened = register.begin(house.core, anna.ref, RegisterBegin(SUITE, 65536, 3, 4, False))
    with pytest.raises(RefusalError) as caught:
        Registering(anna, opened, "secret", made.export_key).send(made.sent.upload)
    assert caught.value.code == Code.STALE
