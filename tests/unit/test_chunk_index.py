"""The chunk index, as Python uses it."""

from __future__ import annotations

import os
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

from strongroom._core.index import LOCATION, ChunkIndex, read_note
from strongroom.errors import DamagedError, LimitError, SourceError, TargetError

NOTE = b"as of entry 7"
PADDED = NOTE + bytes(64 - len(NOTE))
ONE, TWO = b"1" * 16, b"2" * 16
TEN_MILLION = 10_000_000


def some_ids(count, *, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 32), dtype=np.uint8)


def locations(count, *, segment):
    at = np.zeros(count, dtype=LOCATION)
    at["segment"], at["offset"], at["stored_length"] = segment, np.arange(count), 5
    at["raw_length"] = 6 + np.arange(count) % 1000
    return at


def filled(ids, *, segment=ONE, tables=()):
    index = ChunkIndex(tables)
    index.put(ids, locations(len(ids), segment=index.number(segment)))
    return index


def test_what_was_put_is_found():
    ids, others = some_ids(1000), some_ids(1000, seed=1)
    with filled(ids) as index:
        assert index.find(ids).all()
        assert not index.find(others).any()
        assert index.find(np.concatenate([others, ids])[::2]).sum() == 500
        assert index.find(ids).dtype == np.bool_
        assert index.has_all(ids)
        assert index.has_all(b"")
        assert not index.has_all(np.concatenate([ids, others[:1]]))
        assert index.lengths(np.concatenate([ids[:2], others[:1]])).tolist() == [6, 7, 0]
        assert len(index) == 1000
        assert index.segments() == {ONE}
        assert index.locate(ids[7].tobytes()) == (index.number(ONE), 7, 5, 13)
        assert index.locate(others[7].tobytes()) is None
        assert index.find(ids[:0]).shape == (0,)


def test_chunks_are_removed_and_segments_dropped():
    ids = some_ids(30)
    with filled(ids[:20]) as index:
        index.put(ids[20:], locations(10, segment=index.number(TWO)))
        index.remove(ids[:5])
        assert index.find(ids).tolist() == [False] * 5 + [True] * 25
        index.drop_segments([TWO, b"x" * 16])
        assert index.find(ids).tolist() == [False] * 5 + [True] * 15 + [False] * 10
        assert index.segments() == {ONE}


def test_a_saved_index_is_opened_again(tmp_path):
    ids = some_ids(3000)
    old, new = tmp_path / "old", tmp_path / "new"
    with filled(ids[:2000]) as index:
        index.save(old, NOTE)
    with filled(ids[2000:], segment=TWO, tables=[old]) as index:
        index.remove(ids[:1])
        index.save(new, b"", fresh_only=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old"]
    assert (read_note(old), read_note(new)) == (PADDED, bytes(64))
    assert new.stat().st_size < old.stat().st_size
    with ChunkIndex([old, new]) as index:
        assert index.find(ids).tolist() == [False] + [True] * 2999
        assert index.segments() == {ONE, TWO}
        index.save(old, NOTE)  # over what is mapped: it is replaced, not changed
        assert index.find(ids).sum() == 2999
    with ChunkIndex([old]) as index:
        assert index.find(ids).sum() == len(index) == 2999


def test_tables_of_no_use_are_refused(tmp_path):
    path = tmp_path / "table"
    with filled(some_ids(100)) as index:
        index.save(path, NOTE)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(DamagedError, match="table"):
        ChunkIndex([path])
    assert read_note(path) == PADDED
    path.write_bytes(whole[:100])
    for use in (read_note, lambda at: ChunkIndex([at])):
        with pytest.raises(DamagedError):
            use(path)
        with pytest.raises(SourceError, match="No such file"):
            use(tmp_path / "none")
    path.write_bytes(whole)
    with pytest.raises(LimitError):
        ChunkIndex([path] * 65)


def test_saving_leaves_nothing_behind_when_it_fails(tmp_path):
    with filled(some_ids(100_000)) as index:
        with pytest.raises(TargetError, match="No such file"):
            index.save(tmp_path / "none" / "table", NOTE)
        with pytest.raises(ValueError, match="64 bytes"):
            index.save(tmp_path / "table", bytes(65))
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
        try:
            with pytest.raises(TargetError, match="writing failed"):
                index.save(tmp_path / "table", NOTE)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ids", [np.zeros(32, np.uint16), np.zeros((2, 31), np.uint8)])
def test_ids_of_another_shape_are_refused(ids):
    with ChunkIndex() as index:
        for use in (
            index.find,
            index.has_all,
            index.remove,
            lambda rows: index.put(rows, np.zeros(2, LOCATION)),
        ):
            with pytest.raises(ValueError, match="32 bytes"):
                use(ids)
        with pytest.raises(ValueError, match="as many locations"):
            index.put(some_ids(3), locations(2, segment=0))


@pytest.mark.parametrize("length", [0, 15, 17, 31, 64])
def test_what_is_no_single_id_is_refused(length):
    # The core would read on behind it.
    with ChunkIndex() as index:
        with pytest.raises(ValueError, match="32 bytes"):
            index.locate(bytes(length))
        with pytest.raises(ValueError, match="16 bytes"):
            index.number(bytes(length))


def test_a_closed_index_says_so():
    index = ChunkIndex()
    index.close()
    index.close()
    with pytest.raises(ValueError, match="closed"):
        index.find(some_ids(1))


def test_an_index_can_be_closed_while_another_thread_asks():
    ids = some_ids(200_000)
    for _ in range(5):
        index = filled(ids)
        asking = Event()

        def ask(index=index, asking=asking):
            with suppress(ValueError):  # it is closed
                while True:
                    asking.set()
                    index.find(ids)

        thread = Thread(target=ask)
        thread.start()
        asking.wait()
        index.close()
        thread.join()


def memory() -> int:
    """Bytes of this process that no file backs."""
    pages = Path("/proc/self/statm").read_text().split()
    return (int(pages[1]) - int(pages[2])) * os.sysconf("SC_PAGE_SIZE")


def test_ten_million_chunks_fit_a_small_index(tmp_path, capsys):
    """36 bytes a chunk on disk at most, and hardly any memory once it is a file."""
    path = tmp_path / "table"
    ids = some_ids(TEN_MILLION)
    begun, before = time.monotonic(), memory()
    with filled(ids) as index:
        built, grown = time.monotonic(), memory() - before
        index.save(path, NOTE)
        saved = time.monotonic()
    size = path.stat().st_size
    before, opened_at = memory(), time.monotonic()
    with ChunkIndex([path]) as index:
        opened = time.monotonic()
        assert len(index) == TEN_MILLION
        assert index.find(ids).all()
        looked_up = time.monotonic()
        mapped = memory() - before
        assert not index.find(ids[:100_000] ^ 1).any()
    with capsys.disabled():
        sys.stdout.write(
            f"\n10 million chunks: put in {built - begun:.1f} s"
            f" and {grown / TEN_MILLION:.0f} B each in memory;"
            f" saved in {saved - built:.1f} s, {size / TEN_MILLION:.1f} B each;"
            f" opened in {1000 * (opened - opened_at):.0f} ms;"
            f" looked up in {looked_up - opened:.1f} s with {mapped >> 20} MiB of memory\n"
        )
    assert size <= 36 * TEN_MILLION
    assert mapped < 64 << 20
