"""Manifests that no writer made are refused, and cost no memory."""

from __future__ import annotations

import io
import mmap
import struct
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom._core import CHUNK_LEN
from strongroom.errors import DamagedError, StrongroomError, UnsupportedError
from strongroom.manifest.entry import (
    CHAR_DEVICE,
    FIFO,
    FOLDER,
    SYMLINK,
    Entry,
    decode,
    encode,
)
from strongroom.manifest.merge import Earlier
from strongroom.manifest.reader import ManifestReader
from strongroom.manifest.writer import START
from tests.manifest.test_manifest import entry, read_all, trees, written

ID = b"\x02\0\0\x20" + bytes(32)


def end(entries: int, files: int, size: int) -> bytes:
    return b"\x03\0\0\x18" + struct.pack(">QQQ", entries, files, size)


def manifest(*items: Entry | bytes) -> bytes:
    """Items, and an end that agrees with them."""
    entries = [item for item in items if isinstance(item, Entry)]
    files = [item for item in entries if item.type == 1]
    body = b"".join(encode(item) if isinstance(item, Entry) else item for item in items)
    return START + body + end(len(entries), len(files), sum(item.size for item in files))


def refused(stored: bytes, match: str | None = None) -> None:
    with pytest.raises(DamagedError, match=match):
        read_all(stored)


def test_the_maker_of_these_makes_good_ones_too():
    assert [e.path for e, _ in read_all(manifest(entry(b"a", FOLDER), entry(b"a/b")))]


@pytest.mark.parametrize(
    "path",
    [b"", b"/", b"/etc/passwd", b"a/", b"a//b", b".", b"..", b"../x", b"a/../../x", b"a/./b"],
)
def test_paths_that_lead_elsewhere(path):
    parents = [entry(b"a", FOLDER)] if path.startswith(b"a/") else []
    refused(manifest(*parents, entry(path)), "not one that a snapshot may have")
    with pytest.raises(DamagedError):
        decode(encode(entry(path, FOLDER)))


@pytest.mark.parametrize("field", ["path", "user", "group", "target"])
def test_nul_anywhere(field):
    link = entry(b"a", SYMLINK)._replace(**{field: b"a\0b"})
    refused(manifest(link), "NUL")


@pytest.mark.parametrize(
    "paths",
    [
        [b"a", b"a"],
        [b"b", b"a"],
        [b"a/b"],
        [b"D", b"D/b", b"D/b"],
        [b"D", b"D/b", b"D/a"],
        [b"D", b"D/x", b"D"],
        [b"D", b"E", b"D/x"],
        [b"D", b"D.x", b"D/x"],
        [b"D", b"D/F", b"D/F/x", b"D/E"],
        [b"a", b"a/b"],
        [b"D", b"Dx/y"],
    ],
)
def test_paths_out_of_order_doubled_or_in_no_folder(paths):
    items = [entry(p, FOLDER if p.rpartition(b"/")[2].isupper() else 1) for p in paths]
    refused(manifest(*items), "out of order, doubled or in no folder")


def test_a_link_is_no_folder():
    refused(manifest(entry(b"a", SYMLINK, target=b"/etc"), entry(b"a/passwd")), "in no folder")


@pytest.mark.parametrize(
    "item",
    [
        entry(b"a", 0),
        entry(b"a", 8),
        entry(b"a", mode=0o10000),
        entry(b"a", flags=2),
        entry(b"a", flags=128),
        entry(b"a", FOLDER, flags=1),
        entry(b"a", FOLDER, size=1),
        entry(b"a", SYMLINK, size=1),
        entry(b"a", SYMLINK, target=b""),
        entry(b"a", target=b"x"),
        entry(b"a", FIFO, target=b"x"),
        entry(b"a", rdev=1),
        entry(b"a", FIFO, rdev=1),
        entry(b"a", SYMLINK, rdev=1),
    ],
)
def test_entries_that_contradict_themselves(item):
    refused(manifest(item))


def test_a_device_may_have_a_number():
    read_all(manifest(entry(b"a", CHAR_DEVICE, rdev=259)))


def test_a_field_that_is_zero_is_zero():
    stored = bytearray(encode(entry(b"a")))
    stored[4 + 3] = 1
    refused(manifest(bytes(stored)))


@given(st.binary(max_size=200))
def test_an_entry_of_any_bytes_is_refused_or_what_encode_makes(body):
    item = b"\x01" + len(body).to_bytes(3, "big") + body
    try:
        found = decode(item)
    except DamagedError:
        return
    assert encode(found) == item


