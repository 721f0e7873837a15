"""Marks on the chunks of an index: what is needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from strongroom._core.index import LOCATION, ChunkIndex
from strongroom._core.marks import Marks

NOISE = np.random.default_rng(1)
A, B = b"a" * 16, b"b" * 16


def random_ids(count: int) -> np.ndarray:
    return NOISE.integers(0, 256, (count, 32), np.uint8)


def put(index: ChunkIndex, segment: bytes, ids: np.ndarray, length: int) -> None:
    at = np.zeros(len(ids), LOCATION)
    at["segment"], at["stored_length"] = index.number(segment), length
    at["raw_length"] = length
    at["offset"] = np.arange(len(ids)) * (length + 48)
    index.put(ids, at)


@pytest.fixture
def ids() -> np.ndarray:
    return random_ids(5000)


@pytest.fixture
def tables(tmp_path: Path, ids: np.ndarray) -> list[Path]:
    """The second half of the ids in a, then, in a newer table, the last thousand in b."""
    with ChunkIndex() as index:
        put(index, A, ids[2500:], 100)
        index.save(tmp_path / "1", b"")
    with ChunkIndex([tmp_path / "1"]) as index:
        put(index, B, ids[4000:], 1000)
        index.save(tmp_path / "2", b"", fresh_only=True)
    return [tmp_path / "1", tmp_path / "2"]


def test_only_what_is_known_is_marked(tables: list[Path], ids: np.ndarray) -> None:
    with ChunkIndex(tables) as index:
        marks = Marks(index)
        assert not marks.marked(ids).any()
        assert marks.mark(ids).tolist() == [False] * 2500 + [True] * 2500
        assert marks.marked(ids).tolist() == [False] * 2500 + [True] * 2500
        assert not marks.marked(random_ids(1000)).any()


def test_a_tally_counts_each_marked_chunk_once_where_it_is_found(
    tables: list[Path], ids: np.ndarray
) -> None:
    with ChunkIndex(tables) as index:
        marks = Marks(index)
        assert marks.tally() == {A: 0, B: 0}
        marks.mark(ids[2500:2600])
        marks.mark(np.concatenate([ids[2500:2600], ids[4990:], ids[4990:]]))
        assert marks.tally() == {A: 100 * 148, B: 10 * 1048}


def test_dropped_segments_hold_nothing_that_can_be_marked(
    tables: list[Path], ids: np.ndarray
) -> None:
    with ChunkIndex(tables) as index:
        index.drop_segments([B])
        marks = Marks(index)
        assert marks.mark(ids[2500:]).all(), "the older table has them, too"
        assert marks.tally() == {A: 2500 * 148}
    with ChunkIndex(tables) as index:
        index.drop_segments([A])
        marks = Marks(index)
        assert marks.mark(ids).sum() == 1000


def test_an_index_without_tables_has_no_marks(ids: np.ndarray) -> None:
    with ChunkIndex() as index:
        put(index, A, ids[:10], 5)
        marks = Marks(index)
        assert not marks.mark(ids).any()
        assert marks.tally() == {A: 0}
        assert marks.mark(ids[:0]).shape == (0,)
