"""Several processes at work on one repository at the same time."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from faults.conftest import change, fill
from faults.injected import Driver, driver
from faults.library import Library, Picture, assert_same, look

MIB = 2**20
ROUNDS = 3


@pytest.fixture(scope="module")
def five() -> Iterator[list[Driver]]:
    with ExitStack() as stack:
        found = [stack.enter_context(driver()) for _ in range(5)]
        with ThreadPoolExecutor(5) as pool:
            list(pool.map(lambda one: one.nothing(), found))  # they are all there now
        yield found


def neighbour(library: Library, base: Path, *, cache: Path | None) -> Library:
    """Another tree, the same repository. cache: as one user's sessions share it, or None."""
    base.mkdir()
    (base / "repository").symlink_to(library.folder)
    (base / "tree").mkdir()
    if cache is not None:
        cache.mkdir(exist_ok=True)
        (base / "cache").symlink_to(cache)
    return Library(base)


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("shared", [False, True], ids=["", "one cache"])
def test_backups_at_once_all_commit(
    five: list[Driver], library: Library, tmp_path: Path, count: int, shared: bool
) -> None:
    cache = tmp_path / "cache" if shared else None
    all_of_them = [neighbour(library, tmp_path / f"{n}", cache=cache) for n in range(count)]
    common = random.Random(7).randbytes(MIB + 99)
    pictures: dict[str, Picture] = {}

    def work(number: int) -> None:
        own, noise = all_of_them[number], random.Random(number)
        for turn in range(ROUNDS):
            (own.tree / f"common {turn}").write_bytes(common[turn:])
            (own.tree / f"own {turn}").write_bytes(noise.randbytes(200_000))
            outcome = five[number].back_up(own.base)
            assert outcome.done
            assert outcome.errors == []
            pictures[outcome.told["snapshot"]] = look(own.tree)

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(work, range(count)))
    check_all(all_of_them, pictures, library)


def check_all(all_of_them: list[Library], pictures: dict[str, Picture], library: Library) -> None:
    assert len(pictures) == ROUNDS * len(all_of_them)
    assert len(library.entries()) == len(pictures)
    assert library.scrub() == []
    result, found = library.verify()
    assert found == []
    assert result.snapshots == len(pictures)
    assert library.leftovers() == []
    snapshots = {snapshot.id.hex(): snapshot for snapshot in library.snapshots()}
    assert snapshots.keys() == pictures.keys()
    for own in all_of_them:
        mine = os.fsencode(own.tree)
        for name, snapshot in snapshots.items():
            if snapshot.paths == (mine,):
                assert_same(own.held(snapshot), pictures[name])


def test_a_backup_a_restore_and_a_verify_at_once(
    five: list[Driver], library: Library, tmp_path: Path
) -> None:
    fill(library.tree)
    (library.tree / "large").write_bytes(random.Random(8).randbytes(24 * MIB))
    library.back_up()
    old = look(library.tree)
    reader = neighbour(library, tmp_path / "reader", cache=None)
    (reader.base / "tree").rmdir()
    (reader.base / "tree").symlink_to(library.tree)
    first = library.snapshots()[0]
    targets = [tmp_path / f"out {n}" for n in range(4)]

    def restore() -> None:
        for target in targets:
            outcome = five[0].restore(reader.base, target, snapshot=first.id.hex())
            assert outcome.done
            assert outcome.errors == []

    def verify() -> None:
        for _ in range(4):
            outcome = five[1].verify(reader.base)
            assert outcome.done
            assert outcome.errors == []

    def back_up() -> None:
        for turn in range(6):
            (library.tree / "more").write_bytes(random.Random(turn).randbytes(3 * MIB))
            outcome = five[2].back_up(library.base)
            assert outcome.done
            assert outcome.errors == []

    change(library.tree)
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(work) for work in (restore, verify, back_up)]:
            done.result()
    for target in targets:
        assert_same(look(library.restored(target)), old)
    assert_same(library.held(library.snapshots()[-1]), look(library.tree))
    assert library.scrub() == []


def test_what_a_running_backup_made_is_not_swept(library: Library, five: list[Driver]) -> None:
    fill(library.tree)
    with library.inside() as opened, opened.begin_session() as session:
        (own,) = library.leftovers()
        outcome = five[0].back_up(library.base)
        assert outcome.done
        assert library.leftovers() == [own]
        assert session.spool.folder.exists()
    assert library.leftovers() == []


def test_what_a_dead_backup_left_is_swept_by_one_that_begins(library: Library) -> None:
    fill(library.tree)
    left = library.folder / "tmp" / ("ab" * 16)
    (left / "deep").mkdir(parents=True)
    (left / "lock").write_bytes(b"")
    (left / "deep" / ("cd" * 16)).write_bytes(b"half of a segment")
    other = library.folder / "tmp" / "what a person put there"
    other.mkdir()
    library.back_up()
    assert library.leftovers() == [other.name]
