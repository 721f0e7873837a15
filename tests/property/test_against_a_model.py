"""Whatever is done to a tree, and whenever a backup dies: each snapshot is what the tree was."""

from __future__ import annotations

import itertools
import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from faults.injected import Driver, Fault, driver
from faults.library import ROOT, Library, look
from strongroom import Repository, RolledBackError
from strongroom._core import TYPE_DATA
from strongroom.manifest.entry import FILE, FOLDER, SYMLINK
from strongroom.ops.overwrite import Overwrite
from strongroom.ops.prune import PruneOptions
from strongroom.repository.opened import segment_name
from strongroom.repository.pins import Head
from strongroom.repository.snapshots import Snapshot

MIB = 2**20
NAMES = (b"a", b"b", b"b.", b"caf\xe9", b"two\nlines")
DEPTH_MAX = 3
NAME = st.sampled_from(NAMES)
MODE = st.sampled_from([0o600, 0o644, 0o755, 0o400])
CHOICE = st.integers(0, 2**16)
LENGTH = st.sampled_from([0, 1, 700, 5000, 5000, 70_000, MIB, MIB + 3])
SEED = st.integers(0, 5)


class Shown(NamedTuple):
    """What a snapshot should give under a path."""

    type: int
    mode: int
    data: bytes
    mtime_ns: int
    """0 where it is not followed: of folders and links."""


Shape: TypeAlias = "tuple[dict[bytes, Shown], set[frozenset[bytes]]]"
"""By path; and which paths are names of one file."""


@dataclass
class File:
    """What all names of a file share."""

    data: bytes
    mode: int = 0o644
    mtime_ns: int = 0


@dataclass
class Model:
    """A tree. Values: a file, the mode of a folder, or the target of a link."""

    nodes: dict[bytes, File | int | bytes] = field(default_factory=dict)

    def folders(self) -> list[bytes]:
        return [b"", *sorted(path for path, node in self.nodes.items() if isinstance(node, int))]

    def files(self) -> list[bytes]:
        return sorted(path for path, node in self.nodes.items() if isinstance(node, File))

    def below(self, path: bytes) -> list[bytes]:
        return [other for other in self.nodes if other == path or other.startswith(path + b"/")]

    def shape(self) -> Shape:
        shown: dict[bytes, Shown] = {}
        names: dict[int, set[bytes]] = {}
        for path, node in self.nodes.items():
            if isinstance(node, File):
                shown[path] = Shown(FILE, node.mode, node.data, node.mtime_ns)
                names.setdefault(id(node), set()).add(path)
            elif isinstance(node, int):
                shown[path] = Shown(FOLDER, node, b"", 0)
            else:
                shown[path] = Shown(SYMLINK, 0o777, node, 0)
        several = {frozenset(group) for group in names.values() if len(group) > 1}
        return shown, {group for group in several if shown[min(group)].data}


def shape_of(tree: Path) -> Shape:
    """Of a tree on disk."""
    shown: dict[bytes, Shown] = {}
    names: dict[int, set[bytes]] = {}
    for path, seen in look(tree).items():
        mtime = seen.mtime_ns if seen.type == FILE else 0
        shown[path] = Shown(seen.type, seen.mode, seen.data, mtime)
        if seen.type == FILE and seen.data:
            status = os.stat(os.fsencode(tree) + b"/" + path)
            names.setdefault(status.st_ino, set()).add(path)
    return shown, {frozenset(group) for group in names.values() if len(group) > 1}


class Copy(NamedTuple):
    """The repository as it was, and what was in it."""

    folder: Path
    head: Head
    taken: list[tuple[Snapshot, Shape]]


