"""Data segments read back: what a session stored comes to where it is wanted."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from strongroom._core.index import ChunkIndex
from strongroom._core.jobs import Watch
from strongroom._core.rows import each_id
from strongroom._core.segments import (
    NOT_FOUND,
    OK,
    SEGMENT_STATUS,
    SPARSE,
    WANT,
    Segments,
    Want,
    segment_error,
    want_error,
)
from strongroom._core.session import SegmentInfo, SessionOptions, WriteSession
from strongroom.errors import CancelledError, DamagedError, SourceError, TargetError
from strongroom.keys.envelope import Session, seal_envelope
from strongroom.keys.rootkey import RootKey
from strongroom.keys.schedule import wrap_key

CHUNK = 2**20 - 64
CHUNK_KEY = bytes(range(32))


@dataclass(frozen=True, slots=True)
class Stored:
    """A repository's segments, and what is in them."""

    folder: Path
    segments: Segments
    infos: list[SegmentInfo]
    data: bytes
    ids: list[bytes]

    @property
    def names(self) -> list[bytes]:
        return [info.id for info in self.infos]

    @property
    def roots(self) -> list[bytes]:
        return [info.root for info in self.infos]

    def path(self, name: bytes) -> Path:
        return self.folder / name.hex()[:2] / name.hex()

    def wants(self) -> list[Want]:
        """All chunks, each to its place."""
        length = len(self.data)
        return [
            Want(one, min(length - at, CHUNK), 0, at)
            for one, at in zip(self.ids, range(0, length, CHUNK), strict=True)
        ]


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Stored]:
    """Media, a text and zeros."""
    data = os.urandom(2 * CHUNK) + b"All work and no play. " * 60000 + bytes(CHUNK)
    key, session, session_key = RootKey.generate(), Session.fresh(), secrets.token_bytes(32)
    options = SessionOptions(
        repo_id=session.repo_id,
        session_id=session.session_id,
        session_key=session_key,
        chunk_key=CHUNK_KEY,
        envelopes=seal_envelope(key, session, session_key),
        level=3,
    )
    with ChunkIndex() as index, WriteSession(options, index=index, folder=tmp_path) as writer:
        _, ids = writer.stream(data)
        writer.finish()
        infos = writer.take_segments()
    for info in infos:
        name = info.id.hex()
        (tmp_path / name[:2]).mkdir(exist_ok=True)
        (tmp_path / name).rename(tmp_path / name[:2] / name)
    wrapping = wrap_key(key, session.repo_id)
    with Segments(
        repo_id=session.repo_id, wrap_key=wrapping, chunk_key=CHUNK_KEY, folder=tmp_path
    ) as segments:
        yield Stored(tmp_path, segments, infos, data, each_id(ids))


@pytest.fixture
def index(stored: Stored) -> Iterator[ChunkIndex]:
    with ChunkIndex() as index:
        assert stored.segments.load(index, stored.names) == {}
        yield index


def test_memory_gets_what_was_stored(stored: Stored, index: ChunkIndex) -> None:
    wants, out = WANT.rows(stored.wants()), bytearray(len(stored.data))
    stored.segments.fetch_into(index, wants, out)
    assert [want.status for want in wants] == [OK] * len(wants)
    assert bytes(out) == stored.data


def test_files_get_what_was_stored(stored: Stored, index: ChunkIndex, tmp_path: Path) -> None:
    other = [want._replace(file=1, flags=SPARSE) for want in stored.wants()]
    wants = WANT.rows(stored.wants() + other)
    seen: list[int] = []
    with (tmp_path / "a").open("wb") as a, (tmp_path / "b").open("wb") as b:
        b.truncate(len(stored.data))
        watch = Watch(progress=lambda _, written: seen.append(written))
        stored.segments.fetch(index, wants, [a.fileno(), b.fileno()], watch=watch)
        holes = os.fstat(b.fileno()).st_blocks < os.fstat(a.fileno()).st_blocks
    assert holes
    assert seen[-1] == 2 * len(stored.data)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == stored.data


