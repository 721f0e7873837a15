"""What a restore finds damaged is stored again by the next backup of the same files."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
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


FRAMES = {0: 10_000, 1: CHUNK_LEN + 10_000, 2: 2 * CHUNK_LEN + 10_000, "trailer": -50}
"""Where to find a byte of each, in a segment of whole chunks."""


@pytest.mark.parametrize(
    ("harms", "hurt"),
    [
        (([0], ["trailer"]), 0),
        ((["trailer"], [0]), 0),
        (([0], [1]), 0),
        (([0, 2], [1]), 0),
        (([0, "trailer"], ["trailer"]), 0),
        (([0, "trailer"], [1, "trailer"]), 0),
        (([0, "cut"], ["cut"]), 0),
        (([0, "cut"], [1, "cut"]), 0),
        (([0], [0, 1]), 1),
    ],
)
def test_damaged_segments_vouch_for_what_is_good_in_them(
    tmp_path: Path, harms: tuple[list[int | str], ...], hurt: int
) -> None:
    source = tmp_path / "src"
    source.mkdir()
    (source / "file").write_bytes(random.Random(1).randbytes(3 * CHUNK_LEN))
    for path, harm in zip(_stored_twice(tmp_path, source), harms, strict=True):
        _flip(path, *(FRAMES[what] for what in harm if what != "cut"))
        if "cut" in harm:
            os.truncate(path, path.stat().st_size - 4096)
    for process in range(3):
        with Repository.open(tmp_path / "r", key=ROOT, cache=tmp_path / "cache") as repository:
            if process == 0:
                result = repository.verify(data=True)
                assert (result.damaged_segments, result.damaged_files) == (2, 2 * hurt)
            errors: list[StrongroomError] = []
            out = tmp_path / f"out{process}"
            repository.restore("latest", out, on_error=errors.append)
            assert len(errors) == hurt
            if not hurt:
                (copy,) = out.rglob("file")
                assert copy.read_bytes() == (source / "file").read_bytes()


def _stored_twice(tmp_path: Path, source: Path) -> list[Path]:
    """Two data segments with the same chunks, made by two who did not know of each other."""
    with (
        Repository.create(tmp_path / "r", key=ROOT, cache=tmp_path / "one") as one,
        Repository.open(tmp_path / "r", key=ROOT, cache=tmp_path / "two") as two,
    ):
        store = one._opened.store
        real = store.adopt

        def adopt(files: Sequence[tuple[Path, str]]) -> None:
            real(files)
            store.adopt = real  # type: ignore[method-assign]
            two.backup(source)

        store.adopt = adopt  # type: ignore[method-assign]
        one.backup(source)
        segments = [s for s in one._opened.log.segments() if s.type == TYPE_DATA]
        paths = [store.path_of(segment_name(s.id)) for s in segments]
    assert len(paths) == 2
    assert all(path.stat().st_size > 3 * CHUNK_LEN for path in paths)
    return paths


def _flip(path: Path, *places: int) -> None:
    stored = bytearray(path.read_bytes())
    for place in places:
        stored[place] ^= 1
    path.chmod(0o600)
    path.write_bytes(stored)
