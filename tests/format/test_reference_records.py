"""The reference reader refuses wrong frames, records and zstd data."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from . import forge
from .forge import Plan, Record, Stream, forged, patch, seal
from .header_reference import CHUNK, FRAME, HEAD, PAGE, TRAILER
from .refusals import BIG, KEY, SK, SMALL, opened, refusal, rejects


@pytest.fixture(scope="module")
def three_frames() -> Stream:
    return Stream(Plan(BIG[: 2 * CHUNK + 4000], root_key=KEY, pad=False))


def test_reader_rejects_swapped_frames(three_frames: Stream) -> None:
    a, b, c = three_frames.frames()
    rejects(three_frames.assemble([b, a, c]), "frame 0 fails authentication")


def test_reader_rejects_dropped_frames(three_frames: Stream) -> None:
    a, b, c = three_frames.frames()
    rejects(three_frames.assemble([a, c]), "frame 1 fails authentication")
    rejects(three_frames.assemble([b, c]), "frame 0 fails authentication")
    rejects(three_frames.assemble([a, b]), "frame 1 fails authentication")
    rejects(three_frames.assemble([]), "the length is impossible")


def test_reader_rejects_repeated_frames(three_frames: Stream) -> None:
    a, b, c = three_frames.frames()
    rejects(three_frames.assemble([a, a, b, c]), "frame 1 fails authentication")
    rejects(three_frames.assemble([a, b, c, c]), "frame 2 fails authentication")


def test_reader_rejects_every_truncation_and_extension() -> None:
    sealed = seal(SMALL, root_key=KEY)
    for cut in (1, 100, TRAILER - 1, TRAILER, TRAILER + 1, TRAILER + PAGE, len(sealed) - PAGE):
        assert refusal(sealed[:-cut])[0] == 13
    for more in (1, PAGE - 1, PAGE, TRAILER, FRAME):
        assert refusal(sealed + bytes(more))[0] == 13
    for length in (0, 7, 4095):
        rejects(sealed[:length], "the header is cut short")


@pytest.mark.parametrize(
    "change",
    [{"last": False}, {"index": 1}, {"stored_len": 4095}, {"type": 2}, {"plain": bytes(4080)}],
)
def test_reader_rejects_frames_sealed_for_another_place(change: dict[str, Any]) -> None:
    code, _ = refusal(forged(SMALL, root_key=KEY, frames=lambda f: [replace(f[0], **change)]))
    assert code == 13


def test_reader_rejects_a_last_flag_on_an_inner_frame() -> None:
    sealed = forged(
        BIG[: CHUNK + 1], root_key=KEY, frames=lambda f: [replace(f[0], last=True), *f[1:]]
    )
    rejects(sealed, "frame 0 fails authentication")


def test_bit_flips_anywhere_are_refused() -> None:
    sealed = seal(SMALL, root_key=KEY)
    rng = random.Random(2)
    for at in [*rng.sample(range(len(sealed)), 200), 4096, len(sealed) - 1]:
        assert refusal(patch(sealed, at, bytes([sealed[at] ^ 1 << at % 8])))[0] == 13


def edit_record(number: int, **change: Any) -> Callable[[list[Record]], list[Record]]:
    def edit(records: list[Record]) -> list[Record]:
        records[number] = replace(records[number], **change)
        return records

    return edit


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"type": 2}, "unknown record type or codec"),
        ({"type": 3}, "unknown record type or codec"),
        ({"codec": 2}, "unknown record type or codec"),
        ({"zero_a": 1}, "a zero field is not zero"),
        ({"zero_b": 1}, "a zero field is not zero"),
        ({"raw_len": 0}, "impossible raw length"),
        ({"raw_len": 0, "data": b""}, "impossible raw length"),
        ({"raw_len": CHUNK + 1}, "impossible raw length"),
        ({"raw_len": 3999}, "impossible stored length"),
        ({"raw_len": 4001}, "impossible stored length"),
        ({"stored_len": 9000}, "a record runs into the footer"),
        ({"stored_len": 2**32 - 1}, "a record runs into the footer"),
        ({"id": bytes(32)}, "wrong record id"),
        ({"codec": 1}, "impossible stored length"),
        ({"codec": 1, "raw_len": 4001}, "zstd: no frame"),
        ({"at": 4}, "the end record is not zero"),
        ({"at": 48}, "the padding is not zero"),
    ],
)
def test_reader_rejects_a_lying_data_record(change: dict[str, Any], fault: str) -> None:
    sealed = forged(SMALL, root_key=KEY, records=edit_record(0, **change))
    rejects(sealed, fault)


@pytest.mark.parametrize(
    "change", [{"codec": 1}, {"zero_a": 1}, {"stored_len": 1}, {"raw_len": 1}, {"id": SK}]
)
def test_reader_rejects_an_end_record_that_is_not_zero(change: dict[str, Any]) -> None:
    sealed = forged(SMALL, root_key=KEY, records=edit_record(-1, **change))
    rejects(sealed, "the end record is not zero")


def test_reader_rejects_records_out_of_order() -> None:
    data = BIG[: 2 * CHUNK]
    for edit in (
        lambda r: [r[1], r[0], r[2]],
        lambda r: [r[0], r[0], r[2]],
        lambda r: [r[1], r[2]],
    ):
        rejects(forged(data, root_key=KEY, records=edit), "wrong record id")


def test_reader_rejects_records_of_another_segment() -> None:
    foreign = Stream(Plan(SMALL, root_key=KEY)).records()
    rejects(forged(SMALL, root_key=KEY, records=lambda _: foreign), "wrong record id")


def test_reader_rejects_a_missing_end_record() -> None:
    # The record ends exactly where the footer begins.
    size = PAGE - 16 - HEAD - 64
    sealed = forged(BIG[:size], root_key=KEY, records=lambda records: records[:1])
    rejects(sealed, "records run into the footer")


def test_reader_rejects_a_short_chunk_before_another() -> None:
    def cut_in_two(records: list[Record]) -> list[Record]:
        first = replace(records[0], data=SMALL[:2000], raw_len=2000)
        tag = first.id[:24]
        second = Record(data=SMALL[2000:], raw_len=2000, id=tag + struct.pack(">Q", 1))
        return [first, second, records[1]]

    sealed = forged(SMALL, root_key=KEY, records=cut_in_two)
    rejects(sealed, "a chunk before the last one is short")


def zstd_record(data: bytes, raw_len: int) -> Any:
    return edit_record(0, codec=1, data=data, raw_len=raw_len)


def zstd_sealed(
    *, literal: bytes = b"abc", zeros: int = 1000, tail: bytes = b"", **kw: Any
) -> bytes:
    data = forge.zstd_frame(literal, zeros, **kw) + tail
    return forged(SMALL, root_key=KEY, records=zstd_record(data, len(literal) + zeros))


SIZE_4 = struct.pack("<I", 1003)


@pytest.mark.parametrize(
    ("descriptor", "fields"),
    [
        (0xA0, SIZE_4),
        (0xE0, struct.pack("<Q", 1003)),
        (0x60, struct.pack("<H", 1003 - 256)),
        (0x80, b"\x00" + SIZE_4),  # a window of 1 KiB
        (0x80, b"\x50" + SIZE_4),  # a window of 1 MiB
    ],
)
def test_reader_takes_every_way_to_state_the_content_size(descriptor: int, fields: bytes) -> None:
    assert opened(zstd_sealed(descriptor=descriptor, fields=fields)) == b"abc" + bytes(1000)


@pytest.mark.parametrize(
    ("descriptor", "fields", "fault"),
    [
        (0xB0, SIZE_4, "zstd: unused or reserved bit set"),
        (0xA8, SIZE_4, "zstd: unused or reserved bit set"),
        (0xA1, b"\1" + SIZE_4, "zstd: dictionary"),
        (0xA1, b"\0" + SIZE_4, "zstd: dictionary"),
        (0x00, b"\x50", "zstd: no content size"),
        (0xA0, struct.pack("<I", 1002), "zstd: wrong content size"),
        (0xE0, struct.pack("<Q", 1003 + 2**32), "zstd: wrong content size"),
        (0x80, b"\x51" + SIZE_4, "zstd: window too large"),
        (0x80, b"\xff" + SIZE_4, "zstd: window too large"),
    ],
)
def test_reader_rejects_a_lying_zstd_header(descriptor: int, fields: bytes, fault: str) -> None:
    rejects(zstd_sealed(descriptor=descriptor, fields=fields), fault)


@pytest.mark.parametrize("tail", [b"\0", forge.zstd_frame(b"", 5), b"\x50\x2a\x4d\x18\0\0\0\0"])
def test_reader_rejects_anything_after_the_zstd_frame(tail: bytes) -> None:
    code, fault = refusal(zstd_sealed(tail=tail))
    assert code == 13
    assert fault.startswith("zstd: ")


def test_reader_rejects_a_leading_skippable_frame() -> None:
    data = b"\x50\x2a\x4d\x18\0\0\0\0" + forge.zstd_frame(b"abc", 1000)
    sealed = forged(SMALL, root_key=KEY, records=zstd_record(data, 1003))
    rejects(sealed, "zstd: no frame")


@pytest.mark.parametrize("actual", [999, 1001, 2**20])
def test_reader_rejects_zstd_content_of_another_length(actual: int) -> None:
    data = forge.zstd_frame(b"abc", actual, fields=SIZE_4)
    sealed = forged(SMALL, root_key=KEY, records=zstd_record(data, 1003))
    assert refusal(sealed)[0] == 13


def test_reader_rejects_cut_zstd_frames() -> None:
    whole = forge.zstd_frame(b"abc", 1000)
    for length in range(1, len(whole)):
        sealed = forged(SMALL, root_key=KEY, records=zstd_record(whole[:length], 1003))
        code, fault = refusal(sealed)
        assert code == 13
        assert fault.startswith("zstd: ")


def test_reader_rejects_a_wrong_zstd_checksum() -> None:
    code, _ = refusal(zstd_sealed(descriptor=0xA4, checksum=b"\0\0\0\0"))
    assert code == 13


def test_reader_rejects_compressed_data_that_is_not_shorter() -> None:
    data = forge.zstd_frame(b"abc", 0)
    sealed = forged(SMALL, root_key=KEY, records=zstd_record(data, 3))
    rejects(sealed, "impossible stored length")
