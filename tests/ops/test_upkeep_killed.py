"""Forget, prune with its repack, and repair, killed at any step: nothing a snapshot needs is lost,
and the next run finishes."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from strongroom._core import CHUNK_LEN, TYPE_DATA
from strongroom.ops import tree
from strongroom.ops.forget import forget
from strongroom.ops.prune import PruneOptions, PruneResult, prune
from strongroom.ops.repair import repair
from strongroom.ops.retention import Policy
from strongroom.ops.verify import verify
from strongroom.repository.opened import segment_name
from tests.ops.test_backup_and_restore import Vault
from tests.ops.test_killed import killed_at
from tests.ops.test_restore_tree import picture, write

NOW = PruneOptions(grace_s=0)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(tree, "_TICK_NS", -(10**10))
    return tmp_path


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """Two snapshots; the second lacks most of what the first has, in the same segments."""
    vault = Vault(tmp_path)
    for n in range(6):
        write(f"t/{n}", random.Random(n).randbytes(20_000 + n))
    write("t/large", random.Random(9).randbytes(CHUNK_LEN))
    vault.backup("t")
    for n in range(5):
        Path(f"t/{n}").unlink()
    vault.backup("t")
    return vault


def pruned(vault: Vault) -> PruneResult:
    with vault.open() as opened:
        return prune(opened, NOW, note=vault.notes.append)


def check(vault: Vault) -> None:
    """The newest snapshot is the tree, and every object that the log names is whole."""
    with vault.open() as opened:
        result = verify(opened, data=True, report=lambda _: None)
        assert (result.damaged_segments, result.damaged_files) == (0, 0)
    shutil.rmtree("out", ignore_errors=True)
    vault.restore()
    assert vault.errors == []
    assert picture("out/t") == picture("t")


def at_every_step(
    tmp_path: Path, vault: Vault, work: Callable[[], object], then: Callable[[], None]
) -> int:
    """Do it to a copy of the same repository each time; how many steps it has."""
    for part in ("repository", "cache"):
        shutil.copytree(tmp_path / part, tmp_path / f"{part} before", copy_function=os.link)
    step = 0
    while killed_at(step, work):
        then()
        for part in ("repository", "cache"):
            shutil.rmtree(tmp_path / part)
            shutil.copytree(tmp_path / f"{part} before", tmp_path / part, copy_function=os.link)
        shutil.rmtree(tmp_path / "state")  # what saw the others is not to refuse this one
        step += 1
    then()
    return step


def test_forgetting_killed_at_any_step_forgets_all_or_nothing(tmp_path: Path, vault: Vault) -> None:
    def work() -> None:
        with vault.open() as opened:
            forget(opened, policy=Policy(last=1))

    def then() -> None:
        with vault.open() as opened:
            assert len(opened.snapshots) in (1, 2)
        work()
        with vault.open() as opened:
            assert len(opened.snapshots) == 1

    assert at_every_step(tmp_path, vault, work, then) > 5
    check(vault)


def test_a_prune_killed_at_any_step_is_finished_by_the_next(tmp_path: Path, vault: Vault) -> None:
    with vault.open() as opened:
        forget(opened, policy=Policy(last=1))

    def then() -> None:
        check(vault)
        pruned(vault)
        pruned(vault)  # what the first found left over
        check(vault)
        with vault.open() as opened:
            there = set(opened.store.list("segments/"))
            assert there == {segment_name(s.id) for s in opened.log.segments()}
            assert len(there) == 3
        assert not list((tmp_path / "repository" / "tmp").iterdir())

    assert at_every_step(tmp_path, vault, lambda: pruned(vault), then) > 30


def test_a_repair_killed_at_any_step_is_finished_by_the_next(tmp_path: Path, vault: Vault) -> None:
    with vault.open() as opened:
        lost = [s for s in opened.log.segments() if s.type == TYPE_DATA]
        for segment in lost:
            opened.store.delete(segment_name(segment.id))
        forget(opened, policy=Policy(last=1))

    def work() -> None:
        with vault.open() as opened:
            repair(opened, ["t"], report=lambda _: None)

    def then() -> None:
        work()
        pruned(vault)
        check(vault)

    assert at_every_step(tmp_path, vault, work, then) > 10
