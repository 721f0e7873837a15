"""A vault whose records have keys of their own in a token: they go with their records."""

from __future__ import annotations

from pathlib import Path

import pytest

from strongroom.errors import DamagedError, SourceError
from strongroom.vault.server import owner
from strongroom.vault.server.keys.keeper import Keeper
from strongroom.vault.server.keys.token import TokenKeys
from strongroom.vault.server.rotation import forget_others
from strongroom.vault.server.rows import SEALED_LEN
from strongroom.vault.server.sweeping import sweep
from vault.parties import PASSWORD, House, Person, put, recovers, rows
from vault.tokens import SoftToken


@pytest.fixture
def own(tmp_path: Path, token: SoftToken) -> House:
    """A vault whose records have keys of their own."""
    keys = TokenKeys(token.hsm(key_per_record=True))
    keys.create(1)
    return House(tmp_path, keeper=Keeper([keys]))


def records(house: House) -> set[bytes]:
    """Whose keys there are."""
    return set(house.keeper.records())


def test_the_key_of_a_record_goes_with_it(own: House) -> None:
    anna = Person(own.core)
    first = anna.registered(PASSWORD)
    assert records(own) == {first}
    pending = anna.register("new").opened.record_id
    assert records(own) == {first, pending}
    replaced = anna.register("newer").opened.record_id  # in place of the other pending one
    assert records(own) == {first, replaced}
    anna.order(owner.revoke, replaced)
    assert records(own) == {first}
    anna.register("late")
    own.times.pass_by(own.policy.pending + 1)
    sweep(own.core)  # nobody confirmed it in time
    assert records(own) == {first}
    second = anna.registered("new")
    assert records(own) == {second}
    anna.order(owner.destroy, second)
    assert records(own) == set()
    third = anna.registered("third")
    for _ in range(10):
        anna.guess("wrong").give_up()
    assert records(own) == set(), third.hex()


def test_with_its_key_gone_no_copy_of_the_database_brings_a_record_back(own: House) -> None:
    anna = Person(own.core)
    record_id = anna.registered(PASSWORD)
    before = rows(own)
    anna.order(owner.destroy, record_id)
    for name, row in before.items():
        put(own, name, row)
    restored = Person(House(own.folder, keeper=own.keeper).core, key=anna.key)
    with pytest.raises(DamagedError, match="unsealing"):
        restored.guess(PASSWORD)


def test_a_key_that_could_not_be_destroyed_goes_later(own: House, token: SoftToken) -> None:
    anna = Person(own.core)
    first = anna.registered(PASSWORD)
    anna.register("new")
    forget, failing = own.keeper.forget, [True]

    def fail_first(record_id: bytes) -> None:
        if failing:
            raise SourceError("the token does not answer")
        forget(record_id)

    own.keeper.forget = fail_first  # type: ignore[method-assign]
    own.times.pass_by(own.policy.pending + 1)
    with pytest.raises(SourceError):
        sweep(own.core)  # the row is gone all the same
    assert len(records(own)) == 2
    assert len([name for name in rows(own) if name.startswith("record/")]) == 1
    failing.clear()
    sweep(own.core)
    assert records(own) == {first}


def test_keys_that_a_crash_left_go_at_the_next_start_and_no_others(own: House) -> None:
    anna = Person(own.core)
    first = anna.registered(PASSWORD)
    own.keeper.seal(bytes(SEALED_LEN), b"c", b"a record no row"[:16].ljust(16))
    own.core.transact(lambda ledger: ledger.set_locked(locked=True))
    forget_others(own.core)
    assert len(records(own)) == 2  # a copy that was put back says little
    own.core.transact(lambda ledger: ledger.set_locked(locked=False))
    name = f"record/{first.hex()}"
    row = rows(own)[name]
    put(own, name, row[:-1] + bytes([row[-1] ^ 1]))
    forget_others(own.core)
    assert records(own) == {first}  # damaged, but there
    put(own, name, row)
    recovers(anna)
