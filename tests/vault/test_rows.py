"""What lies in the store is believed only if it is authentic, in its place, and not older than
what was seen."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom import DamagedError, SourceError, StrongroomError, UsageError
from strongroom.vault import messages
from strongroom.vault.fields import Fields
from strongroom.vault.server.keys.file import FileKeys
from strongroom.vault.server.keys.keeper import Keeper
from strongroom.vault.server.ledger import Ledger
from strongroom.vault.server.rows import Head, Record, User
from strongroom.vault.server.sqlite import SqliteStore
from strongroom.vault.server.store import StoreFailedError
from vault.parties import PASSWORD, House, Person, name_of, put, rows

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