@given(st.data())
def test_an_altered_entry_is_refused_or_what_encode_makes(data):
    xattrs = ((b"user.a", b"1"), (b"user.b", b""))
    item = bytearray(encode(entry(b"d/e", SYMLINK, user=b"me", group=b"us", xattrs=xattrs)))
    for _ in range(data.draw(st.integers(1, 3))):
        item[data.draw(st.integers(4, len(item) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(item[: data.draw(st.integers(0, len(item)))])
    for stored in (bytes(item), cut):
        try:
            found = decode(stored)
        except DamagedError:
            continue
        assert encode(found)[4:] == stored[4:]


@pytest.mark.parametrize(
    "xattrs",
    [
        ((b"", b"x"),),
        ((b"a", b"x"), (b"a", b"y")),
        ((b"b", b"x"), (b"a", b"y")),
        ((b"a\0b", b"x"),),
    ],
)
def test_extended_attributes_that_cannot_be(xattrs):
    refused(manifest(entry(b"a", xattrs=xattrs)), "extended attributes")


def test_extended_attributes_cut_off():
    item = encode(entry(b"a", xattrs=((b"user.a", b"value"),)))
    for cut in (1, 5, 6, 11, 13):
        body = bytearray(item[4:-cut])
        body[84:88] = (17 - cut).to_bytes(4, "big")
        with pytest.raises(DamagedError):
            decode(b"\x01" + len(body).to_bytes(3, "big") + bytes(body))


@pytest.mark.parametrize(
    "ids",
    [
        b"",
        ID,
        ID * 2,  # two items where one would do
        b"\x02\0\0\x00",
        b"\x02\0\0\x60" + bytes(96),
        b"\x02\0\0\x3f" + bytes(63),
        b"\x02\0\0\x40" + bytes(64) + ID,
    ],
)
def test_a_file_has_exactly_its_chunks(ids):
    refused(manifest(entry(b"a", size=CHUNK_LEN + 1), ids), "chunk ids")
    refused(manifest(entry(b"a", size=CHUNK_LEN + 1), ids, entry(b"b")), "chunk ids")


@pytest.mark.parametrize("before", [[], [entry(b"a")], [entry(b"a", FOLDER)]])
def test_chunks_of_nothing(before):
    refused(manifest(*before, ID), "chunk ids")


def test_items_of_unknown_kinds():
    for kind in (0, 4, 255):
        refused(manifest(bytes([kind, 0, 0, 1, 7])), "unknown kind")


@pytest.mark.parametrize(
    "stored",
    [
        START + encode(entry(b"a")) + end(2, 1, 0),
        START + encode(entry(b"a")) + end(1, 0, 0),
        START + encode(entry(b"a")) + end(1, 1, 1),
        START + end(0, 0, 0)[:-1],
        START + b"\x03\0\0\x10" + bytes(16),
        START + b"\x03\0\0\x20" + bytes(32),
    ],
)
def test_an_end_that_does_not_agree(stored):
    refused(stored)


def test_nothing_follows_the_end():
    refused(manifest() + b"\0", "follows")
    refused(manifest(entry(b"a")) + manifest(entry(b"b"))[16:], "follows")


@given(trees(), st.data())
def test_every_cut_shows(entries, data):
    stored = written(entries)
    refused(stored[: data.draw(st.integers(0, len(stored) - 1))])


def test_what_is_no_manifest():
    refused(b"", "no manifest")
    refused(b"srm-tree\0\x01", "no manifest")
    refused(b"x" + manifest()[1:], "no manifest")
    with pytest.raises(UnsupportedError):
        read_all(START[:9] + b"\x02" + manifest()[10:])


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(noise):
    for stored in (noise, START + noise):
        with pytest.raises(StrongroomError):
            read_all(stored)
        Earlier(io.BytesIO(START + noise)).find(b"a")


class Endless(io.RawIOBase):
    """Blocks as they are made."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = b""

    def read(self, size: int = -1, /) -> bytes:
        while len(self._rest) < size and (block := next(self._blocks, b"")):
            self._rest += block
        out, self._rest = self._rest[:size], self._rest[size:]
        return out


def peak_of(stored: Iterator[bytes]) -> int:
    tracemalloc.start()
    reader = ManifestReader(Endless(stored), doing="reading a bomb")
    try:
        with pytest.raises(DamagedError):
            max(len(ids) for _ in reader for ids in reader.ids())
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_many_entries_cost_time_only():
    def bomb() -> Iterator[bytes]:
        yield START
        for block in range(0, 60_000, 100):
            yield b"".join(encode(entry(b"%08d" % i, FOLDER)) for i in range(block, block + 100))

    assert peak_of(bomb()) < 3 << 20


def test_a_million_entries_take_no_more_memory_than_a_few():
    head, _, tail = encode(entry(b"%08d" % 0, FOLDER)).partition(b"%08d" % 0)
    resident = []

    def bomb() -> Iterator[bytes]:
        yield START
        for block in range(0, 1_000_000, 500):
            if block % 50_000 == 0:
                pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
                resident.append(pages * mmap.PAGESIZE)
            yield b"".join(head + b"%08d" % i + tail for i in range(block, block + 500))

    with pytest.raises(DamagedError):
        for _ in ManifestReader(Endless(bomb()), doing="reading a bomb"):
            pass
    assert len(resident) == 20
    assert max(resident) - resident[1] < 4 << 20


def test_many_ids_cost_time_only():
    def bomb() -> Iterator[bytes]:
        yield START + encode(entry(b"a", size=2**64 - 1))
        for _ in range(200):
            yield b"\x02\x02\0\0" + bytes(1 << 17)

    assert peak_of(bomb()) < 3 << 20


def test_deep_folders_cost_the_length_of_their_path():
    def bomb() -> Iterator[bytes]:
        yield START
        for depth in range(1, 2000):
            yield encode(entry(b"/".join([b"d"] * depth), FOLDER))

    assert peak_of(bomb()) < 3 << 20


def test_a_length_that_lies_costs_an_item_at_most():
    assert peak_of(iter([START, b"\x01\xff\xff\xff", bytes(100)])) < 3 << 20
