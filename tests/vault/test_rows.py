"""What lies in the store is believed only if it is authentic, in its place, and not older than what
was seen; the clock and the witness likewise."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom import DamagedError, SourceError, StrongroomError, UsageError
from strongroom.vault import messages
from strongroom.vault.fields import Fields
from strongroom.vault.opaque import Login
from strongroom.vault.server import owner, recover
from strongroom.vault.server.clock import Clock
from strongroom.vault.server.keys.file import FileKeys
from strongroom.vault.server.keys.keeper import Keeper
from strongroom.vault.server.ledger import Ledger
from strongroom.vault.server.operate import status
from strongroom.vault.server.rows import Head, Record, State, User
from strongroom.vault.server.sqlite import SqliteStore
from strongroom.vault.server.store import StoreFailedError
from strongroom.vault.server.sweeping import sweep
from strongroom.vault.server.witness import FileWitness
from strongroom.vault.wire import NO_ID, Code
from vault.conftest import PASSWORD
from vault.parties import House, Person, Times
from vault.test_guessing import refused


def rows(house: House) -> dict[str, bytes]:
    with closing(sqlite3.connect(house.database)) as database:
        return dict(database.execute("SELECT name, row FROM rows").fetchall())


def put(house: House, name: str, row: bytes) -> None:
    with closing(sqlite3.connect(house.database)) as database, database:
        database.execute("INSERT OR REPLACE INTO rows VALUES (?, ?)", (name, row))


def name_of(house: House, beginning: str) -> str:
    (name,) = [name for name in rows(house) if name.startswith(beginning)]
    return name


# --- rows ---


def test_rows_are_short(house: House, anna: Person) -> None:
    assert all(len(row) < 1024 for row in rows(house).values())


@pytest.mark.parametrize("kind", ["user/", "record/", "vault", "log/"])
def test_an_edited_row_is_refused(house: House, anna: Person, kind: str) -> None:
    name = min(name for name in rows(house) if name.startswith(kind))
    row = rows(house)[name]
    for place in {0, 1, 2, 50 % len(row), len(row) // 2, len(row) - 33, len(row) - 1}:
        edited = bytearray(row)
        edited[place] ^= 1
        put(house, name, bytes(edited))
        with pytest.raises(DamagedError):
            anna.log() if kind == "log/" else anna.offer()
    put(house, name, row)
    anna.offer()


def test_a_record_of_another_user_is_refused(house: House, anna: Person) -> None:
    bob = Person(house.core, "bob")
    mine, his = anna.offer().record_id, bob.registered("other")
    stored = rows(house)
    put(house, f"record/{mine.hex()}", stored[f"record/{his.hex()}"])
    with pytest.raises(DamagedError):
        anna.offer()


def test_a_row_of_a_user_in_anothers_place_is_refused(house: House, anna: Person) -> None:
    bob = Person(house.core, "bob")
    bob.registered("other")
    stored = rows(house)
    put(house, f"user/{bob.ref.hex()}", stored[f"user/{anna.ref.hex()}"])
    with pytest.raises(DamagedError):
        bob.offer()


def test_an_entry_of_anothers_log_or_place_is_refused(house: House, anna: Person) -> None:
    bob = Person(house.core, "bob")
    bob.registered("other")
    stored = rows(house)
    mine, his = f"log/{anna.ref.hex()}/{1:016x}", f"log/{bob.ref.hex()}/{1:016x}"
    for source in (his, f"log/{anna.ref.hex()}/{2:016x}"):
        put(house, mine, stored[source])
        with pytest.raises(DamagedError):
            anna.log()


@pytest.mark.parametrize("kind", ["user/", "record/"])
def test_a_row_that_went_back_is_refused_by_who_saw_it(
    house: House, anna: Person, kind: str
) -> None:
    name = name_of(house, kind)
    old = rows(house)[name]
    guess = anna.guess(PASSWORD)
    assert guess.is_right()
    guess.release()
    put(house, name, old)
    with pytest.raises(DamagedError, match="went back"):
        anna.offer()


def test_a_user_that_vanished_is_refused_by_who_saw_it(house: House, anna: Person) -> None:
    with closing(sqlite3.connect(house.database)) as database, database:
        database.execute("DELETE FROM rows WHERE name LIKE 'user/%'")
    with pytest.raises(DamagedError, match="went back"):
        anna.register("mine")


def test_a_sealed_setup_opens_only_in_its_own_record(house: House, anna: Person) -> None:
    """Whoever has the key that authenticates rows still cannot move one."""
    bob = Person(house.core, "bob")
    his = house.record(bob.ref, bob.registered("other"))
    mine = house.record(anna.ref, anna.offer().record_id)
    moved = replace(mine, sealed_setup=his.sealed_setup)
    house.core.transact(lambda ledger: ledger.save_record(moved))
    with pytest.raises(DamagedError, match="unsealing"):
        anna.guess(PASSWORD)


def test_another_vaults_key_opens_nothing(house: House, anna: Person) -> None:
    (house.folder / "vault.key").unlink()
    house.keeper = Keeper([FileKeys.make(house.folder / "vault.key")])
    with pytest.raises(DamagedError):
        house.open()


ROWS: tuple[type[Fields], ...] = (Head, User, Record, messages.LogEntry)
LENGTHS = [parser.LAYOUT.size for parser in ROWS]


@settings(max_examples=200, deadline=None)
@given(
    row=st.one_of(st.binary(max_size=1100), *(st.binary(min_size=n, max_size=n) for n in LENGTHS))
)
def test_no_bytes_crash_the_parsers_of_rows(row: bytes) -> None:
    for parser in ROWS:
        if len(row) == parser.LAYOUT.size:
            again = parser.unpack(row).pack()
            assert parser.unpack(again).pack() == again
            assert len(again) == len(row)
        else:
            with pytest.raises(ValueError, match="bytes, not"):
                parser.unpack(row)


def test_a_field_of_another_length_is_not_written(house: House, anna: Person) -> None:
    user = house.user(anna.ref)
    with pytest.raises(ValueError, match="length"):
        replace(user, owner_pk=b"short").pack()


# --- durability, and what is left on the disk ---


def test_the_database_is_durable_with_every_commit(house: House) -> None:
    connection = house.core.store._connection  # type: ignore[attr-defined]
    asked = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "secure_delete")
    }
    assert asked == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1}
    assert house.database.stat().st_mode & 0o777 == 0o600


def test_a_failed_body_changes_nothing(house: House, anna: Person) -> None:
    before = rows(house)

    def body(ledger: Ledger) -> None:
        user = ledger.user(anna.ref)
        assert user is not None
        ledger.save(replace(user, left=100))
        raise KeyError

    with pytest.raises(KeyError):
        house.core.transact(body)
    assert rows(house) == before


# --- the witness ---


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


# --- the clock ---


@pytest.mark.parametrize("jump", [-301, 301, -(10**6), 10**8])
def test_attempts_stop_when_the_clock_jumps(house: House, anna: Person, jump: int) -> None:
    guess = anna.guess("wrong")
    house.times.wall += jump
    refused(Code.CLOCK, guess.ask)
    refused(Code.CLOCK, lambda: anna.guess(PASSWORD))
    assert house.user(anna.ref).left == 9


@pytest.mark.parametrize("jump", [8 * 24 * 3600, 60 * 24 * 3600, -(10**6)])
def test_nothing_is_due_while_the_clock_is_wrong(house: House, anna: Person, jump: int) -> None:
    old = anna.offer().record_id
    made = Person(house.core).register("mine", delayed=True)
    house.times.wall += jump
    before = rows(house)
    refused(Code.CLOCK, made.log_in)
    refused(Code.CLOCK, lambda: anna.register("new"))
    refused(Code.CLOCK, lambda: sweep(house.core))
    anna.offer()
    assert rows(house) == before
    house.times.wall -= jump
    sweep(house.core)
    assert anna.offer().record_id == old
    refused(Code.PENDING, made.log_in)
    assert anna.guess(PASSWORD).is_right()


def test_what_was_due_before_waits_too_while_the_clock_is_wrong(house: House, anna: Person) -> None:
    anna.guess("wrong")
    house.times.pass_by(601)
    Person(house.core, "bob").registered("other")
    house.times.wall += 1000
    before = house.core.revision()
    anna.offer()
    assert house.core.revision() == before
    house.times.wall -= 1000
    anna.offer()
    assert house.core.revision() == before + 1


def test_a_kept_record_stays_while_the_clock_is_wrong(house: House, anna: Person) -> None:
    old = anna.offer().record_id
    made = Person(house.core).register("mine", delayed=True)
    house.times.pass_by(7 * 24 * 3600)
    made.confirm()
    house.times.wall += 31 * 24 * 3600
    refused(Code.CLOCK, lambda: sweep(house.core))
    anna.offer(old)
    house.times.wall -= 31 * 24 * 3600
    assert anna.guess(PASSWORD, old).is_right()


def test_a_wrong_time_is_not_kept(house: House, anna: Person) -> None:
    """Else guesses would be refused until then."""
    house.times.wall += 50 * 365 * 24 * 3600
    anna.order(owner.destroy, anna.offer().record_id)
    house.times.wall -= 50 * 365 * 24 * 3600
    later = Person(house.open(), key=anna.key)
    later.registered("new")
    assert later.guess("new").is_right()


def test_small_steps_of_the_clock_are_taken(house: House, anna: Person) -> None:
    for jump in (150, -250, 100):
        house.times.wall += jump
        anna.guess("wrong")


def test_a_clock_set_back_between_two_runs_is_noticed(house: House, anna: Person) -> None:
    house.times.wall -= 3600
    later = Person(house.open(), key=anna.key)
    refused(Code.CLOCK, lambda: later.guess(PASSWORD))


def test_time_does_not_go_back_with_the_clock(house: House, anna: Person) -> None:
    """So a delay does not grow, nor a pending registration live longer."""
    house.times.wall -= 200
    assert house.core.transact(lambda ledger: ledger.now) == house.times.wall + 200


def test_the_clock_is_the_machines() -> None:
    clock = Clock()
    assert clock.sound(clock.now())
    assert Times().clock().sound(0)


# --- one that is damaged ---


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


# --- keys ---


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    made = Keeper([FileKeys.make(path)])
    assert Keeper([FileKeys(path)]).vault_id == made.vault_id
    path.chmod(0o640)
    with pytest.raises(UsageError, match="can be read by others"):
        Keeper([FileKeys(path)])
    with pytest.raises(UsageError, match="never replaced"):
        Keeper([FileKeys.make(path)])


@pytest.mark.parametrize("text", ["", "strongroom vault key 1\n00\n00\n", "é", "x\n" * 3])
def test_what_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "vault.key"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises((DamagedError, SourceError)):
        Keeper([FileKeys(path)])


def test_without_the_key_the_database_tells_nothing_of_accounts(house: House, anna: Person) -> None:
    assert b"anna" not in house.everything()


def test_what_goes_wrong_has_a_name(tmp_path: Path) -> None:
    with pytest.raises(StoreFailedError):
        SqliteStore(tmp_path / "nowhere" / "vault.db")
    (tmp_path / "text").write_text("no database at all" * 100)
    with pytest.raises(StoreFailedError):
        SqliteStore(tmp_path / "text")
    assert issubclass(DamagedError, StrongroomError)


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
