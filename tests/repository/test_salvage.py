"""Damage of the log or the config costs what only they said; everything else is read back."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from program import Program
from repository.support import CONFIG, KEYS, ROOT, MemoryStore, a_draft
from strongroom import DamagedError, Labels, Password, Repository, RootKey, UsageError
from strongroom.repository.entry import KIND_REMOVE, Draft
from strongroom.repository.head import entry_name
from strongroom.repository.log import Log
from strongroom.repository.private import Private
from strongroom.repository.salvage import SalvagedConfig, SalvagedLog


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three snapshots, each with a file of its own, and the end of a fourth."""
    folder = tmp_path_factory.mktemp("kept")
    (folder / "films").mkdir()
    with Repository.create(folder / "r", key=ROOT) as repository:
        for number in range(4):
            content = random.Random(number).randbytes(1_200_000)
            (folder / "films" / str(number)).write_bytes(content)
            repository.backup(folder / "films", labels=Labels(tags=(str(number),)))
        repository.upkeep.forget([repository.snapshot("latest").id])
    return folder


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    shutil.copytree(kept / "r", tmp_path / "r")
    for path in (tmp_path / "r").rglob("*"):
        path.chmod(path.stat().st_mode | 0o200)
    return tmp_path / "r"


def salvaged(folder: Path, key: RootKey | Password = ROOT) -> Repository:
    return Repository.open(folder, key=key, salvage=True)


def contents(kept: Path) -> list[dict[str, bytes]]:
    """What each of the first three snapshots held."""
    files = {str(n): (kept / "films" / str(n)).read_bytes() for n in range(3)}
    return [dict(list(files.items())[: n + 1]) for n in range(3)]


def restored(repository: Repository, target: Path) -> list[dict[str, bytes]]:
    """What all snapshots hold, the smallest first."""
    found = []
    for snapshot in repository.snapshots():
        out = target / snapshot.id
        repository.restore(snapshot, out, on_error=pytest.fail)
        found.append({p.name: p.read_bytes() for p in out.rglob("*") if p.is_file()})
    return sorted(found, key=len)


def flip(path: Path) -> None:
    stored = bytearray(path.read_bytes())
    stored[len(stored) // 2] ^= 1
    path.write_bytes(stored)


@pytest.mark.parametrize("harm", [flip, Path.unlink])
def test_no_lost_entry_of_the_log_costs_a_snapshot(
    kept: Path, folder: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    for seq in (1, 2, 3):
        path = folder / entry_name(seq)
        before = path.read_bytes()
        harm(path)
        with pytest.raises(DamagedError) as refused:
            Repository.open(folder, key=ROOT)
        assert "--salvage" in (refused.value.hint or "")
        with salvaged(folder) as repository:
            assert len(repository.warnings) == 1
            assert f"entry {seq}" in repository.warnings[0]
            assert restored(repository, tmp_path / f"out {seq}") == contents(kept)
            assert [s.info.partial for s in repository.snapshots()] == [False, False, True]
            assert seq == 3 or repository.snapshot("latest").info.tags == ("2",)
        path.write_bytes(before)


@pytest.mark.parametrize("harm", [flip, Path.unlink])
def test_neither_config_nor_log_is_needed_to_read_all_with_the_digits(
    kept: Path, folder: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    harm(folder / "config")
    shutil.rmtree(folder / "log")
    with salvaged(folder) as repository:
        assert "config" in repository.warnings[0]
        # The one that was forgotten is back: only the log knew.
        assert restored(repository, tmp_path / "out")[:3] == contents(kept)
    with pytest.raises(DamagedError) as refused:
        salvaged(folder, Password("four random words here"))
    assert "64 digits" in (refused.value.hint or "")
    with pytest.raises(DamagedError):
        salvaged(folder, RootKey.generate())


def test_what_is_salvaged_is_only_read(folder: Path, tmp_path: Path) -> None:
    (folder / entry_name(5)).unlink()
    before = {p: p.stat().st_mtime_ns for p in [folder, *folder.rglob("*")]}
    with salvaged(folder) as repository:
        for change in (
            lambda: repository.backup(tmp_path),
            lambda: repository.upkeep,
        ):
            with pytest.raises(UsageError, match="only be read"):
                change()
    assert {p: p.stat().st_mtime_ns for p in [folder, *folder.rglob("*")]} == before
    with Repository.open(folder, key=ROOT, accept_rollback=True) as repository:
        assert len(repository.snapshots()) == 4, "nothing of it was remembered"


def test_what_does_not_belong_there_is_named_and_left_alone(
    kept: Path, folder: Path, tmp_path: Path
) -> None:
    with Repository.create(tmp_path / "other", key=ROOT) as other:
        other.backup(kept / "films")
    strangers = {
        path.name for path in (tmp_path / "other" / "segments").rglob("*") if path.is_file()
    }
    shutil.copytree(tmp_path / "other" / "segments", folder / "segments", dirs_exist_ok=True)
    (folder / "segments" / "ab").mkdir(exist_ok=True)
    (folder / "segments" / "ab" / ("ab" * 16)).write_bytes(b"noise")
    (folder / "log" / ("f" * 16)).write_bytes(b"")
    with salvaged(folder) as repository:
        said = " ".join(repository.warnings)
        assert all(name in said for name in strangers | {"ab" * 16, "entries 6 to"})
        assert restored(repository, tmp_path / "out") == contents(kept)


def test_a_checkpoint_makes_up_for_what_was_lost_before_it() -> None:
    store = MemoryStore()
    log = Log(store, CONFIG, KEYS)
    while log.head[0] < 260:
        base = log.head[0]
        removed = tuple(snapshot.id for snapshot in log.snapshots[:1])
        private = Private(1, "host", bytes(16))
        odd = a_draft(base, base=base)
        log.append(odd if base % 2 else Draft(base, (), private, KIND_REMOVE, removed))
    for lost, same in ((100, True), (101, True), (256, True), (258, False)):
        left = MemoryStore()
        left.objects = {n: o for n, o in store.objects.items() if n != entry_name(lost)}
        found = SalvagedLog(left, SalvagedConfig(CONFIG), ROOT, KEYS)
        found.load()
        assert len(found.failures) == 1
        assert (found.snapshots == log.snapshots) == same
        assert lost == 258 or list(found.segments()) == list(log.segments())


def test_the_verbs_that_read_take_it(program: Program, folder: Path, tmp_path: Path) -> None:
    flip(folder / entry_name(1))
    key = tmp_path / "key"
    key.write_text(ROOT.to_digits())
    key.chmod(0o600)
    with_key = ("-r", folder, "--key-file", key)
    refused = program("snapshots", *with_key, code=13)
    assert refused.out == b""
    assert "restore --salvage" in refused.err
    listed = program("snapshots", *with_key, "--salvage")
    assert "log entry 1: its signature is wrong" in listed.err
    assert (listed.out.count(b"\n"), listed.out.count(b"(partial)")) == (3, 1)
    program("restore", *with_key, "--salvage", "latest", "--target", tmp_path / "out")
    assert len([p for p in (tmp_path / "out").rglob("*") if p.is_file()]) == 3
