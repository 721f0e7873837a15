"""What is written is read again; the order is that of components."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom._core import CHUNK_LEN
from strongroom.errors import LimitError, StrongroomError
from strongroom.manifest.entry import (
    BLOCK_DEVICE,
    CHAR_DEVICE,
    FIFO,
    FILE,
    FOLDER,
    ID_LEN,
    IDS_PER_ITEM,
    SOCKET,
    SPARSE,
    SYMLINK,
    Entry,
    chunks_of,
    decode,
    encode,
    encode_ids,
    is_sound,
    status_bytes,
    stored_status,
)
from strongroom.manifest.merge import Earlier
from strongroom.manifest.order import Order, sort_key
from strongroom.manifest.reader import ManifestReader
from strongroom.manifest.writer import ManifestWriter

PLAIN = {"mode": 0o644, "uid": 1, "gid": 2, "mtime_ns": -3, "ctime_ns": 4, "ino": 5, "dev": 6}


def entry(path: bytes, type_: int = FILE, **more) -> Entry:
    if type_ == SYMLINK:
        more.setdefault("target", b"somewhere")
    return Entry(**{"path": path, "type": type_, "nlink": 1, **PLAIN, **more})


names = st.binary(min_size=1, max_size=5).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
)
texts = st.binary(max_size=9).filter(lambda text: b"\0" not in text)
u32, u64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
i64 = st.integers(-(2**63), 2**63 - 1)


@st.composite
def attributes(draw, path: bytes, type_: int) -> Entry:
    xattrs = draw(st.dictionaries(texts.filter(len), st.binary(max_size=9), max_size=3))
    return Entry(
        path=path,
        type=type_,
        mode=draw(st.integers(0, 0o7777)),
        uid=draw(u32),
        gid=draw(u32),
        mtime_ns=draw(i64),
        ctime_ns=draw(i64),
        ino=draw(u64),
        dev=draw(u64),
        nlink=draw(u64),
        size=draw(st.integers(0, 5 * CHUNK_LEN)) if type_ == FILE else 0,
        rdev=draw(u64) if type_ in (CHAR_DEVICE, BLOCK_DEVICE) else 0,
        flags=draw(st.integers(0, 1)) if type_ == FILE else 0,
        user=draw(texts),
        group=draw(texts),
        target=draw(texts.filter(len)) if type_ == SYMLINK else b"",
        xattrs=tuple(sorted(xattrs.items())),
    )


@st.composite
def trees(draw) -> list[Entry]:
    """Entries of a tree, in order."""
    folders, others = {b""}, {}
    for _ in range(draw(st.integers(0, 12))):
        parent = draw(st.sampled_from(sorted(folders)))
        path = parent + b"/" + draw(names) if parent else draw(names)
        if path in folders or path in others:
            continue
        kind = draw(st.sampled_from([FOLDER, FILE, SYMLINK, FIFO, SOCKET, CHAR_DEVICE]))
        if kind == FOLDER:
            folders.add(path)
        else:
            others[path] = kind
    types = {**dict.fromkeys(folders - {b""}, FOLDER), **others}
    paths = sorted(types, key=lambda path: path.split(b"/"))
    return [draw(attributes(path, types[path])) for path in paths]


def ids_of(item: Entry) -> bytes:
    return b"".join(i.to_bytes(ID_LEN, "big") for i in range(item.chunks))


def written(entries: list[Entry]) -> bytes:
    target = io.BytesIO()
    writer = ManifestWriter(target)
    for item in entries:
        writer.add(item, ids_of(item))
    writer.finish()
    return target.getvalue()


class Drops(io.BytesIO):
    """Reads come in small pieces, as from a pipe."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 7 if size < 10**6 else 99_999))


def read_all(stored: bytes, kind: type[io.BytesIO] = io.BytesIO) -> list[tuple[Entry, bytes]]:
    reader = ManifestReader(kind(stored), doing="reading it")
    return [(item, b"".join(reader.ids())) for item in reader]


@given(trees())
def test_trees_come_back(entries):
    stored = written(entries)
    assert read_all(stored) == [(item, ids_of(item)) for item in entries]
    assert read_all(stored, Drops) == read_all(stored)
    reader = ManifestReader(io.BytesIO(stored), doing="reading it")
    assert list(reader) == entries  # nobody has to ask for the ids
    files = [item for item in entries if item.type == FILE]
    assert (reader.entries, reader.files) == (len(entries), len(files))
    assert reader.bytes == sum(item.size for item in files)


@given(st.data())
def test_parts_of_an_item_can_be_had_without_all_of_it(data):
    item = data.draw(attributes(data.draw(names), data.draw(st.sampled_from([FILE, FOLDER]))))
    stored = encode(item)
    assert decode(stored) == item
    assert stored_status(stored) == status_bytes(
        item.mode,
        item.uid,
        item.gid,
        item.mtime_ns,
        item.ctime_ns,
        item.ino,
        item.dev,
        item.nlink,
        item.size,
        item.rdev,
    )


def test_an_item_looks_as_documented():
    stored = encode(
        entry(b"p/q", size=7, user=b"u", group=b"gg", flags=SPARSE, xattrs=((b"user.a", b"v"),))
    )
    assert stored.hex(" ", -4) == (
        "0100006b 01010000 000001a4 00000001 00000002 ffffffff fffffffd 00000000 00000004 "
        "00000000 00000005 00000000 00000006 00000000 00000001 00000000 00000007 00000000 "
        "00000000 00010002 00000003 00000000 0000000d 75676770 2f710006 00000001 75736572 "
        "2e6176"
    )


