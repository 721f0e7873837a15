"""What a restore finds damaged is stored again by the next backup of the same files."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from repository.support import ROOT
from strongroom import StrongroomError
from strongroom._core import CHUNK_LEN, TYPE_DATA
from strongroom.ops.prune import PruneOptions
from strongroom.ops.repository import Repository
from strongroom.repository.opened import segment_name


@pytest.mark.parametrize("harm", ["flipped", "gone"])
def test_a_restore_that_meets_damage_lets_the_next_backup_heal_it(
    tmp_path: Path, harm: str
) -> None:
    source = tmp_path / "src"
    source.mkdir()
    (source / "file").write_bytes(random.Random(1).randbytes(3 * CHUNK_LEN))
    os.utime(source / "file", (10**9, 10**9))
    with Repository.create(tmp_path / "r", key=ROOT, cache=tmp_path / "cache") as repository:
        repository.backup(source)
        opened = repository._opened
        hurt = next(s for s in opened.log.segments() if s.type == TYPE_DATA)
        path = opened.store.path_of(segment_name(hurt.id))
        stored = path.read_bytes()
        path.unlink()
        if harm == "flipped":
            path.write_bytes(stored[:5000] + bytes([stored[5000] ^ 1]) + stored[5001:])
        errors: list[StrongroomError] = []
        repository.restore("latest", tmp_path / "hurt", on_error=errors.append)
        assert len(errors) == 1
    with Repository.open(tmp_path / "r", key=ROOT, cache=tmp_path / "cache") as repository:
        result = repository.backup(source)
        expected = 1 if harm == "flipped" else 3
        assert expected * CHUNK_LEN < result.counts.new_bytes < (expected + 0.1) * CHUNK_LEN
        repository.restore("latest", tmp_path / "out")
        repository.upkeep.prune(options=PruneOptions(grace_s=0))
        assert repository.verify(data=True).damaged_segments == 0
        repository.restore("latest", tmp_path / "again")
    assert not path.exists()
