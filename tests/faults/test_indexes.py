"""Index tables that are lost, damaged or another repository's: results are the same."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from faults.conftest import change, fill
from faults.library import Library, Picture, assert_same, look

Harm: TypeAlias = Callable[[Path, Path], object]
"""To a folder of tables; the second is another repository's."""


def tables(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def each(change: Callable[[bytes], bytes]) -> Harm:
    def harm(folder: Path, _: Path) -> None:
        for table in tables(folder):
            table.write_bytes(change(table.read_bytes()))

    return harm


def flip(at: int) -> Callable[[bytes], bytes]:
    return lambda old: old[:at] + bytes([old[at] ^ 0x41]) + old[at + 1 :]


def noise(length: int) -> bytes:
    return random.Random(length).randbytes(length)


def replace_by_others(folder: Path, other: Path) -> None:
    names = [table.name for table in tables(folder)]
    shutil.rmtree(folder)
    folder.mkdir()
    for name, table in zip(names, tables(other), strict=False):
        shutil.copy(table, folder / name)


def mix(folder: Path, other: Path) -> None:
    for table in tables(other):
        shutil.copy(table, folder / table.name)


def turn_into_folders(folder: Path, _: Path) -> None:
    for table in tables(folder):
        table.unlink()
        table.mkdir()


def turn_into_a_file(folder: Path, _: Path) -> None:
    shutil.rmtree(folder)
    folder.write_bytes(b"no folder")


def drop(number: int) -> Harm:
    return lambda folder, _: tables(folder)[number].unlink()


HARMS: dict[str, Harm] = {
    "deleted": lambda folder, _: shutil.rmtree(folder),
    "emptied": each(lambda _: b""),
    "cut within the header": each(lambda old: old[:2000]),
    "cut after the header": each(lambda old: old[:4096]),
    "cut by a byte": each(lambda old: old[:-1]),
    "longer": each(lambda old: old + b"\0" * 4096),
    "garbage": each(lambda old: noise(len(old))),
    "zeros": each(lambda old: bytes(len(old))),
    "header flipped": each(flip(9)),
    "note flipped": each(flip(60)),
    "end of the header flipped": each(flip(4095)),
    "another repository's": replace_by_others,
    "another repository's too": mix,
    "the first missing": drop(0),
    "the last missing": drop(-1),
    "folders": turn_into_folders,
    "no folder": turn_into_a_file,
    "unreadable": lambda folder, _: [Path(table).chmod(0) for table in tables(folder)],
}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Library, Library, Picture, int]:
    """With two snapshots and as many tables, and a tree that has changed again; another one; what
    the tree is now; and what the next backup adds."""
    base = tmp_path_factory.mktemp("pristine")
    library, other = Library(base / "one").create(), Library(base / "two").create()
    fill(library.tree)
    library.back_up()
    (library.tree / "between").write_bytes(noise(9000))
    library.back_up()
    for n in range(2):
        (other.tree / f"{n}").write_bytes(noise(7000 + n))
        other.back_up()
    change(library.tree)
    assert len(tables(library.cache)) == len(tables(other.cache)) == 2
    counted = library.copy(base / "counted")
    return library, other, look(library.tree), counted.back_up().new_bytes


@pytest.mark.parametrize("name", HARMS)
def test_without_its_tables_everything_is_the_same(
    pristine: tuple[Library, Library, Picture, int], tmp_path: Path, name: str
) -> None:
    library, other, now, new_bytes = pristine
    before = library.snapshots()
    hurt = library.copy(tmp_path / "hurt")
    HARMS[name](hurt.cache, other.cache)
    snapshot = hurt.back_up()
    assert snapshot.new_bytes == new_bytes
    assert_same(hurt.held(snapshot), now)
    if hurt.cache.is_dir() and all(table.is_file() for table in tables(hurt.cache)):
        HARMS[name](hurt.cache, other.cache)
    hurt.restore(snapshot, tmp_path / "out")
    assert_same(look(hurt.restored(tmp_path / "out")), now)
    result, found = hurt.verify()
    assert found == []
    assert result.snapshots == len(before) + 1
    assert hurt.back_up().new_bytes == 0


@pytest.mark.parametrize("at", [4096 + 3, 8192 + 5, 8192 + 20, -3])
def test_a_table_that_lies_gives_no_wrong_data(
    pristine: tuple[Library, Library, Picture, int], tmp_path: Path, at: int
) -> None:
    """What follows the header is not checked when a table is opened; chunks are when fetched."""
    library, _, now, _ = pristine
    hurt = library.copy(tmp_path / "hurt")
    for table in tables(hurt.cache):
        content = bytearray(table.read_bytes())
        for place in range(at % len(content), len(content), 28):
            content[place] ^= 0x55
        table.write_bytes(bytes(content))
    errors: list[Exception] = []
    latest = hurt.snapshots()[-1]
    hurt.restore(latest, tmp_path / "out", errors=errors)
    picture = library.held(latest)
    for path, seen in look(hurt.restored(tmp_path / "out")).items():
        assert seen.data == picture[path].data
    hurt.verify()  # which makes the index anew
    snapshot = hurt.back_up()
    assert_same(hurt.held(snapshot), now)


def test_an_older_cache_is_caught_up(
    pristine: tuple[Library, Library, Picture, int], tmp_path: Path
) -> None:
    """As when a home folder was restored, or another machine has backed up since."""
    library, _, now, _ = pristine
    hurt = library.copy(tmp_path / "hurt")
    shutil.copytree(hurt.cache, tmp_path / "older")
    hurt.back_up()
    shutil.rmtree(hurt.cache)
    (tmp_path / "older").rename(hurt.cache)
    again = hurt.back_up()
    assert again.new_bytes == 0
    assert_same(hurt.held(again), now)


def test_a_cache_of_a_repository_that_was_set_back_is_not_believed(
    pristine: tuple[Library, Library, Picture, int], tmp_path: Path
) -> None:
    library, _, now, new_bytes = pristine
    hurt = library.copy(tmp_path / "hurt")
    newer = hurt.copy(tmp_path / "newer")
    newer.back_up()
    shutil.rmtree(hurt.cache)
    shutil.copytree(newer.cache, hurt.cache)
    snapshot = hurt.back_up()
    assert snapshot.new_bytes == new_bytes
    assert_same(hurt.held(snapshot), now)