def test_a_manifest_looks_as_documented():
    assert written([]) == (b"srm-tree\0\x01\0\0\0\0\0\0" + b"\x03\0\0\x18" + bytes(24))
    (one,) = [entry(b"a", size=1)]
    end = b"\x03\0\0\x18" + b"".join(n.to_bytes(8, "big") for n in (1, 1, 1))
    assert written([one])[16:] == encode(one) + b"\x02\0\0\x20" + ids_of(one) + end


def test_ids_of_large_files_come_in_pieces():
    big = entry(b"big", size=9000 * CHUNK_LEN - 1)
    stored = written([big, entry(b"c")])
    reader = ManifestReader(io.BytesIO(stored), doing="reading it")
    rows = iter(reader)
    assert next(rows) == big
    pieces = list(reader.ids())
    assert [len(piece) // 32 for piece in pieces] == [4096, 4096, 808]
    assert b"".join(pieces) == ids_of(big)
    assert next(rows).path == b"c"
    count = chunks_of(big.size)
    assert len(encode_ids(ids_of(big))) == 32 * count + 4 * -(-count // IDS_PER_ITEM)


def test_a_part_of_the_ids_may_be_left():
    big = entry(b"big", size=9000 * CHUNK_LEN)
    reader = ManifestReader(io.BytesIO(written([big, entry(b"c")])), doing="reading it")
    assert [len(next(reader.ids(), b"")) for _ in reader] == [1 << 17, 0]


@given(st.lists(st.lists(names, min_size=1, max_size=4)))
def test_keys_sort_as_components_do(paths):
    joined = [b"/".join(path) for path in paths]
    assert sorted(joined, key=sort_key) == [b"/".join(path) for path in sorted(paths)]


@given(trees(), st.data())
def test_order_is_exactly_that_of_components(entries, data):
    shuffled = data.draw(st.permutations(entries))
    order = Order()
    seen: set[bytes] = {b""}
    last: list[bytes] = []
    for item in shuffled:
        parts = item.path.split(b"/")
        expected = parts > last and b"/".join(parts[:-1]) in seen
        assert order.follows(item.path, folder=item.type == FOLDER) == expected
        if not expected:
            break
        last = parts
        if item.type == FOLDER:
            seen.add(item.path)


def test_the_writer_refuses_what_is_out_of_order():
    writer = ManifestWriter(io.BytesIO())
    writer.add(entry(b"b"))
    for path in (b"b", b"a", b"b/c", b"d/c"):
        with pytest.raises(StrongroomError, match="out of order"):
            ManifestWriter.add(writer, entry(path))


def test_the_writer_wants_every_chunk_id():
    writer = ManifestWriter(io.BytesIO())
    with pytest.raises(StrongroomError, match="another number of chunks"):
        writer.add(entry(b"b", size=CHUNK_LEN + 1), bytes(32))


def test_what_cannot_be_stored_is_refused():
    with pytest.raises(LimitError):
        encode(entry(b"a", xattrs=((b"user.x", bytes(2**24)),)))
    with pytest.raises(LimitError):
        encode(entry(b"a", user=bytes(2**16)))
    with pytest.raises(LimitError):
        encode(entry(b"a", mtime_ns=2**63))


@pytest.mark.parametrize("path", [b"", b"/", b"/a", b"a/", b"a//b", b".", b"..", b"a/../b", b"./a"])
def test_unsound_paths_are_known(path):
    assert not is_sound(path)
    assert is_sound(b"x" + path.replace(b"/", b"|"))


@given(trees(), st.data())
def test_earlier_entries_are_found_in_order(entries, data):
    asked = data.draw(st.lists(st.lists(names, min_size=1, max_size=3)))
    paths = {b"/".join(path) for path in asked}
    paths |= set(data.draw(st.lists(st.sampled_from([e.path for e in entries] or [b"x"]))))
    by_path = {item.path: item for item in entries}
    earlier = Earlier(io.BytesIO(written(entries)))
    for path in sorted(paths, key=sort_key):
        found = earlier.find(path)
        if path not in by_path:
            assert found is None
            continue
        ids = ids_of(by_path[path])
        item = encode(by_path[path])
        assert found == (path, len(item), ids, item + encode_ids(ids))
    assert earlier.damage is None


def test_earlier_files_may_be_large():
    files = [entry(b"%d" % n, size=n * CHUNK_LEN) for n in (1, 4095, 4096, 4097, 40_000, 5)]
    files.sort()
    earlier = Earlier(Drops(written(files)))
    for file in files:
        assert earlier.find(file.path)[2] == ids_of(file)


def test_nothing_was_earlier_without_a_manifest():
    assert Earlier().find(b"a") is None


@given(trees(), st.data())
def test_a_damaged_earlier_manifest_ends_early(entries, data):
    stored = written(entries)
    cut = data.draw(st.integers(16, len(stored) - 1))
    earlier = Earlier(io.BytesIO(stored[:cut]))
    found = [earlier.find(item.path) for item in entries]
    assert earlier.damage is not None or all(found)
    kept = [f[0] for f in found if f]
    assert kept == [item.path for item in entries][: len(kept)]
