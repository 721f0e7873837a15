"""The reference reader returns what the forging writer wrote."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from . import forge
from . import header_reference as ref
from . import reference as reading
from .forge import Plan, Record, Stream, seal
from .header_reference import CHUNK, FRAME, HEAD, PAGE, PLAIN
from .refusals import BIG, KEY, SMALL, TEXT, opened, rejects

SIZES = [
    *(0, 1, 47, 48, 4000, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1),
    *(PLAIN - 1, PLAIN, PLAIN + 1, FRAME, 3 * CHUNK),
    # Sizes around which the footer, the end record or a page moves to the next frame.
    *(CHUNK - 64 + d for d in (-49, -48, -47, -1, 0, 1, 15, 16, 17)),
    *(4096 - 16 - 64 - 96 + d for d in (-1, 0, 1)),
]


@pytest.mark.parametrize("pad", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_reader_returns_what_was_sealed(size: int, pad: bool) -> None:
    assert opened(seal(BIG[:size], root_key=KEY, pad=pad)) == BIG[:size]


@pytest.mark.parametrize("pad", [True, False])
@pytest.mark.parametrize("size", [1, 4000, CHUNK, CHUNK + 1, 2 * CHUNK, len(TEXT)])
def test_reader_returns_what_was_compressed(size: int, pad: bool) -> None:
    sealed = seal(TEXT[:size], root_key=KEY, zstd=forge.always, pad=pad)
    assert opened(sealed) == TEXT[:size]
    assert len(sealed) < size / 10 + 13_000


def test_reader_mixes_raw_and_compressed_records() -> None:
    data = BIG[:CHUNK] + TEXT[: 2 * CHUNK] + BIG[: CHUNK + 7]
    assert opened(seal(data, root_key=KEY, zstd=lambda i: i in (1, 2, 3))) == data
    assert opened(seal(data, root_key=KEY, zstd=lambda i: i == 2)) == data


def with_zstd_frames(frames: Sequence[tuple[bytes, int]]) -> Callable[[Stream], list[Record]]:
    """Records of predictable stored length: each holds a literal and zeros up to CHUNK."""

    def records(stream: Stream) -> list[Record]:
        made = []
        for index, (literal, zeros) in enumerate(frames):
            record_id = stream.keys.record_tag + struct.pack(">Q", index)
            data = forge.zstd_frame(literal, zeros)
            raw_len = len(literal) + zeros
            made.append(Record(codec=1, data=data, raw_len=raw_len, id=record_id))
        return [*made, Record(type=0)]

    return records


def stream_of(frames: Sequence[tuple[bytes, int]], **plan: Any) -> Stream:
    stream = Stream(Plan(root_key=KEY, **plan))
    records, edit = with_zstd_frames(frames)(stream), stream.plan.records
    stream.plan.records = lambda _: edit(records)
    return stream


def filling(left: int) -> list[tuple[bytes, int]]:
    """Two chunks whose records leave `left` bytes of the first frame."""
    first = len(forge.zstd_frame(SMALL, CHUNK - 4000))
    want = PLAIN - left - 2 * HEAD - first
    size = next(
        n for n in range(want - 80, want) if len(forge.zstd_frame(BIG[:n], CHUNK - n)) == want
    )
    return [(SMALL, CHUNK - 4000), (BIG[:size], CHUNK - size)]


@pytest.mark.parametrize("left", [0, 1, 47, 48, 49])
@pytest.mark.parametrize("further", [0, 1])
def test_heads_skip_to_the_next_frame_when_fewer_than_48_bytes_remain(
    left: int, further: int
) -> None:
    chunks = filling(left) + further * [(b"more", 5000)]
    stream = stream_of(chunks)
    plain = stream.plaintext()
    footer = ref.FOOTER_FIELDS.unpack(plain[-64:])
    offsets = struct.unpack_from(f">{len(chunks)}Q", plain, footer[2] + HEAD)
    third_head = [*offsets, footer[1]][2]
    assert third_head == (PLAIN if left < HEAD else PLAIN - left)
    expected = b"".join(literal + bytes(zeros) for literal, zeros in chunks)
    assert opened(stream.assemble()) == expected


@pytest.mark.parametrize("left", [1, 47])
def test_reader_rejects_skipped_bytes_that_are_not_zero(left: int) -> None:
    def dirty(records: list[Record]) -> list[Record]:
        return [*records[:-1], replace(records[-1], skipped=b"\1")]

    rejects(stream_of(filling(left), records=dirty).assemble(), "skipped bytes are not zero")


def test_reader_rejects_a_head_that_crosses_a_frame_boundary() -> None:
    def crossing(records: list[Record]) -> list[Record]:
        return [*records[:-1], replace(records[-1], at=PLAIN - 47)]

    chunks = [*filling(47), (b"more", 5000)]
    assert opened(stream_of(chunks).assemble())

    def crossing_data(records: list[Record]) -> list[Record]:
        return [*records[:2], replace(records[2], at=PLAIN - 47), *records[3:]]

    rejects(stream_of(chunks, records=crossing_data).assemble(), "skipped bytes are not zero")
    # An end record that crosses is zeros, so that only the footer can tell.
    rejects(
        stream_of(filling(47), records=crossing).assemble(), "the directory or the footer is wrong"
    )


@pytest.mark.parametrize("overhang", [8, 24, 40])
def test_the_directory_head_may_cross_a_frame_boundary(
    overhang: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A directory this long takes some 500 chunks: small ones do as well.
    for module in (reading, forge):
        monkeypatch.setattr(module, "CHUNK", 1000)
    last_plain = PAGE - 16
    count = (last_plain - (HEAD - overhang) - 64) // 8
    data = bytes(1000 * count)
    stream = Stream(Plan(data, root_key=KEY, zstd=forge.always))
    used = len(forge.lay_out(stream.records())[0]) + HEAD + 8 * count + 64
    stream.plan.padding = lambda _: bytes(PLAIN + last_plain - used)
    plain = stream.plaintext()
    assert ref.FOOTER_FIELDS.unpack(plain[-64:])[2] == PLAIN - overhang
    assert opened(stream.assemble(stream.frames(plain))) == data
