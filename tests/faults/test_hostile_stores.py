"""A store that hands out other objects than those it was given: never wrong data."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest

from faults.conftest import change, fill
from faults.injected import Driver
from faults.library import ROOT, Library, Picture, assert_same, look
from strongroom import DamagedError, TargetError
from strongroom.manifest.entry import FILE
from strongroom.repository.snapshots import Snapshot

DATA, MANIFEST = 2, 3
OTHER = bytes.fromhex("0f" * 32)


@dataclass(frozen=True, slots=True)
class Prey:
    """A repository with three snapshots, and another one with the same key."""

    library: Library
    taken: list[tuple[Snapshot, Picture]]
    other: Library

    def manifest(self, number: int) -> Path:
        return self.segment(self.taken[number][0].id)

    def segment(self, name: bytes) -> Path:
        return self.library.folder / f"segments/{name.hex()[:2]}/{name.hex()}"

    def data(self, number: int) -> list[Path]:
        """Data segments of a commit."""
        with self.library.inside() as opened:
            entry = opened.log.entries[number]
            return [self.segment(s.id) for s in entry.segments if s.type == DATA]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Prey:
    base = tmp_path_factory.mktemp("pristine")
    library, other = Library(base / "one").create(), Library(base / "two").create()
    fill(library.tree)
    taken = [(library.back_up(), look(library.tree))]
    change(library.tree)
    taken.append((library.back_up(), look(library.tree)))
    (library.tree / "last").write_bytes(os.urandom(5000))
    taken.append((library.back_up(), look(library.tree)))
    fill(other.tree)
    other.back_up()
    (other.tree / "text").write_bytes(b"elsewhere")
    other.back_up()
    return Prey(library, taken, other)


@pytest.fixture
def prey(pristine: Prey, tmp_path: Path) -> Prey:
    library = pristine.library.copy(tmp_path / "prey")
    shutil.rmtree(library.cache)
    return Prey(library, pristine.taken, pristine.other)


def put(source: Path, target: Path) -> None:
    content = source.read_bytes()
    target.unlink(missing_ok=True)
    target.write_bytes(content)


def swap(one: Path, other: Path) -> None:
    kept = one.with_name("kept")
    one.rename(kept)
    other.rename(one)
    kept.rename(other)


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.unlink()
    path.write_bytes(content)


def turn_into_a_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def turn_into_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def cut(path: Path, length: int) -> None:
    content = path.read_bytes()[:length]
    path.unlink()
    path.write_bytes(content)


Attack: TypeAlias = Callable[[Prey], None]

# Of snapshots, verify --data, restore latest, scrub. None: 0 or 13; it may be able to do without.
Codes: TypeAlias = tuple[int, int, int | None, int]
ATTACKS: dict[str, tuple[Attack, Codes]] = {
    "manifest replaced by an older snapshot's": (
        lambda p: put(p.manifest(1), p.manifest(2)),
        (0, 13, 13, 13),
    ),
    "manifests swapped": (lambda p: swap(p.manifest(0), p.manifest(2)), (0, 13, 13, 13)),
    "manifest replaced by a data segment": (
        lambda p: put(p.data(0)[0], p.manifest(2)),
        (0, 13, 13, 13),
    ),
    "manifest replaced by another repository's": (
        lambda p: put(next(iter(p.other.segments())), p.manifest(2)),
        (0, 13, 13, 13),
    ),
    "manifest gone": (lambda p: p.manifest(2).unlink(), (0, 13, 13, 13)),
    "manifest empty": (lambda p: put(Path(os.devnull), p.manifest(2)), (0, 13, 13, 13)),
    "manifest a link to itself": (
        lambda p: turn_into_a_loop(p.manifest(2)),
        (0, 13, 13, 13),
    ),
    "manifest a pipe": (
        lambda p: turn_into_a_pipe(p.manifest(2)),
        (0, 13, 13, 13),
    ),
    "manifest a folder": (
        lambda p: (p.manifest(2).unlink(), p.manifest(2).mkdir())[1],
        (0, 13, 13, 13),
    ),
    "manifest flipped": (lambda p: flip(p.manifest(2), 5000), (0, 13, 13, 13)),
    "data segment replaced by another": (
        lambda p: put(p.data(1)[0], p.data(0)[0]),
        (0, 13, 13, 13),
    ),
    # Chunks are found where they are, and known by their ids.
    "data segments swapped": (lambda p: swap(p.data(1)[0], p.data(0)[0]), (0, 13, 0, 13)),
    "data segment replaced by a manifest": (
        lambda p: put(p.manifest(1), p.data(0)[0]),
        (0, 13, 13, 13),
    ),
    "data segment gone": (lambda p: p.data(0)[0].unlink(), (0, 13, 13, 13)),
    "data segment a folder": (
        lambda p: (p.data(0)[0].unlink(), p.data(0)[0].mkdir())[1],
        (0, 13, 13, 13),
    ),
    "data segment a link to itself": (
        lambda p: turn_into_a_loop(p.data(0)[0]),
        (0, 13, 13, 13),
    ),
    "data segment a pipe": (
        lambda p: turn_into_a_pipe(p.data(0)[0]),
        (0, 13, 13, 13),
    ),
    "data segment without trailer": (lambda p: cut(p.data(0)[0], -4160), (0, 13, None, 13)),
    "data segment without the end": (lambda p: cut(p.data(0)[0], -9000), (0, 13, None, 13)),
    "half of a data segment": (lambda p: cut(p.data(0)[0], 2**20), (0, 13, 13, 13)),
    "header of a data segment": (lambda p: cut(p.data(0)[0], 4096), (0, 13, 13, 13)),
    "longer data segment": (
        lambda p: p.data(0)[0].write_bytes(p.data(0)[0].read_bytes() + bytes(4096)),
        (0, 13, None, 13),
    ),
    "data segment flipped in the header": (lambda p: flip(p.data(0)[0], 40), (0, 13, None, 13)),
    "data segment flipped in a frame": (lambda p: flip(p.data(0)[0], 6000), (0, 13, 13, 13)),
    "data segment flipped at the end": (lambda p: flip(p.data(0)[0], -3), (0, 13, None, 13)),
    "packed segment flipped": (lambda p: flip(p.data(0)[-1], 6000), (0, 13, 13, 13)),
    "packed segment's directory flipped": (
        lambda p: flip(p.data(0)[-1], -4160 - 32 - 300),
        (0, 13, None, 13),
    ),
    "log entries swapped": (
        lambda p: swap(p.library.entries()[0], p.library.entries()[1]),
        (13, 13, 13, 13),
    ),
    "first log entry gone": (lambda p: p.library.entries()[0].unlink(), (13, 13, 13, 13)),
    "log entry between gone": (lambda p: p.library.entries()[1].unlink(), (13, 13, 13, 13)),
    "log entry doubled": (
        lambda p: put(p.library.entries()[2], p.library.entries()[2].with_name(f"{4:016x}")),
        (13, 13, 13, 13),
    ),
    "log entry replaced by another repository's": (
        lambda p: put(p.other.entries()[1], p.library.entries()[1]),
        (13, 13, 13, 13),
    ),
    "log entry flipped": (lambda p: flip(p.library.entries()[1], 400), (13, 13, 13, 13)),
    "log entry cut off": (
        lambda p: put(Path(os.devnull), p.library.entries()[2]),
        (13, 13, 13, 13),
    ),
    "log of another repository": (
        lambda p: (
            shutil.rmtree(p.library.folder / "log"),
            shutil.copytree(p.other.folder / "log", p.library.folder / "log"),
        )[0],
        (13, 13, 13, 13),
    ),
    # The same key, so that only the log tells the two apart.
    "config of another repository": (
        lambda p: put(p.other.folder / "config", p.library.folder / "config"),
        (13, 13, 13, 13),
    ),
    "config flipped": (lambda p: flip(p.library.folder / "config", 20), (13, 13, 13, 13)),
    "config gone": (lambda p: (p.library.folder / "config").unlink(), (13, 13, 13, 13)),
}


def codes(faulty: Driver, prey: Prey, expected: Codes) -> list[str]:
    """What the verbs say."""
    base = prey.library.base
    verbs = (
        ("snapshots",),
        ("verify", "--data"),
        ("restore", "latest", "--target", "out"),
        ("scrub",),
    )
    said = []
    for words, code in zip(verbs, expected, strict=True):
        run = faulty.program(base, *words, code=code)
        assert ("strongroom: error: " in run.err) == (run.code != 0), run
        said.append(run.err)
    return said


@pytest.mark.parametrize("name", ATTACKS)
def test_every_verb_says_that_it_is_damaged(faulty: Driver, prey: Prey, name: str) -> None:
    attack, expected = ATTACKS[name]
    attack(prey)
    codes(faulty, prey, expected)
    tree = prey.library.restored(prey.library.base / "out")
    now = prey.taken[-1][1]
    for path, seen in (look(tree) if tree.exists() else {}).items():
        if seen.type == FILE:
            assert seen == now[path], path


@pytest.mark.parametrize("name", [name for name in ATTACKS if ATTACKS[name][1][0] == 0])
def test_snapshots_give_what_was_saved_or_nothing(prey: Prey, name: str) -> None:
    """And exactly the files that verify names are those that cannot be had."""
    ATTACKS[name][0](prey)
    _, findings = prey.library.verify()
    assert findings
    lost = {
        (finding.snapshot.id, finding.path) for finding in findings if finding.snapshot is not None
    }
    for snapshot, picture in prey.taken:
        target, errors = prey.library.base / snapshot.id.hex(), []
        if (snapshot.id, None) in lost:
            with pytest.raises(DamagedError):
                prey.library.restore(snapshot, target)
            continue
        prey.library.restore(snapshot, target, errors=errors)
        found = look(prey.library.restored(target))
        top = os.fsencode(prey.library.tree.resolve()).lstrip(b"/") + b"/"
        hurt = {path.removeprefix(top) for name, path in lost if name == snapshot.id and path}
        assert found.keys() == picture.keys() - hurt
        assert len(errors) == len(hurt)
        for path, seen in found.items():
            assert seen == picture[path] or seen.type != FILE, path


@pytest.mark.parametrize("name", [name for name in ATTACKS if ATTACKS[name][1][0] == 0])
def test_the_next_backup_after_a_verify_is_whole(
    faulty: Driver, prey: Prey, tmp_path: Path, name: str
) -> None:
    """What was lost and is still in the tree is stored again."""
    ATTACKS[name][0](prey)
    prey.library.verify()
    snapshot = prey.library.back_up(notes=[])
    assert_same(prey.library.held(snapshot), prey.taken[-1][1])
    _, findings = prey.library.verify()
    assert not [f for f in findings if f.snapshot is not None and f.snapshot.id == snapshot.id]


def test_an_old_copy_is_told_only_by_those_who_saw_a_newer_one(prey: Prey, faulty: Driver) -> None:
    faulty.program(prey.library.base, "snapshots")
    prey.library.entries()[2].unlink()
    codes(faulty, prey, (15, 15, 15, 15))
    shutil.rmtree(prey.library.base / "states")
    codes(faulty, prey, (0, 0, 0, 0))
    assert prey.library.snapshots() == [snapshot for snapshot, _ in prey.taken[:2]]


def test_a_link_in_place_of_the_working_folders_deletes_nothing(prey: Prey, tmp_path: Path) -> None:
    precious = tmp_path / "elsewhere" / ("ab" * 16) / "precious"
    precious.parent.mkdir(parents=True)
    precious.write_bytes(b"mine")
    working = prey.library.folder / "tmp"
    if working.exists():
        working.rmdir()
    working.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TargetError, match="tmp"):
        prey.library.back_up()
    assert precious.read_bytes() == b"mine"


def test_a_key_of_another_repository_opens_nothing(prey: Prey, faulty: Driver) -> None:
    (prey.library.base / "key").write_text(OTHER.hex())
    (prey.library.base / "key").chmod(0o600)
    for words in (("snapshots",), ("verify",), ("restore", "latest", "--target", "out")):
        run = faulty.program(prey.library.base, *words, code=12)
        assert "this key belongs to another repository, or it is mistyped" in run.err
    assert not (prey.library.base / "out").exists()


def test_without_its_slot_a_password_opens_nothing_but_the_digits_do(
    prey: Prey, faulty: Driver
) -> None:
    base = prey.library.base
    (base / "password").write_text("correct horse battery staple\n")
    faulty.program(base, "key", "add-password", "--new-password-file", "password")
    (slot,) = (prey.library.folder / "keys").iterdir()
    words = ("snapshots", "--password-file", "password")
    faulty.program(base, *words, keyed=False)
    slot.unlink()
    run = faulty.program(base, *words, code=12, keyed=False)
    assert "this repository has no password" in run.err
    assert "--key-file" in run.err
    faulty.program(base, "snapshots")
    assert ROOT.to_digits() not in run.err
