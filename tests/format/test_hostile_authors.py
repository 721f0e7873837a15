"""What an author who holds the keys can store, and how it is refused."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import replace

import pytest

from strongroom import (
    open_bytes,
)

from . import forge, header_reference
from .attacks import (
    DAMAGED,
    FEW,
    KEY,
    MEDIA,
    SECRET,
    WORDS,
    assert_refused,
    few,
    media,
)
from .forge import Record, forged
from .header_reference import CHUNK

TEXT = b"".join(b"line %d of a long text\n" % i for i in range(140_000))


def record(index: int, **lie: object) -> Callable[[list[Record]], list[Record]]:
    def edit(records: list[Record]) -> list[Record]:
        return [replace(r, **lie) if i == index else r for i, r in enumerate(records)]

    return edit


def text(**lies: object) -> bytes:
    return forged(TEXT, root_key=SECRET, zstd=forge.always, **lies)


def zstd_chunk(data: bytes, raw_len: int = CHUNK) -> Callable[[list[Record]], list[Record]]:
    """The first chunk, stored as the given codec 1 data."""
    return record(0, codec=header_reference.ZSTD, data=data, raw_len=raw_len)


def window(log: int) -> bytes:
    return bytes([log - 10 << 3])


SMALL = 1000  # raw length of a chunk in a stream of that one chunk
SIZE = struct.pack("<I", SMALL)
ZEROS = bytes(SMALL)


def one_zstd(data: bytes, raw_len: int = SMALL) -> bytes:
    return forged(ZEROS, root_key=SECRET, records=zstd_chunk(data, raw_len))


def good_zstd() -> bytes:
    return forge.zstd_frame(b"", SMALL)


def skippable() -> bytes:
    return bytes.fromhex("502A4D18") + struct.pack("<I", 4) + b"skip"


def bomb() -> bytes:
    """Declares a chunk, expands to a gigabyte."""
    return forge.zstd_frame(b"", 2**30, fields=struct.pack("<I", CHUNK))


def stray_chunk(plain: bytes) -> bytes:
    """A raw chunk's content lets the second frame begin as if with a chunk of its own."""
    fields = (header_reference.DATA, header_reference.RAW, 0, CHUNK, CHUNK, 0)
    tag = plain[16:40]
    head = header_reference.RECORD_HEAD.pack(*fields, tag + struct.pack(">Q", 2))
    at = header_reference.PLAIN
    return plain[:at] + head + plain[at + len(head) :]


def straddling(**lies: object) -> bytes:
    """Raw chunks, all of which straddle frames, since the first chunk is compressed."""
    data = bytes(CHUNK) + random.Random(5).randbytes(3 * CHUNK)
    return forged(data, root_key=SECRET, zstd=lambda index: index == 0, **lies)


