"""What happens to a vault's disk, its power or its process: no guess is answered that was not
charged, and no charge that was answered is taken back.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from faults.disk import Disk, files, recorded
from faults.guesses import PASSWORD, POLICY, TOLD, house_in, make
from faults.injected import Driver, Fault, steps_of
from strongroom.vault.server.rows import State
from vault.parties import House, Person

WRONG = ["wrong", "wrong again", "wrong for the last time"]


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
    disk = Disk.of(base)
    assert faulty.guess(base, passwords, Fault(base, record=record)).told["refused"] == []
    told, states, counts = b"", set(), set()
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
