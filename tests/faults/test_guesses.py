"""What happens to a vault's disk, its power or its process: no guess is answered that was not
charged, and no charge that was answered is taken back.

For power cuts all that changes files is recorded, with every sync. Then, for each moment, folders
are made that a file system may come back with: of what was not synced, contents by sectors and
names alike, all, nothing, or any part is there.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from faults.guesses import PASSWORD, POLICY, TOLD, house_in, make
from faults.injected import Driver, Fault, steps_of
from strongroom.vault.server.rows import State
from vault.parties import House, Person

SECTOR = 512
WRONG = ["wrong", "wrong again", "wrong for the last time"]


@dataclass(frozen=True)
class Call:
    """See fault.c."""

    kind: str
    offset: int
    path: str
    data: bytes


def recorded(path: Path, base: Path) -> Iterator[Call]:
    """All but the index of SQLite's log, which is memory that processes share."""
    content, at = path.read_bytes(), 0
    while at < len(content):
        end = content.index(b"\n", at)
        kind, offset, count, name = content[at:end].decode().split("\t")
        at = end + 1 + int(count)
        if not name.endswith("-shm"):
            below = str(Path(name).relative_to(base))
            yield Call(kind, int(offset), below, content[end + 1 : at])


@dataclass
class Content:
    """A file's, whatever its names are: what is sure to stay, and what was done since."""

    sure: bytes = b""
    since: list[Call] = field(default_factory=list)

    def came_back(self, chance: random.Random, share: float) -> bytes:
        content = bytearray(self.sure)
        for call in self.since:
            if call.kind == "truncate":
                if chance.random() < share:
                    content = content[: call.offset].ljust(call.offset, b"\0")
                continue
            for begin in range(0, len(call.data), SECTOR):
                if chance.random() < share:
                    piece, place = call.data[begin : begin + SECTOR], call.offset + begin
                    content = content.ljust(place, b"\0")
                    content[place : place + len(piece)] = piece
        return bytes(content)

    def sync(self) -> None:
        self.sure, self.since = self.came_back(random.Random(0), 1), []


@dataclass
class Disk:
    """Files by name: as a program sees them, and as they are sure to be after a power cut."""

    names: dict[str, Content]
    sure: dict[str, Content]

    def do(self, call: Call, base: Path) -> None:
        if call.kind in {"write", "truncate"}:
            self.names[call.path].since.append(call)
        elif call.kind == "create":
            self.names.setdefault(call.path, Content())
        elif call.kind == "rename":
            old = str(Path(call.data.decode()).relative_to(base))
            self.names[call.path] = self.names.pop(old)
        elif call.kind == "unlink":
            del self.names[call.path]
        elif call.path in self.names:
            self.names[call.path].sync()
        else:
            self._sync_names(call.path)

    def _sync_names(self, folder: str) -> None:
        def others(names: dict[str, Content], *, inside: bool) -> dict[str, Content]:
            return {n: c for n, c in names.items() if (str(Path(n).parent) == folder) == inside}

        self.sure = others(self.sure, inside=False) | others(self.names, inside=True)

    def came_back(self, seed: int, share: float) -> dict[str, bytes]:
        chance = random.Random(seed)
        names = {}
        for name in sorted(self.names.keys() | self.sure.keys()):
            content = (self.names if chance.random() < share else self.sure).get(name)
            if content is not None:
                names[name] = content.came_back(chance, share)
        return names


def files(base: Path) -> dict[str, bytes]:
    found = (path for path in base.rglob("*") if path.is_file())
    return {str(path.relative_to(base)): path.read_bytes() for path in found}


def lay_out(base: Path, names: dict[str, bytes]) -> None:
    shutil.rmtree(base, ignore_errors=True)
    for name, content in names.items():
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (base / "vault/vault.key").chmod(0o600)


def opened_again(base: Path, told: bytes) -> tuple[House, int]:
    """A vault that goes on, and holds all that was told; how much that was."""
    house = house_in(base)
    user = house.user(Person(house.core).ref)
    lines = [json.loads(line) for line in told.splitlines()]
    if lines:
        assert user.sequence >= lines[-1]["sequence"]
        assert user.charges >= lines[-1]["charges"]
        if user.sequence == lines[-1]["sequence"]:
            assert user.left == lines[-1]["left"]
    if user.left == 0 and user.attempt_over:
        assert house.record(user.ref, user.active).state == State.DESTROYED
    return house, len(lines)


@pytest.mark.parametrize("passwords", [["wrong", PASSWORD], WRONG], ids=["right", "burnt"])
def test_a_charge_that_was_answered_outlives_a_power_cut(
    tmp_path: Path, faulty: Driver, passwords: list[str]
) -> None:
    base, again, record = tmp_path / "base", tmp_path / "again", tmp_path / "record"
    make(base)
    before = files(base)
    assert faulty.guess(base, passwords, Fault(base, record=record)).told["refused"] == []
    contents = {name: Content(content) for name, content in before.items()}
    disk, told, states, counts = Disk(dict(contents), dict(contents)), b"", set(), set()
    for call in recorded(record, base):
        disk.do(call, base)
        if call.path == TOLD:
            told += call.data
            continue
        for seed, share in enumerate((0, 1, 0.1, 0.3, 0.5, 0.5, 0.7, 0.9)):
            names = disk.came_back(seed, share)
            names.pop(TOLD, None)
            if (key := hash((told, *names.items()))) not in states:
                states.add(key)
                lay_out(again, names)
                house, count = opened_again(again, told)
                house.core.store.close()
                counts.add(count)
    assert disk.came_back(0, 1) == files(base)
    assert counts >= set(range(2 * len(passwords)))
    assert len(states) > 50


@pytest.mark.parametrize("what", ["torn", "fail"])
def test_whatever_call_of_a_guess_fails_it_is_charged_once_and_before_it_is_answered(
    tmp_path: Path, faulty: Driver, what: str
) -> None:
    """Also where nobody can know whether a commit that failed will be there."""
    base, again, trace = tmp_path / "base", tmp_path / "again", tmp_path / "trace"
    make(base)
    before = files(base)
    faulty.guess(base, WRONG[:1], Fault(base, trace=trace))
    steps = [step for step in steps_of(trace) if not step.path.endswith(f"/{TOLD}")]
    assert {"write", "fsync", "rename"} <= {step.kind for step in steps}
    refused = 0
    for step in steps:
        lay_out(again, before)
        done = faulty.guess(again, WRONG[:1], Fault(again, step.n, what))
        told = (again / TOLD).read_bytes() if (again / TOLD).exists() else b""
        house, _ = opened_again(again, told)
        anna = Person(house.core)
        charges = house.user(anna.ref).charges
        assert anna.offer().left == POLICY.attempts - charges
        house.core.store.close()
        assert done.killed == (what == "torn"), step
        assert charges == 1 if what == "fail" else charges >= (told != b""), step
        refused += len(done.told.get("refused", []))
    assert (refused > 5) == (what == "fail")
