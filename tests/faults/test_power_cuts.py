"""The power fails while a repository is worked on, and the file system comes back with any part of
what was not synced: nothing that a snapshot needs is lost, and what was said to be done is done.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from faults.disk import Disk, files, recorded
from faults.injected import Driver, Fault, steps_of
from faults.library import Library, Picture, assert_same, look
from strongroom._core import CHUNK_LEN, TYPE_DATA
from strongroom.ops.prune import PruneOptions
from strongroom.repository.names import segment_name

SHARES = (0, 1, 0.1, 0.3, 0.5, 0.5, 0.7, 0.9)
"""Of what was not synced that comes back."""
WORK: dict[str, Callable[[Library], Sequence[str | Path]]] = {
    "backup": lambda library: ("backup", library.tree),
    "forget": lambda _: ("forget", "--keep-last", "1"),
    "prune": lambda _: ("prune", "--grace", "0"),
    "repair": lambda library: ("repair", "--from-source", library.tree),
}


@pytest.fixture
def made(library: Library, faulty: Driver) -> Picture:
    """Two snapshots of `tree`; the second lacks most of what is in the segments of the first."""
    for n in range(6):
        (library.tree / f"{n}").write_bytes(random.Random(n).randbytes(20_000 + n))
    (library.tree / "large").write_bytes(random.Random(9).randbytes(CHUNK_LEN))
    faulty.program(library.base, "backup", library.tree)
    for n in range(4):
        (library.tree / f"{n}").unlink()
    faulty.program(library.base, "backup", library.tree)
    return look(library.tree)


def prepare(library: Library, faulty: Driver, work: str) -> None:
    if work == "backup":
        (library.tree / "new").write_bytes(random.Random(8).randbytes(50_000))
    if work in ("prune", "repair"):
        faulty.program(library.base, "forget", "--keep-last", "1")
    if work == "repair":
        with library.inside() as opened:
            for segment in opened.log.segments():
                if segment.type == TYPE_DATA:
                    opened.store.delete(segment_name(segment.id))


def lay_out(library: Library, names: dict[str, bytes]) -> None:
    for part in (library.folder, library.cache, library.state):
        shutil.rmtree(part, ignore_errors=True)
    for name, content in names.items():
        path = library.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def check(again: Library, expected: Picture, work: str) -> int:
    """The repository is whole, its newest snapshots are the tree, and upkeep leaves nothing that
    is not needed. How many snapshots there are."""
    if work == "repair":
        with again.open() as repository:
            assert repository.upkeep.repair([again.tree]).lost_files == 0
            repository.upkeep.prune(options=PruneOptions(grace_s=0))
    found = again.snapshots()
    result, damage = again.verify()
    assert damage == []
    assert result.snapshots == len(found) > 0
    if work != "backup":
        with again.inside() as opened:
            held = again.held(opened.snapshots[-1])
        assert_same(held, expected)
    for _ in range(3):  # what is left over is judged by one who saw the log before
        with again.open() as repository:
            repository.upkeep.prune(options=PruneOptions(grace_s=0))
    with again.inside() as opened:
        live = {segment_name(segment.id) for segment in opened.log.segments()}
        assert set(opened.store.list("segments/")) == live
    assert again.scrub() == []
    return len(found)


@pytest.mark.parametrize("work", WORK)
def test_whatever_a_power_cut_leaves_nothing_is_lost(
    tmp_path: Path, library: Library, faulty: Driver, made: Picture, work: str
) -> None:
    prepare(library, faulty, work)
    folder, record, seen = library.folder, tmp_path / "record", dict[int, int]()
    disk = Disk.of(folder)
    faulty.program(library.base, *WORK[work](library), fault=Fault(folder, record=record))
    (tmp_path / "again").mkdir()
    (tmp_path / "again/tree").symlink_to(library.tree)
    again = replace(library, base=tmp_path / "again")

    def come_back(seed: int, share: float) -> int:
        names = disk.came_back(seed, share)
        names = {name: names[name] for name in names if not name.startswith("tmp/")}
        key = hash(tuple(names.items()))
        if key not in seen:
            lay_out(again, names)
            seen[key] = check(again, made, work)
        return seen[key]

    for call in recorded(record, folder):
        disk.do(call, folder)
        if call.kind not in {"write", "create", "nameless"}:  # they change nothing that has a name
            for seed, share in enumerate(SHARES):
                come_back(seed, share)
    assert disk.came_back(0, 1) == files(folder)
    with library.inside() as opened:
        assert come_back(0, 0) == len(opened.snapshots), "what was done is done"
    assert len(seen) >= {"forget": 2}.get(work, 4)


def test_nothing_is_deleted_for_an_entry_that_is_not_sure_to_stay(
    tmp_path: Path, library: Library, faulty: Driver, made: Picture
) -> None:
    prepare(library, faulty, "prune")
    faulty.program(library.base, "prune", "--grace", "1h")  # only says what goes
    trace, log = tmp_path / "trace", str(library.folder / "log")
    fault = Fault(library.folder, trace=trace)
    faulty.program(library.base, "prune", "--grace", "0", fault=fault)
    steps = [(step.kind, step.path) for step in steps_of(trace)]
    first = next(
        n for n, (kind, path) in enumerate(steps) if kind == "unlink" and "/segments/" in path
    )
    assert ("link", log) not in {(kind, str(Path(path).parent)) for kind, path in steps}
    assert ("fsync", log) in steps[:first]
    assert steps.count(("fsync", log)) == 1
