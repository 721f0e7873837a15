"""The disk is full, or does not work, at any step: said so, nothing lost, nothing half done."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from faults.conftest import change, fill
from faults.injected import Driver, Fault, Outcome, Step, spread, steps_of
from faults.library import Library, Picture, assert_same, look
from faults.test_kills import restored_steps
from strongroom.manifest.entry import FILE
from strongroom.ops.overwrite import Overwrite
from strongroom.repository.snapshots import Snapshot

FULL = os.strerror(errno.ENOSPC)
BROKEN = os.strerror(errno.EIO)
KINDS = [("full", errno.ENOSPC), ("fail", errno.EIO)]


def faults_of(steps: Sequence[Step], folder: Path, what: str, code: int) -> list[Fault]:
    return [Fault(folder, step.n, what, code) for step in steps]


@pytest.mark.parametrize(("what", "code"), KINDS)
def test_a_backup_that_cannot_write_commits_nothing(
    faulty: Driver, library: Library, tmp_path: Path, what: str, code: int
) -> None:
    fill(library.tree)
    before = library.back_up(), look(library.tree)
    change(library.tree)
    now, trace = look(library.tree), tmp_path / "trace"
    counted = library.copy(tmp_path / "counted")
    assert faulty.back_up(counted.base, Fault(counted.folder, trace=trace)).done
    steps = spread(steps_of(trace), 26, seed=4)
    for number, fault in enumerate(faults_of(steps, tmp_path, what, code)):
        hurt = library.copy(tmp_path / f"{number}")
        outcome = faulty.back_up(hurt.base, replace(fault, folder=hurt.folder))
        check_backup(hurt, outcome, before, now)
        shutil.rmtree(hurt.base)


def check_backup(
    hurt: Library, outcome: Outcome, before: tuple[Snapshot, Picture], now: Picture
) -> None:
    assert hurt.scrub() == []
    found = hurt.snapshots()
    assert found[0] == before[0]
    assert_same(hurt.held(found[0]), before[1])
    assert outcome.code == 0
    if outcome.done:
        assert outcome.told["snapshot"] == found[-1].id.hex()
    else:
        assert outcome.told["exit"] == 1
        assert FULL in outcome.told["error"] or BROKEN in outcome.told["error"]
    for snapshot in found[1:]:
        assert_same(hurt.held(snapshot), now)
    assert_same(hurt.held(hurt.back_up()), now)
    assert hurt.leftovers() == []


def test_what_could_not_be_committed_takes_no_room(
    faulty: Driver, library: Library, tmp_path: Path
) -> None:
    """A disk that is full when the log is written would else stay full."""
    fill(library.tree)
    trace = tmp_path / "trace"
    counted = library.copy(tmp_path / "counted")
    assert faulty.back_up(counted.base, Fault(counted.folder, trace=trace)).done
    steps = [s for s in steps_of(trace) if s.kind == "link" or "/log" in s.path]
    assert len(steps) > 5
    for number, step in enumerate(steps):
        hurt = library.copy(tmp_path / f"{number}")
        fault = Fault(hurt.folder, step.n, "full", errno.ENOSPC)
        outcome = faulty.back_up(hurt.base, fault)
        if hurt.snapshots():
            assert step == steps[-1]  # only that it is there for good is not known
        else:
            assert (hurt.segments(), hurt.leftovers()) == ([], []), step
        assert not outcome.done


@pytest.mark.parametrize(("what", "code"), KINDS)
def test_a_restore_that_cannot_write_says_so_and_can_be_finished(
    faulty: Driver, library: Library, tmp_path: Path, what: str, code: int
) -> None:
    fill(library.tree)
    library.back_up()
    expected = look(library.tree)
    steps = spread(restored_steps(faulty, library, tmp_path / "all", "refuse"), 30, seed=5)
    for number, fault in enumerate(faults_of(steps, tmp_path, what, code)):
        target = tmp_path / f"{number}"
        outcome = faulty.restore(library.base, target, replace(fault, folder=target))
        assert outcome.code == 0
        tree = library.restored(target)
        found = look(tree) if tree.exists() else {}
        for path, seen in found.items():
            if seen.type == FILE:
                assert seen.data == expected[path].data, path
        if found != expected or not outcome.done:
            assert outcome.errors, fault
        if "error" in outcome.told:
            assert outcome.told["exit"] == 1
        library.restore(None, target, overwrite=Overwrite.ALWAYS)
        assert_same(look(tree), expected)
        shutil.rmtree(target)


@pytest.mark.parametrize(("what", "code"), KINDS)
def test_what_cannot_be_replaced_stays(
    faulty: Driver, library: Library, tmp_path: Path, what: str, code: int
) -> None:
    tree, target = library.tree, tmp_path / "target"
    (tree / "a").write_bytes(b"old")
    Path(tree / "link").symlink_to("old")
    library.back_up()
    library.restore(None, target)
    (tree / "a").write_bytes(b"newer")
    (tree / "link").unlink()
    Path(tree / "link").symlink_to("newer")
    library.back_up()
    shutil.copytree(target, tmp_path / "counted", symlinks=True)
    steps = restored_steps(faulty, library, tmp_path / "counted", "always")
    for number, fault in enumerate(faults_of(spread(steps, 20, seed=9), tmp_path, what, code)):
        hurt = tmp_path / f"{number}"
        shutil.copytree(target, hurt, symlinks=True)
        faulty.restore(library.base, hurt, replace(fault, folder=hurt), "always")
        found = look(library.restored(hurt))
        assert found.keys() == {b"a", b"link"}
        assert found[b"a"].data in {b"old", b"newer"}
        assert found[b"link"].data in {b"old", b"newer"}


def test_a_repository_that_cannot_be_read_restores_what_it_can(
    faulty: Driver, library: Library, tmp_path: Path
) -> None:
    fill(library.tree)
    library.back_up()
    expected, trace = look(library.tree), tmp_path / "trace"
    fault = Fault(library.folder, reads=True, trace=trace)
    assert faulty.restore(library.base, tmp_path / "all", fault).done
    for step in spread(steps_of(trace), 30, seed=6):
        target = tmp_path / f"{step.n}"
        outcome = faulty.restore(library.base, target, replace(fault, n=step.n, what="fail"))
        assert outcome.code == 0
        tree = library.restored(target)
        for path, seen in (look(tree) if tree.exists() else {}).items():
            if seen.type == FILE:
                assert seen.data == expected[path].data
        if "error" in outcome.told:
            assert outcome.told["exit"] in {1, 13}
        assert outcome.errors, step
        shutil.rmtree(target, ignore_errors=True)


def test_a_repository_that_cannot_be_read_is_not_added_to_wrongly(
    faulty: Driver, library: Library, tmp_path: Path
) -> None:
    fill(library.tree)
    first = library.back_up(), look(library.tree)
    change(library.tree)
    now, trace = look(library.tree), tmp_path / "trace"
    counted = library.copy(tmp_path / "counted")
    shutil.rmtree(counted.cache)
    assert faulty.back_up(counted.base, Fault(counted.folder, reads=True, trace=trace)).done
    for step in spread(steps_of(trace), 20, seed=7):
        hurt = library.copy(tmp_path / f"{step.n}")
        shutil.rmtree(hurt.cache)
        fault = Fault(hurt.folder, step.n, "fail", errno.EIO, reads=True)
        outcome = faulty.back_up(hurt.base, fault)
        if outcome.done:
            assert_same(hurt.held(hurt.snapshots()[-1]), now)
        else:
            assert outcome.told["exit"] in {1, 13}
        check_backup_after_reading(hurt, first, now)
        shutil.rmtree(hurt.base)


def check_backup_after_reading(
    hurt: Library, first: tuple[Snapshot, Picture], now: Picture
) -> None:
    assert hurt.scrub() == []
    assert_same(hurt.held(hurt.snapshots()[0]), first[1])
    assert_same(hurt.held(hurt.back_up()), now)


def test_a_tree_that_cannot_be_read_is_named(
    faulty: Driver, library: Library, tmp_path: Path
) -> None:
    fill(library.tree)
    expected, trace = look(library.tree), tmp_path / "trace"
    counted = library.copy(tmp_path / "counted")
    assert faulty.back_up(counted.base, Fault(library.tree, reads=True, trace=trace)).done
    steps = spread(steps_of(trace), 20, seed=8)
    assert any(step.kind == "read" for step in steps)
    for step in steps:
        hurt = library.copy(tmp_path / f"{step.n}")
        fault = Fault(library.tree, step.n, "fail", errno.EIO, reads=True)
        outcome = faulty.back_up(hurt.base, fault)
        assert outcome.done
        held = hurt.held(hurt.snapshots()[-1])
        lost = expected.keys() - held.keys()
        if Path(step.path).is_dir():
            assert outcome.errors == [f"reading {step.path}: {BROKEN}"]
        else:
            assert len(lost) == len(outcome.errors) <= 2  # two, where a file has two names
        # That a file's first bytes cannot be had to guess from is no loss.
        assert lost or step.path.endswith(("film", "text"))
        assert outcome.errors == [] or outcome.errors[0].endswith(f": {BROKEN}")
        assert all(held[path] == expected[path] for path in held)
        assert hurt.snapshots()[-1].errors == len(outcome.errors)
        shutil.rmtree(hurt.base)
