"""Data segments read back: what a session stored comes to where it is wanted."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from strongroom._native import ffi

from strongroom._core.index import ChunkIndex
from strongroom._core.jobs import Watch
from strongroom._core.segments import (
    NOT_FOUND,
    OK,
    SEGMENT_STATUS,
    SPARSE,
    WANT,
    Segments,
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
    ids: NDArray[np.uint8]

    @property
    def names(self) -> list[bytes]:
        return [info.id for info in self.infos]

    @property
    def roots(self) -> list[bytes]:
        return [info.root for info in self.infos]

    def path(self, name: bytes) -> Path:
        return self.folder / name.hex()[:2] / name.hex()

    def wants(self) -> NDArray[np.void]:
        """All chunks, each to its place."""
        wants = np.zeros(len(self.ids), WANT)
        wants["id"] = self.ids
        wants["off"] = np.arange(len(self.ids)) * CHUNK
        wants["raw_len"] = np.minimum(len(self.data) - wants["off"].astype(np.int64), CHUNK)
        return wants


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
        yield Stored(tmp_path, segments, infos, data, ids)


@pytest.fixture
def index(stored: Stored) -> Iterator[ChunkIndex]:
    with ChunkIndex() as index:
        assert stored.segments.load(index, stored.names) == {}
        yield index


@pytest.mark.parametrize(
    ("dtype", "name"), [(WANT, "srm_want"), (SEGMENT_STATUS, "srm_segment_status")]
)
def test_arrays_lie_in_memory_as_the_core_has_them(dtype: np.dtype[np.void], name: str) -> None:
    assert dtype.itemsize == ffi.sizeof(name)
    assert dtype.fields is not None
    fields = dict(ffi.typeof(name).fields)
    assert {field: dtype.fields[field][1] for field in fields} == {
        field: found.offset for field, found in fields.items()
    }
    assert set(dtype.fields) == set(fields)
    for field, found in fields.items():
        assert dtype.fields[field][0].itemsize == ffi.sizeof(found.type)


def test_memory_gets_what_was_stored(stored: Stored, index: ChunkIndex) -> None:
    wants, out = stored.wants(), bytearray(len(stored.data))
    stored.segments.fetch_into(index, wants, out)
    assert list(wants["status"]) == [OK] * len(wants)
    assert bytes(out) == stored.data


def test_files_get_what_was_stored(stored: Stored, index: ChunkIndex, tmp_path: Path) -> None:
    wants = np.concatenate([stored.wants(), stored.wants()])
    wants["file"][len(wants) // 2 :] = 1
    wants["flags"][len(wants) // 2 :] = SPARSE
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
    wants = stored.wants()
    wants["id"][1] = 7
    wants["file"][0] = 1
    target = tmp_path / "out"
    target.touch()
    with target.open("r+b") as out, target.open("rb") as closed:
        stored.segments.fetch(index, wants, [out.fileno(), closed.fileno()])
    assert wants["status"][1] == NOT_FOUND
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
    assert statuses["chunks"].sum() == len(np.unique(stored.ids, axis=0))
    assert list(statuses["length"]) == [info.length for info in stored.infos]


def test_a_bad_chunk_is_named(stored: Stored, index: ChunkIndex) -> None:
    at = index.locate(bytes(stored.ids[0]))
    assert at is not None
    path = next(stored.path(name) for name in stored.names if index.number(name) == at[0])
    with path.open("r+b") as file:
        file.seek(4096 + at[1] + 100)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    statuses, bad = stored.segments.verify(stored.names, stored.roots)
    assert {name: [bytes(row) for row in ids] for name, ids in bad.items()} == {
        bytes.fromhex(path.name): [bytes(stored.ids[0])]
    }
    errors = [segment_error(row, name) for row, name in zip(statuses, stored.names, strict=True)]
    assert [str(error) for error in errors if error is not None] == [
        f"segment {path.name}: frame 0: authentication failed"
    ]


def test_a_missing_segment_is_named(stored: Stored) -> None:
    gone = stored.names[0]
    stored.path(gone).unlink()
    with ChunkIndex() as index:
        failures = stored.segments.load(index, stored.names)
    assert list(failures) == [gone]
    assert str(failures[gone]) == f"segment {gone.hex()}: missing"
    statuses, _ = stored.segments.verify(stored.names, stored.roots)
    assert statuses["status"][0] == NOT_FOUND
    assert all(statuses["status"][1:] == OK)


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
    with pytest.raises(ValueError, match="type"):
        segments.fetch(index, np.zeros(3, np.uint8), [])
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
