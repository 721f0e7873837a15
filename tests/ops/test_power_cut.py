"""Power cuts while a backup commits and a prune removes: names that were not synced may be there
or not, in any order, and nothing that a snapshot needs is lost.

The names that are made and removed in the repository are recorded as they are, with each sync of a
folder. Then, for each moment, folders are made that the file system may come back with.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from strongroom.ops import tree
from strongroom.ops.forget import forget
from strongroom.ops.prune import PruneOptions, prune
from strongroom.ops.retention import Policy
from strongroom.ops.verify import verify
from strongroom.repository.opened import segment_name
from strongroom.stores.local import LocalStore
from tests.ops.test_backup_and_restore import Vault
from tests.ops.test_restore_tree import write

NOW = PruneOptions(grace_s=0)


@dataclass(frozen=True)
class Event:
    """`made` (content), `removed`, or `synced` (of a folder)."""

    kind: str
    path: str
    content: bytes = b""


class Recorder:
    """Writes down what happens to names below a folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.events: list[Event] = []
        for name in ("link", "unlink", "rename", "fsync"):
            monkeypatch.setattr(os, name, getattr(self, name)(getattr(os, name)))

    def link(self, real):
        def link(source, target, **more):
            real(source, target, **more)
            self.note("made", target)

        return link

    def rename(self, real):
        def rename(source, target, **more):
            real(source, target, **more)
            self.note("made", target)

        return rename

    def unlink(self, real):
        def unlink(path, **more):
            real(path, **more)
            self.note("removed", path)

        return unlink

    def fsync(self, real):
        def fsync(fd):
            real(fd)
            self.note("synced", Path(f"/proc/self/fd/{fd}").readlink())

        return fsync

    def note(self, kind: str, path: object) -> None:
        below = os.path.relpath(os.fsdecode(path), self.folder)
        if below.startswith(("segments/", "log")):
            content = (self.folder / below).read_bytes() if kind == "made" else b""
            self.events.append(Event(kind, below, content))


def states(before: dict[str, bytes], events: list[Event]) -> Iterator[dict[str, bytes]]:
    """What may be there after a cut behind the last event: all of what was not synced, nothing of
    it, all but one, and one alone."""
    certain, loose = dict(before), list[Event]()
    for event in events:
        if event.kind == "synced":
            done = [one for one in loose if str(Path(one.path).parent) == event.path]
            certain = applied(certain, done)
            loose = [one for one in loose if one not in done]
        else:
            loose.append(event)
    yield applied(certain, loose)
    yield certain
    for one in loose if len(loose) > 1 else ():
        yield applied(certain, [other for other in loose if other is not one])
        yield applied(certain, [one])


def applied(names: dict[str, bytes], events: list[Event]) -> dict[str, bytes]:
    names = dict(names)
    for event in events:
        if event.kind == "made":
            names[event.path] = event.content
        else:
            names.pop(event.path, None)
    return names


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def lay_out(folder: Path, names: dict[str, bytes]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in names.items():
        write(str(folder / name), content)


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tree, "_TICK_NS", -(10**10))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    vault = Vault(tmp_path)
    for n in range(6):
        write(f"t/{n}", random.Random(n).randbytes(20_000 + n))
    vault.backup("t")
    for n in range(4):
        Path(f"t/{n}").unlink()
    return vault


def came_back(tmp_path: Path, names: dict[str, bytes], least: int) -> None:
    """The repository of these names is whole, and work goes on in it."""
    for part in ("again", "state"):
        shutil.rmtree(tmp_path / part, ignore_errors=True)
    (tmp_path / "again").mkdir()
    lay_out(tmp_path / "again" / "repository", names)
    vault = Vault.__new__(Vault)
    vault.store = LocalStore(tmp_path / "again" / "repository")
    vault.cache, vault.errors, vault.notes = tmp_path / "again" / "cache", [], []
    with vault.open() as opened:
        assert len(opened.snapshots) >= least
        result = verify(opened, data=True, report=lambda _: None)
        assert (result.damaged_segments, result.damaged_snapshots, result.damaged_files) == (
            0,
            0,
            0,
        )
        prune(opened, NOW, note=vault.notes.append)
    # What is left over is judged by a machine that has seen this log before.
    with vault.open() as opened:
        prune(opened, NOW, note=vault.notes.append)
        prune(opened, NOW, note=vault.notes.append)
        live = {segment_name(s.id) for s in opened.log.segments()}
        assert set(opened.store.list("segments/")) == live
        assert verify(opened, data=True, report=lambda _: None).damaged_segments == 0


@pytest.mark.parametrize("work", ["backup", "prune"])
def test_whatever_names_a_power_cut_leaves_nothing_is_lost(
    tmp_path: Path, vault: Vault, work: str
) -> None:
    if work == "prune":
        vault.backup("t")
        with vault.open() as opened:
            forget(opened, policy=Policy(last=1))
    else:
        write("t/new", random.Random(9).randbytes(50_000))
    before = files(tmp_path / "repository")
    with pytest.MonkeyPatch.context() as patched:
        recorder = Recorder(tmp_path / "repository", patched)
        if work == "prune":
            with vault.open() as opened:
                prune(opened, NOW, note=vault.notes.append)
        else:
            vault.backup("t")
    assert files(tmp_path / "repository") == applied(before, recorder.events)
    seen: set[tuple[str, ...]] = set()
    for end in range(len(recorder.events) + 1):
        for names in states(before, recorder.events[:end]):
            if (key := tuple(sorted(names))) not in seen:
                seen.add(key)
                came_back(tmp_path, names, least=1)
    assert len(seen) >= 5


def test_nothing_is_deleted_for_an_entry_that_is_not_sure_to_stay(
    tmp_path: Path, vault: Vault
) -> None:
    vault.backup("t")
    with vault.open() as opened:
        forget(opened, policy=Policy(last=1))
        prune(opened, PruneOptions(grace_s=3600), note=vault.notes.append)  # only says what goes
    with pytest.MonkeyPatch.context() as patched:
        recorder = Recorder(tmp_path / "repository", patched)
        with vault.open() as opened:
            assert prune(opened, NOW, note=vault.notes.append).deleted_objects
    kinds = [(event.kind, event.path) for event in recorder.events]
    first = next(n for n, (kind, path) in enumerate(kinds) if kind == "removed")
    assert not any(kind == "made" for kind, _ in kinds)
    assert ("synced", "log") in kinds[:first]
    assert kinds.count(("synced", "log")) == 1
