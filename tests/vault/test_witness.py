"""A store that was set back is noticed: by its witness, and by who saw it newer."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from strongroom import DamagedError
from strongroom.vault import messages
from strongroom.vault.opaque import Login
from strongroom.vault.server import recover
from strongroom.vault.server.store import StoreFailedError
from strongroom.vault.server.witness import FileWitness
from vault.parties import PASSWORD, House, Person, put, rows


@pytest.fixture
def witnessed(tmp_path: Path) -> House:
    """A vault whose witness lies elsewhere."""
    (tmp_path / "elsewhere").mkdir()
    house = House(tmp_path)
    house.witness = FileWitness(tmp_path / "elsewhere/witness", house.keeper)
    house.witness.reset(0)
    house.core.store.close()
    house.core = house.open()
    Person(house.core).registered(PASSWORD)
    return house


def copied(house: House) -> bytes:
    house.core.store.scrub()
    return house.database.read_bytes()


def set_back(house: House, database: bytes) -> None:
    house.core.store.close()
    house.database.write_bytes(database)


def test_a_store_that_was_set_back_is_refused_at_start(witnessed: House) -> None:
    old = copied(witnessed)
    Person(witnessed.core).guess("wrong")
    set_back(witnessed, old)
    with pytest.raises(StoreFailedError, match="went back"):
        witnessed.open()


def test_a_store_that_was_set_back_is_refused_before_each_attempt(witnessed: House) -> None:
    """By a process that did not see it happen."""
    old = copied(witnessed)
    set_back(witnessed, old)
    core = witnessed.open()
    anna = Person(core)
    offer = anna.offer()
    witnessed.witness.tell(core.revision() + 1)
    guess = messages.RecoverAttempt(offer.record_id, offer.token, Login("x").ke1)
    with pytest.raises(StoreFailedError, match="went back"):
        recover.attempt(core, anna.ref, guess)
    with pytest.raises(StoreFailedError, match="went back"):
        anna.offer()


def test_no_guess_is_answered_before_the_witness_knows(witnessed: House, tmp_path: Path) -> None:
    anna = Person(witnessed.core)
    offer = anna.offer()
    (tmp_path / "elsewhere/witness.new").mkdir()
    with pytest.raises(StoreFailedError, match="witness"):
        anna.guess(PASSWORD)
    (tmp_path / "elsewhere/witness.new").rmdir()
    assert anna.offer().left == offer.left - 1
    anna.guess(PASSWORD)
    assert witnessed.witness.seen() == witnessed.core.revision()


def test_a_lock_of_ones_own_making_is_refused(witnessed: House) -> None:
    witnessed.core.transact(lambda ledger: ledger.set_locked(locked=True))
    row = bytearray(rows(witnessed)["vault"])
    row[-33] = 0
    put(witnessed, "vault", bytes(row))
    with pytest.raises(DamagedError, match="authentication"):
        witnessed.open()
    with closing(sqlite3.connect(witnessed.database)) as database, database:
        database.execute("DELETE FROM rows WHERE name = 'vault'")
    with pytest.raises(DamagedError, match="missing"):
        witnessed.open()


def test_a_running_process_sees_the_store_go_back_without_a_witness(
    house: House, anna: Person
) -> None:
    with closing(sqlite3.connect(house.database)) as database, database:
        database.execute("UPDATE counter SET revision = revision - 1")
    with pytest.raises(StoreFailedError, match="went back"):
        anna.offer()


def test_a_lock_does_not_go_back_while_a_process_runs(house: House, anna: Person) -> None:
    old = rows(house)["vault"]
    house.core.transact(lambda ledger: ledger.set_locked(locked=True))
    put(house, "vault", old)
    with pytest.raises(DamagedError, match="went back"):
        anna.offer()


def test_guesses_for_many_accounts_write_no_row_in_common(house: House, anna: Person) -> None:
    """Where each was a compare-and-swap of all that it read, they would stop each other."""
    before = rows(house)
    anna.guess("wrong")
    house.times.pass_by(9)
    anna.guess("wrong")
    changed = {name for name, row in rows(house).items() if before.get(name) != row}
    assert {name.split("/")[0] for name in changed} == {"user", "log"}
    house.times.pass_by(1)
    anna.guess("wrong")
    assert rows(house)["vault"] != before["vault"]


def test_witnesses_of_many_processes_never_go_back(witnessed: House, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere/witness"
    both = [FileWitness(path, witnessed.keeper) for _ in range(2)]
    begun = both[0].seen()
    wrong: list[object] = []

    def tell(n: int) -> None:
        for number in range(begun + n, begun + 60, 2):
            try:
                both[n].tell(number)
                if both[n].seen() < number:
                    wrong.append(number)
            except StoreFailedError as error:
                wrong.append(error)

    threads = [threading.Thread(target=tell, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_altered_or_missing_witness_is_refused(witnessed: House, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere/witness"
    stored = path.read_bytes()
    path.write_bytes(bytes(7) + b"\1" + stored[8:])
    with pytest.raises(StoreFailedError, match="altered"):
        witnessed.open()
    path.unlink()
    with pytest.raises(StoreFailedError):
        witnessed.open()


def test_a_witness_never_goes_back(witnessed: House) -> None:
    seen = witnessed.witness.seen()
    witnessed.witness.tell(seen - 1)
    assert witnessed.witness.seen() == seen