class Machine(RuleBasedStateMachine):
    """A tree on disk, the same as a model, and a repository."""

    def __init__(self, base: Path, faulty: Driver) -> None:
        super().__init__()
        self.base = base
        self.faulty = faulty
        self.library = Library(base / "library").create()
        self.model = Model()
        self.taken: list[tuple[Snapshot, Shape]] = []
        self.copies: list[Copy] = []
        self.count = itertools.count()

    def real(self, path: bytes) -> bytes:
        return os.fsencode(self.library.tree) + b"/" + path

    def new_path(self, folder: int, name: bytes) -> bytes:
        folders = self.model.folders()
        parent = folders[folder % len(folders)]
        if parent.count(b"/") >= DEPTH_MAX:
            parent = b""
        return parent + b"/" + name if parent else name

    def pick(self, paths: list[bytes], choice: int) -> bytes | None:
        return paths[choice % len(paths)] if paths else None

    def noted(self, path: bytes) -> None:
        node = self.model.nodes[path]
        assert isinstance(node, File)
        node.mtime_ns = os.stat(self.real(path)).st_mtime_ns

    @rule(folder=CHOICE, name=NAME, length=LENGTH, seed=SEED)
    def write(self, folder: int, name: bytes, length: int, seed: int) -> None:
        path = self.new_path(folder, name)
        node = self.model.nodes.get(path)
        data = random.Random(seed).randbytes(length)
        if node is None:
            node = self.model.nodes[path] = File(data)
        elif not isinstance(node, File):
            return
        node.data = data
        with open(self.real(path), "wb") as file:
            file.write(data)
        if node.mtime_ns == 0:
            os.chmod(self.real(path), node.mode)
        self.noted(path)

    @rule(choice=CHOICE, at=CHOICE, byte=st.binary(min_size=1, max_size=1))
    def patch(self, choice: int, at: int, byte: bytes) -> None:
        """The length stays, and maybe the time: clocks of file systems tick slowly."""
        path = self.pick(self.model.files(), choice)
        if path is None:
            return
        node = self.model.nodes[path]
        assert isinstance(node, File)
        if not node.data:
            return
        at %= len(node.data)
        node.data = node.data[:at] + byte + node.data[at + 1 :]
        with open(self.real(path), "r+b") as file:
            file.seek(at)
            file.write(byte)
        self.noted(path)

    @rule(folder=CHOICE, name=NAME, mode=st.sampled_from([0o755, 0o700, 0o555]))
    def make_folder(self, folder: int, name: bytes, mode: int) -> None:
        path = self.new_path(folder, name)
        if path not in self.model.nodes:
            os.mkdir(self.real(path))
            os.chmod(self.real(path), mode)
            self.model.nodes[path] = mode

    @rule(choice=CHOICE)
    def delete(self, choice: int) -> None:
        path = self.pick(sorted(self.model.nodes), choice)
        if path is None:
            return
        if isinstance(self.model.nodes[path], int):
            shutil.rmtree(self.real(path))
        else:
            os.unlink(self.real(path))
        for gone in self.model.below(path):
            del self.model.nodes[gone]

    @rule(choice=CHOICE, folder=CHOICE, name=NAME)
    def rename(self, choice: int, folder: int, name: bytes) -> None:
        source, target = self.pick(sorted(self.model.nodes), choice), self.new_path(folder, name)
        if source is None or target in self.model.nodes or target.startswith(source + b"/"):
            return
        os.rename(self.real(source), self.real(target))
        for path in self.model.below(source):
            self.model.nodes[target + path[len(source) :]] = self.model.nodes.pop(path)

    @rule(choice=CHOICE, mode=MODE)
    def change_mode(self, choice: int, mode: int) -> None:
        path = self.pick(self.model.files(), choice)
        if path is not None:
            node = self.model.nodes[path]
            assert isinstance(node, File)
            node.mode = mode
            os.chmod(self.real(path), mode)

    @rule(folder=CHOICE, name=NAME, to=st.sampled_from([b"a", b"..", b"no\xff", b"/etc"]))
    def link(self, folder: int, name: bytes, to: bytes) -> None:
        path = self.new_path(folder, name)
        if path not in self.model.nodes:
            os.symlink(to, self.real(path))
            self.model.nodes[path] = to

    @rule(choice=CHOICE, folder=CHOICE, name=NAME)
    def link_hard(self, choice: int, folder: int, name: bytes) -> None:
        source, path = self.pick(self.model.files(), choice), self.new_path(folder, name)
        if source is not None and path not in self.model.nodes:
            os.link(self.real(source), self.real(path))
            self.model.nodes[path] = self.model.nodes[source]

    @rule()
    def back_up(self) -> None:
        self.taken.append((self.library.back_up(), self.model.shape()))
        assert self.library.leftovers() == []

    @rule(step=st.integers(1, 60), what=st.sampled_from(["kill", "torn"]))
    def crash(self, step: int, what: str) -> None:
        """A backup dies at a step, unless it has fewer."""
        self.faulty.back_up(self.library.base, Fault(self.library.folder, step, what))
        found = self.library.snapshots()
        assert found[: len(self.taken)] == [snapshot for snapshot, _ in self.taken]
        self.taken += [(snapshot, self.model.shape()) for snapshot in found[len(self.taken) :]]
        assert len(self.taken) <= len(found)

    @rule(choice=CHOICE, overwrite=st.booleans())
    def restore(self, choice: int, overwrite: bool) -> None:
        """To a new place, or over what another restore left."""
        if not self.taken:
            return
        snapshot, shape = self.taken[choice % len(self.taken)]
        target = self.base / f"out {next(self.count)}"
        self.library.restore(snapshot, target)
        assert shape_of(self.library.restored(target)) == shape
        if overwrite:
            self.library.restore(snapshot, target, overwrite=Overwrite.ALWAYS)
            assert shape_of(self.library.restored(target)) == shape
        shutil.rmtree(target)

    @rule(choice=CHOICE)
    def forget(self, choice: int) -> None:
        if self.taken:
            snapshot, _ = self.taken.pop(choice % len(self.taken))
            with self.library.open() as repository:
                repository.upkeep.forget([snapshot.id.hex()])

    @rule()
    def prune(self) -> None:
        """Nothing stays that is not needed, however it came there."""
        with self.library.open() as repository:
            for _ in range(2):
                repository.upkeep.prune(options=PruneOptions(grace_s=0))
            live = {segment_name(s.id) for s in repository._opened.log.segments()}
            assert set(repository._opened.store.list("segments/")) == live
            assert [saved.info for saved in repository.snapshots()] == [s for s, _ in self.taken]

    @rule(seed=CHOICE, gone=st.integers(0, 1))
    def thin_out(self, seed: int, gone: int) -> None:
        """Of what was stored at once a part is no longer needed, and only the newest is kept."""
        for number, name in enumerate((b"thin 0", b"thin 1")):
            self.write(0, name, 30_000, 2 * seed + number)
        self.back_up()
        path = b"thin %d" % gone
        if path in self.model.nodes:
            os.unlink(self.real(path))
            del self.model.nodes[path]
        self.back_up()
        while len(self.taken) > 1:
            self.forget(0)
        self.prune()

    @rule(choice=CHOICE, byte=st.integers(200, 5000))
    def damage_and_repair(self, choice: int, byte: int) -> None:
        """Damage to what the tree still has is undone from there."""
        with self.library.open() as repository:
            self.back_up()
            opened = repository._opened
            opened.log.load()
            found = [s for s in opened.log.segments() if s.type == TYPE_DATA]
            if not found:
                return
            segment = found[choice % len(found)]
            path = opened.store.path_of(segment_name(segment.id))
            kept = path.read_bytes()
            path.unlink()
            path.write_bytes(kept[:byte] + bytes([kept[byte] ^ 1]) + kept[byte + 1 :])
            result = repository.upkeep.repair([self.library.tree])
            if result.lost_files:  # in older snapshots alone: the copy is found again
                path.unlink()
                path.write_bytes(kept)
                repository.verify(data=True)
                return
        self.prune()
        self.verify()

    def put_back(self, source: Path, target: Path) -> None:
        """Objects are never changed, so a second name is a copy."""
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, copy_function=os.link)

    @rule()
    def keep_a_copy(self) -> None:
        with self.library.open() as repository:
            head = repository.head
        copy = Copy(self.base / f"copy {next(self.count)}", head, list(self.taken))
        self.put_back(self.library.folder, copy.folder)
        self.copies.append(copy)

    @precondition(lambda self: self.copies)
    @rule(choice=CHOICE)
    def roll_back(self, choice: int) -> None:
        """An older state is put in place of the newest. Who saw more refuses it until told to be
        content, and who is not told refuses also what is built on it."""
        other = replace(self.library, base=self.base / "other")
        seen = partial(Repository.open, self.library.folder, key=ROOT, state=other.state)
        with self.library.open() as repository, seen(cache=other.cache):
            newest = repository.head
        copy = self.copies[choice % len(self.copies)]
        self.put_back(copy.folder, self.library.folder)
        self.taken = list(copy.taken)
        if copy.head == newest:
            return
        for refused in (self.back_up, self.prune, self.verify, self.library.scrub):
            with pytest.raises(RolledBackError):
                refused()
        mine = partial(seen, state=self.library.state, cache=self.library.cache)
        with mine(accept_rollback=True) as repository:
            assert repository.head == copy.head
        self.back_up()
        with pytest.raises(RolledBackError):
            seen(cache=other.cache)
        shutil.rmtree(other.base)

    @rule()
    def lose_the_index(self) -> None:
        shutil.rmtree(self.library.cache, ignore_errors=True)

    @rule()
    def rebuild_the_index(self) -> None:
        with self.library.open() as repository:
            assert repository.rebuild_index() == {}

    @rule()
    def verify(self) -> None:
        result, found = self.library.verify()
        assert found == []
        assert result.snapshots == len(self.taken)

    def teardown(self) -> None:
        for snapshot, (shown, _) in self.taken:
            held = self.library.held(snapshot)
            assert held.keys() == shown.keys()
            for path, seen in held.items():
                mtime = seen.mtime_ns if seen.type == FILE else 0
                assert Shown(seen.type, seen.mode, seen.data, mtime) == shown[path]
        assert self.library.scrub() == []
        shutil.rmtree(self.base)


@pytest.fixture(scope="module")
def faulty() -> Iterator[Driver]:
    with driver() as found:
        yield found


def test_every_snapshot_is_what_the_tree_was(faulty: Driver, tmp_path: Path) -> None:
    number = itertools.count()

    def machine() -> Machine:
        return Machine(tmp_path / f"{next(number)}", faulty)

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