FORGED = {
    "record type unknown": lambda: few(records=record(0, type=3)),
    "record type huge": lambda: few(records=record(0, type=255)),
    "codec unknown": lambda: few(records=record(0, codec=2)),
    "record zero field": lambda: few(records=record(0, zero_a=1)),
    "record other zero field": lambda: few(records=record(0, zero_b=1)),
    "raw length differs": lambda: few(records=record(0, raw_len=10)),
    "raw length zero": lambda: few(records=record(0, raw_len=0)),
    "stored length huge": lambda: few(records=record(0, stored_len=2**32 - 1)),
    "both lengths huge": lambda: few(records=record(0, stored_len=2**32 - 1, raw_len=2**32 - 1)),
    "raw length over a chunk": lambda: media(records=record(0, raw_len=CHUNK + 1)),
    "record id": lambda: few(records=record(0, id=bytes(32))),
    "record index": lambda: media(records=lambda r: [r[0], replace(r[1], id=r[0].id), *r[2:]]),
    "records swapped": lambda: media(records=lambda r: [r[1], r[0], *r[2:]]),
    "record twice": lambda: media(records=lambda r: [r[0], *r]),
    "record missing": lambda: media(records=lambda r: r[1:]),
    "short record in the middle": lambda: media(
        records=lambda r: [replace(r[0], data=r[0].data[:-1], raw_len=CHUNK - 1), *r[1:]]
    ),
    "no end record": lambda: few(records=lambda r: r[:-1]),
    "end record twice": lambda: few(
        records=lambda r: [*r, Record(type=header_reference.END, id=b"x" * 32)]
    ),
    "end record with data": lambda: few(
        records=lambda r: [*r[:-1], Record(type=header_reference.END, data=b"x", raw_len=1)]
    ),
    "data record after the end": lambda: few(records=lambda r: [r[1], r[0], r[1]]),
    "end record first": lambda: media(records=lambda r: [r[-1], *r]),
    "directory among the records": lambda: few(
        records=lambda r: [Record(type=header_reference.DIRECTORY, data=bytes(8), raw_len=8), *r]
    ),
    "record not where it belongs": lambda: few(records=record(0, at=16)),
    "frame begins with a stray chunk": lambda: straddling(plaintext=stray_chunk),
    "skipped bytes not zero": lambda: text(
        records=lambda r: [
            replace(r[0], codec=header_reference.RAW, data=bytes(CHUNK - 20), raw_len=CHUNK - 20),
            replace(r[1], skipped=b"\1"),
            *r[2:],
        ]
    ),
    "padding not zero": lambda: few(padding=lambda z: z[:-1] + b"\1"),
    "padding begins like a directory": lambda: few(padding=lambda z: z[:-60] + b"\2" + bytes(59)),
    "padding not zero, in a text": lambda: text(padding=lambda z: b"\1" + z[1:]),
    "directory missing": lambda: text(directory=lambda _: None),
    "directory where none belongs": lambda: few(
        padding=lambda z: z[56:],
        directory=lambda _: Record(type=header_reference.DIRECTORY, data=bytes(8), raw_len=8),
    ),
    "directory offset wrong": lambda: text(
        directory=lambda d: d and replace(d, data=d.data[:-1] + b"\1")
    ),
    "directory reversed": lambda: text(directory=lambda d: d and replace(d, data=d.data[::-1])),
    "directory id": lambda: text(directory=lambda d: d and replace(d, id=b"x" * 32)),
    "directory codec": lambda: text(directory=lambda d: d and replace(d, codec=1)),
    "directory raw length": lambda: text(directory=lambda d: d and replace(d, raw_len=8)),
    "directory length huge": lambda: text(
        directory=lambda d: d and replace(d, stored_len=2**32 - 1, raw_len=2**32 - 1)
    ),
    "directory length not whole entries": lambda: text(
        directory=lambda d: d and replace(d, stored_len=len(d.data) - 1, raw_len=len(d.data) - 1)
    ),
    "footer magic": lambda: few(footer=lambda f: replace(f, magic=b"srm-fool")),
    "footer zero": lambda: few(footer=lambda f: replace(f, zero=bytes(15) + b"\1")),
    "footer records_end": lambda: few(footer=lambda f: replace(f, records_end=f.records_end + 1)),
    "footer directory_offset": lambda: text(footer=lambda f: replace(f, directory_offset=48)),
    "footer directory_offset out of nothing": lambda: few(
        footer=lambda f: replace(f, directory_offset=48, directory_bytes=8)
    ),
    "footer directory_bytes": lambda: text(footer=lambda f: replace(f, directory_bytes=8)),
    "footer directory_bytes huge": lambda: text(
        footer=lambda f: replace(f, directory_bytes=2**64 - 8)
    ),
    "footer count": lambda: few(footer=lambda f: replace(f, count=2)),
    "footer count huge": lambda: few(footer=lambda f: replace(f, count=2**64 - 1)),
    "footer raw_total": lambda: few(footer=lambda f: replace(f, raw_total=f.raw_total + 1)),
    "footer raw_total huge": lambda: few(
        footer=lambda f: replace(f, raw_total=2**24 * CHUNK, count=2**24)
    ),
    "footer missing": lambda: few(plaintext=lambda p: p[:-64] + bytes(64)),
    "nothing but zeros": lambda: few(plaintext=lambda p: bytes(len(p))),
    "zstd not smaller than raw": lambda: one_zstd(
        forge.zstd_frame(random.Random(4).randbytes(SMALL), 0)
    ),
    "zstd garbage": lambda: one_zstd(b"\x28\xb5\x2f\xfd" + b"\xff" * 30),
    "zstd empty": lambda: one_zstd(b""),
    "zstd of another length": lambda: one_zstd(forge.zstd_frame(b"", SMALL - 1)),
    "zstd longer than declared": lambda: one_zstd(forge.zstd_frame(b"", SMALL + 1, fields=SIZE)),
    "zstd shorter than declared": lambda: one_zstd(forge.zstd_frame(b"", SMALL - 1, fields=SIZE)),
    "zstd twice": lambda: one_zstd(good_zstd() * 2),
    "zstd with a skippable frame before": lambda: one_zstd(skippable() + good_zstd()),
    "zstd with a skippable frame after": lambda: one_zstd(good_zstd() + skippable()),
    "zstd with a byte after": lambda: one_zstd(good_zstd() + b"\0"),
    "zstd cut short": lambda: one_zstd(good_zstd()[:-1]),
    "zstd without content size": lambda: one_zstd(
        forge.zstd_frame(b"", SMALL, descriptor=0x00, fields=window(20))
    ),
    "zstd with a dictionary id": lambda: one_zstd(
        forge.zstd_frame(b"", SMALL, descriptor=0xA1, fields=b"\7" + SIZE)
    ),
    "zstd with a reserved bit": lambda: one_zstd(forge.zstd_frame(b"", SMALL, descriptor=0xA8)),
    "zstd with an unused bit": lambda: one_zstd(forge.zstd_frame(b"", SMALL, descriptor=0xB0)),
    "zstd with a window of 2^21": lambda: one_zstd(
        forge.zstd_frame(b"", SMALL, descriptor=0x80, fields=window(21) + SIZE)
    ),
    "zstd with a window of 2^41": lambda: one_zstd(
        forge.zstd_frame(b"", SMALL, descriptor=0x80, fields=b"\xff" + SIZE)
    ),
    "zstd with a window a little over 2^20": lambda: one_zstd(
        forge.zstd_frame(b"", SMALL, descriptor=0x80, fields=bytes([10 << 3 | 1]) + SIZE)
    ),
    "zstd with a wrong checksum": lambda: one_zstd(
        forge.zstd_frame(b"", SMALL, descriptor=0xA4, checksum=b"1234")
    ),
    "zstd bomb": lambda: forged(bytes(CHUNK), root_key=SECRET, records=zstd_chunk(bomb())),
    "zstd bomb that declares itself": lambda: one_zstd(forge.zstd_frame(b"", 2**30), raw_len=2**30),
    "declared sizes of 2^32-1 in zstd": lambda: one_zstd(
        forge.zstd_frame(b"", SMALL, fields=b"\xff" * 4), raw_len=2**32 - 1
    ),
    "MAC of another session key": lambda: few(header=lambda h: forge.remac(h, bytes(32))),
    "envelopes reordered": lambda: forged(
        FEW, root_key=SECRET, password=WORDS, envelopes=lambda e: e[::-1]
    ),
    "owner envelope twice": lambda: few(envelopes=lambda e: e * 2),
    "a manifest's type, and an envelope twice": lambda: few(
        envelopes=lambda e: e * 2, header=lambda h: forge.rehash(forge.patch(h, 12, b"\3"))
    ),
}


@pytest.mark.parametrize("attack", FORGED)
def test_a_hostile_author_is_refused(attack, tmp_path):
    assert_refused(FORGED[attack](), DAMAGED, tmp_path)


def test_the_honest_counterparts_open():
    for make, data in ((few, FEW), (media, MEDIA), (text, TEXT)):
        assert open_bytes(make(), key=KEY) == data
    assert open_bytes(one_zstd(good_zstd()), key=KEY) == ZEROS
    widest = forge.zstd_frame(b"", SMALL, descriptor=0x80, fields=window(20) + SIZE)
    assert open_bytes(one_zstd(widest), key=KEY) == ZEROS