def test_what_cannot_be_had_or_written_is_said_of_each_want(
    stored: Stored, index: ChunkIndex, tmp_path: Path
) -> None:
    first, second, *others = stored.wants()
    wants = WANT.rows([first._replace(file=1), second._replace(id=bytes([7] * 32)), *others])
    target = tmp_path / "out"
    target.touch()
    with target.open("r+b") as out, target.open("rb") as closed:
        stored.segments.fetch(index, wants, [out.fileno(), closed.fileno()])
    assert wants[1].status == NOT_FOUND
    assert isinstance(want_error(wants[0], doing="restore"), TargetError)
    assert isinstance(want_error(wants[1], doing="restore"), DamagedError)
    assert want_error(wants[2], doing="restore") is None
    assert target.read_bytes()[2 * CHUNK :] == stored.data[2 * CHUNK :]


def test_sound_segments_verify(stored: Stored) -> None:
    statuses, bad = stored.segments.verify(stored.names, stored.roots)
    assert [segment_error(row, name) for row, name in zip(statuses, stored.names, strict=True)] == [
        None
    ] * len(statuses)
    assert bad == {}
    assert sum(row.chunks for row in statuses) == len(set(stored.ids))
    assert [row.length for row in statuses] == [info.length for info in stored.infos]


def test_a_bad_chunk_is_named(stored: Stored, index: ChunkIndex) -> None:
    at = index.locate(stored.ids[0])
    assert at is not None
    path = next(stored.path(name) for name in stored.names if index.number(name) == at.segment)
    with path.open("r+b") as file:
        file.seek(4096 + at.offset + 100)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    statuses, bad = stored.segments.verify(stored.names, stored.roots)
    assert bad == {bytes.fromhex(path.name): stored.ids[0]}
    errors = [segment_error(row, name) for row, name in zip(statuses, stored.names, strict=True)]
    assert [str(error) for error in errors if error is not None] == [
        f"segment {path.name}: frame 0: authentication failed"
    ]
    wants = WANT.rows([Want(stored.ids[0], CHUNK, 0, 0)])
    stored.segments.fetch_into(index, wants, bytearray(CHUNK))
    assert str(want_error(wants[0], doing="restore")) == (
        f"restore: chunk {stored.ids[0].hex()}: authentication failed"
    )


def test_a_missing_segment_is_named(stored: Stored) -> None:
    gone = stored.names[0]
    stored.path(gone).unlink()
    with ChunkIndex() as index:
        failures = stored.segments.load(index, stored.names)
    assert list(failures) == [gone]
    assert str(failures[gone]) == f"segment {gone.hex()}: missing"
    statuses, _ = stored.segments.verify(stored.names, stored.roots)
    assert [row.status for row in statuses] == [NOT_FOUND] + [OK] * (len(statuses) - 1)


def test_another_root_is_refused(stored: Stored) -> None:
    statuses, bad = stored.segments.verify(stored.names[:1], [bytes(32)])
    assert "root it should have" in str(segment_error(statuses[0], stored.names[0]))
    assert len(bad) == 0


def test_a_call_can_be_stopped(stored: Stored) -> None:
    class Stop:
        def is_set(self) -> bool:
            return True

    names, roots = stored.names * 2000, stored.roots * 2000
    with pytest.raises(CancelledError):
        stored.segments.verify(names, roots, watch=Watch(cancel=Stop()))


def test_wrong_arguments_are_refused(stored: Stored, index: ChunkIndex, tmp_path: Path) -> None:
    segments = stored.segments
    with pytest.raises(ValueError, match="16 bytes"):
        segments.load(index, [b"short"])
    with pytest.raises(ValueError, match="roots"):
        segments.verify(stored.names, [])
    with pytest.raises(ValueError, match="layout"):
        segments.fetch(index, SEGMENT_STATUS.zeros(3), [])
    with pytest.raises(SourceError):
        Segments(
            repo_id=bytes(32), wrap_key=bytes(32), chunk_key=bytes(32), folder=tmp_path / "none"
        )
    with pytest.raises(ValueError, match="32 bytes"):
        Segments(repo_id=b"", wrap_key=bytes(32), chunk_key=bytes(32), folder=tmp_path)
    segments.close()
    segments.close()
    with pytest.raises(ValueError, match="closed"):
        segments.load(index, stored.names)
