"""Backups, prunes, restores and verifications of one repository in several processes at once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from repository.support import ROOT
from strongroom.ops.repository import Repository

SECONDS = float(os.environ.get("STRONGROOM_TOGETHER_S", "4"))
"""How long they go on; minutes show more."""

WORKER = """
import os, random, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from repository.support import ROOT
from strongroom import ConflictError, PruneOptions, SourceError
from strongroom.ops.repository import Repository
from strongroom.ops.retention import Policy
folder, role, until = Path(sys.argv[2]), sys.argv[3], float(sys.argv[4])
own = folder / role
noise = random.Random(role)
# No grace period would be wrong beside restores: they may be at what is deleted.
grace = 0.0 if "restore" not in sys.argv[5:] else 3600.0
done = 0
(own / "src").mkdir(parents=True)
with Repository.open(folder / "r", key=ROOT, cache=own / "cache") as repository:
    while time.time() < until or not done:
        if role.startswith("backup"):
            for n in range(8):
                seed = noise.randrange(40)
                (own / "src" / f"{n}").write_bytes(random.Random(seed).randbytes(30_000 + seed))
            repository.backup(own / "src")
        elif role.startswith("prune"):
            try:
                repository.upkeep.forget(policy=Policy(last=2))
                repository.upkeep.prune(options=PruneOptions(grace_s=grace))
            except ConflictError:
                continue
        elif role == "restore":
            try:
                errors = []
                repository.restore("latest", own / f"out {done}", on_error=errors.append)
            except SourceError:
                continue
            assert not errors, errors
        else:
            result = repository.verify(data=True)
            assert result.damaged_files == result.damaged_segments == 0, result
        done += 1
print(done)
"""


def together(folder: Path, *roles: str) -> dict[str, int]:
    """How often each did what it does."""
    tests, until = str(Path(__file__).parents[1]), str(time.time() + SECONDS)
    running = {
        role: subprocess.Popen(
            [sys.executable, "-c", WORKER, tests, str(folder), role, until, *roles],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for role in roles
    }
    counts = {}
    for role, process in running.items():
        out, err = process.communicate(timeout=SECONDS + 120)
        assert process.returncode == 0, f"{role}: {err.decode()[-2000:]}"
        counts[role] = int(out)
    return counts


def check(folder: Path) -> None:
    with Repository.open(folder / "r", key=ROOT, cache=folder / "last") as repository:
        result = repository.verify(data=True)
        assert (result.damaged_files, result.damaged_segments, result.damaged_snapshots) == (
            0,
            0,
            0,
        )
        for number, saved in enumerate(repository.snapshots()):
            errors: list[Exception] = []
            repository.restore(saved, folder / f"at last {number}", on_error=errors.append)
            assert errors == []


def begun(folder: Path) -> None:
    (folder / "first").mkdir()
    (folder / "first" / "file").write_bytes(random.Random(1).randbytes(50_000))
    with Repository.create(folder / "r", key=ROOT, cache=folder / "made") as repository:
        repository.backup(folder / "first")


def test_everything_at_once(tmp_path: Path) -> None:
    begun(tmp_path)
    roles = ("backup 1", "backup 2", "prune 1", "prune 2", "verify", "restore")
    assert all(together(tmp_path, *roles).values())
    check(tmp_path)


def test_backups_beside_prunes_that_delete_at_once(tmp_path: Path) -> None:
    """No grace period at all: only the log keeps them from each other's data."""
    begun(tmp_path)
    assert all(together(tmp_path, "backup 1", "backup 2", "prune 1", "prune 2").values())
    check(tmp_path)
