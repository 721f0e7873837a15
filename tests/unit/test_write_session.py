"""Files and streams taken into segments, as Python sees it. The C tests look into segments."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path

import blake3
import pytest

from strongroom._core import session as core
from strongroom._core.constants import CHUNK_LEN
from strongroom._core.index import ChunkIndex
from strongroom._core.jobs import Watch
from strongroom._core.rows import each_id
from strongroom._core.session import SegmentInfo, SessionOptions, WriteSession
from strongroom.errors import CancelledError, SourceError, StrongroomError, TargetError

OWNER = bytes([1, 0, 0, 112]) + bytes(112)
OPTIONS = SessionOptions(
    repo_id=b"r" * 32,
    session_id=b"s" * 16,
    session_key=b"k" * 32,
    chunk_key=b"c" * 32,
    envelopes=OWNER,
    level=1,
)


class Set:
    """A cancel that is set already."""

    def is_set(self) -> bool:
        return True


@pytest.fixture
def index() -> Iterator[ChunkIndex]:
    with ChunkIndex() as made:
        yield made


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


@pytest.fixture
def session(index: ChunkIndex, spool: Path) -> Iterator[WriteSession]:
    with WriteSession(OPTIONS, index=index, folder=spool) as made:
        yield made


def chunk_id(data: bytes) -> bytes:
    return blake3.blake3(data, key=OPTIONS.chunk_key).digest()


def test_files_are_told_by_the_ids_of_their_chunks(
    session: WriteSession, spool: Path, tmp_path: Path
) -> None:
    small, big = os.urandom(1000), os.urandom(2 * CHUNK_LEN + 7)
    (tmp_path / "small").write_bytes(small)
    (tmp_path / "big").write_bytes(big)
    (tmp_path / "empty").touch()
    names = [b"small", b"big", b"missing", b"empty", b"spool"]
    paths = [os.fsencode(tmp_path) + b"/" + name for name in names]
    results, ids = session.files(paths)
    statuses = [core.OK, core.OK, core.UNREADABLE, core.OK, core.NOT_REGULAR]
    assert [row.status for row in results] == statuses
    assert [row.size for row in results] == [len(small), len(big), 0, 0, 0]
    assert [row.id_count for row in results] == [1, 3, 0, 0, 0]
    stat = (tmp_path / "big").stat()
    assert (results[1].mtime_ns, results[1].ino) == (stat.st_mtime_ns, stat.st_ino)
    assert (results[1].mode, results[1].ctime_ns) == (stat.st_mode, stat.st_ctime_ns)

    def ids_of(i: int) -> list[bytes]:
        return each_id(ids)[results[i].first_id :][: results[i].id_count]

    assert len(ids) == 4 * 32
    assert ids_of(0) == [chunk_id(small)]
    assert ids_of(1) == [chunk_id(big[at : at + CHUNK_LEN]) for at in range(0, len(big), CHUNK_LEN)]
    session.finish()
    check_spool(session.take_segments(), spool, chunks=4)
    assert session.take_segments() == []


def check_spool(segments: list[SegmentInfo], spool: Path, *, chunks: int) -> None:
    found = {path.name: path.stat().st_size for path in spool.iterdir()}
    assert {s.id.hex(): s.length for s in segments} == found
    assert sum(s.chunks for s in segments) == chunks
    assert all(s.type == 2 and len(s.root) == 32 for s in segments)


def test_paths_are_relative_to_a_folder(session: WriteSession, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        results, ids = session.files([b"file"], dir_fd=fd)
    finally:
        os.close(fd)
    assert [row.status for row in results] == [core.OK]
    assert ids == chunk_id(b"abc")


def test_no_files_are_fine(session: WriteSession) -> None:
    results, ids = session.files([])
    assert (len(results), ids) == (0, b"")


def test_a_path_with_a_zero_in_it_is_refused(session: WriteSession) -> None:
    with pytest.raises(StrongroomError, match="invalid argument"):
        session.files([b"a\0b"])


def test_what_the_index_knows_is_not_stored(index: ChunkIndex, spool: Path) -> None:
    data = os.urandom(CHUNK_LEN + 5)
    with WriteSession(OPTIONS, index=index, folder=spool) as first:
        result, ids = first.stream(data)
        assert result.new_len == len(data) + 2 * 48
        assert first.stream(data)[0].new_len == 0
        first.finish()
        check_spool(first.take_segments(), spool, chunks=2)
    assert index.find(ids).all()
    with WriteSession(OPTIONS, index=index, folder=spool) as second:
        assert second.stream(data)[0].new_len == 0
        second.finish()
        assert second.take_segments() == []


@pytest.mark.parametrize("length", [0, 1, CHUNK_LEN, 3 * CHUNK_LEN + 1])
def test_streams_are_read_from_files_and_memory(
    session: WriteSession, tmp_path: Path, length: int
) -> None:
    data = os.urandom(length)
    result, ids = session.stream(data)
    assert (result.size, result.id_count) == (length, -(-length // CHUNK_LEN))
    (tmp_path / "file").write_bytes(data)
    with (tmp_path / "file").open("rb") as file:
        again, same = session.stream(file.fileno())
    assert (again.size, again.new_len) == (length, 0)
    assert ids == same


def test_what_is_not_finished_is_removed(index: ChunkIndex, spool: Path) -> None:
    with WriteSession(OPTIONS, index=index, folder=spool) as session:
        _, ids = session.stream(b"abc")
        assert len(list(spool.iterdir())) == 1
        assert index.find(ids).all()
    assert list(spool.iterdir()) == []
    assert not index.find(ids).any()


def test_a_session_that_is_forgotten_frees_itself_before_its_index(spool: Path) -> None:
    session = WriteSession(OPTIONS, index=ChunkIndex(), folder=spool)
    session.stream(b"abc")
    gc.collect()  # of what other tests left, nothing is to go meanwhile
    before = len(list(Path("/proc/self/fd").iterdir()))
    del session
    gc.collect()
    assert list(spool.iterdir()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == before - 2


def test_a_cancelled_call_only_ends_early(session: WriteSession, tmp_path: Path) -> None:
    read, write = os.pipe()
    try:
        with pytest.raises(CancelledError):
            session.stream(read, watch=Watch(cancel=Set()))
    finally:
        os.close(read)
        os.close(write)
    (tmp_path / "file").write_bytes(b"abc")
    results, ids = session.files([bytes(tmp_path / "file")])
    assert (results[0].size, len(ids)) == (3, 32)
    session.flush()
    assert len(session.take_segments()) == 1
    session.finish()
    assert session.take_segments() == []


def test_a_source_that_cannot_be_read_is_told(session: WriteSession, spool: Path) -> None:
    fd = os.open(spool, os.O_RDONLY)
    try:
        with pytest.raises(SourceError, match="storing a stream"):
            session.stream(fd)
    finally:
        os.close(fd)


def test_a_folder_that_is_not_there_is_told(index: ChunkIndex, spool: Path) -> None:
    with pytest.raises(TargetError, match="No such file"):
        WriteSession(OPTIONS, index=index, folder=spool / "none")


def test_a_folder_that_went_away_is_told(session: WriteSession, spool: Path) -> None:
    spool.rmdir()
    with pytest.raises(TargetError, match="writing failed"):
        session.stream(b"abc")


def test_a_closed_session_says_so(index: ChunkIndex, spool: Path) -> None:
    session = WriteSession(OPTIONS, index=index, folder=spool)
    session.close()
    session.close()
    with pytest.raises(ValueError, match="closed"):
        session.stream(b"abc")


def test_progress_counts_what_is_read_and_stored(session: WriteSession) -> None:
    seen: list[tuple[int, int]] = []
    watch = Watch(progress=lambda read, stored: seen.append((read, stored)))
    session.stream(os.urandom(CHUNK_LEN), watch=watch)
    assert seen[-1][0] == CHUNK_LEN
    assert seen[-1][1] >= CHUNK_LEN


def test_keys_are_not_shown() -> None:
    assert repr(OPTIONS) == str(OPTIONS) == "SessionOptions(hidden)"
    assert not isinstance(OPTIONS, Iterable)  # reporters of errors list what they can


# --- Chunks in memory ---


def test_chunks_in_memory_are_stored_one_by_one(session: WriteSession, index: ChunkIndex) -> None:
    chunks = [b"x", os.urandom(CHUNK_LEN), b"y" * 5000, *[bytes([n]) * (n + 1) for n in range(250)]]
    ends = list(accumulate(map(len, chunks)))
    ids = session.chunks(b"".join(chunks), ends)
    assert each_id(ids) == [chunk_id(chunk) for chunk in chunks]
    assert index.find(ids).all()
    session.finish()
    assert sum(info.chunks for info in session.take_segments()) == len(set(chunks))


def test_no_chunks_are_no_segments(session: WriteSession) -> None:
    assert session.chunks(b"", []) == b""
    session.finish()
    assert session.take_segments() == []


@pytest.mark.parametrize("ends", [[0], [3, 3], [3, 2], [7], [CHUNK_LEN + 1]])
def test_ends_that_cannot_be_are_refused(session: WriteSession, ends: list[int]) -> None:
    with pytest.raises((ValueError, StrongroomError)):
        session.chunks(bytes(max(5, ends[-1] if ends[-1] > 7 else 0)), ends)
    assert session.chunks(b"abc", [3]) == chunk_id(b"abc"), "it goes on"


@pytest.mark.parametrize("end", [-1, 2**64])
def test_memory_is_let_go_where_ends_are_no_lengths(session: WriteSession, end: int) -> None:
    memory = bytearray(5)
    with pytest.raises(OverflowError) as failed:
        session.chunks(memory, [end])
    memory.clear()
    assert failed.tb is not None
