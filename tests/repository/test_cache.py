"""Tables of the index that a client keeps: used only as far as they fit the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from strongroom import DamagedError
from strongroom.repository.cache import Place, TableFolder, cache_folder, make_note


def at(seq: int) -> Place:
    return Place(seq, bytes([seq]) * 32)


def read_note(path: Path) -> bytes:
    note = path.read_bytes()
    if len(note) != 64:
        raise DamagedError("not a table")
    return note


@pytest.fixture
def tables(tmp_path: Path) -> TableFolder:
    return TableFolder(tmp_path / "cache", read_note)


def add(tables: TableFolder, start: int, end: int) -> Path:
    path = tables.add(lambda to: to.write_bytes(make_note(start, at(end))) and None)
    assert path is not None
    return path


def chain(tables: TableFolder, head: int = 99) -> list[tuple[int, int]]:
    found = tables.chain(lambda place: place.seq <= head and place == at(place.seq))
    return [(table.start, table.end.seq) for table in found]


def left(tables: TableFolder) -> int:
    return len(list(tables.folder.iterdir()))


def test_an_empty_folder_or_none_has_no_tables(tables: TableFolder) -> None:
    assert chain(tables) == []
    assert not tables.folder.exists()


def test_tables_follow_each_other(tables: TableFolder) -> None:
    for start, end in ((3, 7), (0, 3), (7, 8)):
        add(tables, start, end)
    assert chain(tables) == [(0, 3), (3, 7), (7, 8)]
    assert left(tables) == 3


def test_what_another_table_covers_is_removed(tables: TableFolder) -> None:
    for start, end in ((0, 3), (3, 7), (0, 7), (7, 8), (7, 9)):
        add(tables, start, end)
    assert chain(tables) == [(0, 7), (7, 9)]
    assert left(tables) == 2


def test_a_table_that_begins_where_it_ends_amends_those_before_it(tables: TableFolder) -> None:
    for start, end in ((5, 5), (3, 5), (0, 3), (5, 5), (5, 8)):
        add(tables, start, end)
    assert chain(tables) == [(0, 3), (3, 5), (5, 5), (5, 5), (5, 8)]
    add(tables, 0, 7)
    assert chain(tables) == [(0, 7)]
    assert left(tables) == 1 + 1  # from 5 to 8, until something closes the gap


def test_a_table_with_a_gap_before_it_is_not_used(tables: TableFolder) -> None:
    for start, end in ((0, 3), (4, 7)):
        add(tables, start, end)
    assert chain(tables) == [(0, 3)]
    assert left(tables) == 2  # another process may be about to close the gap


def test_tables_of_another_history_are_removed(tables: TableFolder) -> None:
    add(tables, 0, 3)
    tables.add(lambda to: to.write_bytes(make_note(3, Place(5, bytes(32)))) and None)
    add(tables, 3, 200)
    assert chain(tables) == [(0, 3)]
    assert left(tables) == 1


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", bytes(64), make_note(6, at(5)), make_note(0, at(3))[:-1] + b"x"]
)
def test_what_is_no_table_is_removed(tables: TableFolder, content: bytes) -> None:
    tables.add(lambda to: to.write_bytes(content) and None)
    assert chain(tables) == []
    assert left(tables) == 0


def test_other_files_are_left_alone(tables: TableFolder) -> None:
    tables.folder.mkdir()
    (tables.folder / "readme").touch()
    assert chain(tables) == []
    tables.clear()
    assert left(tables) == 1


def test_a_table_that_cannot_be_written_is_done_without(tables: TableFolder) -> None:
    tables.folder.write_text("a file where the folder should be")
    assert tables.add(lambda _to: None) is None
    assert chain(tables) == []
    tables.clear()


def test_clear_forgets_all(tables: TableFolder) -> None:
    add(tables, 0, 3)
    tables.clear()
    assert left(tables) == 0


def test_the_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder(bytes(32)) == tmp_path / "strongroom" / ("00" * 32)
