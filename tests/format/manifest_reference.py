"""A reader of what a manifest holds, written from docs/FORMAT.md, section 10, alone."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from .header_reference import CHUNK, Unsupported, require

FIELDS = struct.Struct(">B B H I I I q q Q Q Q Q Q H H I I I")
ATTRIBUTE = struct.Struct(">H I")
FILE, FOLDER, LINK, FIFO, SOCKET, CHARACTERS, BLOCKS = range(1, 8)
ENTRY, IDS, END = 1, 2, 3
MOST_IDS = 4096


@dataclass(frozen=True)
class Entry:
    type: int
    flags: int
    mode: int
    uid: int
    gid: int
    mtime: int
    ctime: int
    ino: int
    dev: int
    nlink: int
    size: int
    rdev: int
    user: bytes
    group: bytes
    path: bytes
    target: bytes
    attributes: dict[bytes, bytes]
    chunks: list[bytes] = field(default_factory=list)

    @property
    def names(self) -> list[bytes]:
        return self.path.split(b"/")


def read_manifest(plain: bytes) -> list[Entry]:
    require(plain[:8] == b"srm-tree" and len(plain) >= 16, "no manifest")
    require(plain[8:10] == b"\0\1", "unknown version", Unsupported)
    require(plain[10:16] == bytes(6), "a zero field is not zero")
    entries: list[Entry] = []
    totals = None
    for kind, body in items(plain[16:]):
        require(totals is None, "something follows the end")
        if kind == ENTRY:
            check_complete(entries)
            entries.append(read_entry(body))
            check_place(entries)
        elif kind == IDS:
            add_ids(entries, body)
        else:
            require(kind == END and len(body) == 24, "unknown item")
            check_complete(entries)
            totals = struct.unpack(">Q Q Q", body)
    files = [entry.size for entry in entries if entry.type == FILE]
    require(totals == (len(entries), len(files), sum(files) % 2**64), "the end is wrong")
    return entries


def items(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        require(at + 4 <= len(data), "an item is cut short")
        length = int.from_bytes(data[at + 1 : at + 4])
        require(at + 4 + length <= len(data), "an item is cut short")
        yield data[at], data[at + 4 : at + 4 + length]
        at += 4 + length


def read_entry(body: bytes) -> Entry:
    require(len(body) >= FIELDS.size, "an entry is cut short")
    kind, flags, zero, *numbers = FIELDS.unpack_from(body)
    *numbers, user, group, path, target, attributes = numbers
    parts, at = [], FIELDS.size
    for length in (user, group, path, target, attributes):
        parts.append(body[at : at + length])
        at += length
    require(at == len(body), "an entry's lengths contradict its item's")
    entry = Entry(kind, flags, *numbers, *parts[:4], read_attributes(parts[4]))
    require(zero == 0, "a zero field is not zero")
    check_entry(entry)
    return entry


def check_entry(entry: Entry) -> None:
    kind = entry.type
    require(FILE <= kind <= BLOCKS, "unknown type of entry")
    require(entry.flags <= (1 if kind == FILE else 0), "unknown flags")
    require(entry.mode <= 0o7777, "impossible mode")
    require(kind == FILE or entry.size == 0, "a size of no file")
    require(kind in (CHARACTERS, BLOCKS) or entry.rdev == 0, "a device number of no device")
    require(bool(entry.target) == (kind == LINK), "target and type contradict")
    texts = (entry.user, entry.group, entry.path, entry.target, *entry.attributes)
    require(not any(b"\0" in text for text in texts), "NUL in a text")
    require(not any(name in (b"", b".", b"..") for name in entry.names), "a name that leads away")


def read_attributes(data: bytes) -> dict[bytes, bytes]:
    attributes: dict[bytes, bytes] = {}
    at = 0
    while at < len(data):
        require(at + ATTRIBUTE.size <= len(data), "attributes are cut short")
        name_len, value_len = ATTRIBUTE.unpack_from(data, at)
        at += ATTRIBUTE.size
        name, value = data[at : at + name_len], data[at + name_len : at + name_len + value_len]
        at += name_len + value_len
        require(at <= len(data), "attributes are cut short")
        require(name > max(attributes, default=b""), "attributes do not ascend")
        attributes[name] = value
    return attributes


def check_place(entries: list[Entry]) -> None:
    """That the newest entry comes after the others, and after its folder."""
    *before, entry = entries
    require(not before or before[-1].names < entry.names, "paths do not ascend")
    *folder, _ = entry.names
    if folder:
        # Whatever is between a folder and what is in it is in the folder too.
        found = next((e for e in reversed(before) if len(e.names) <= len(folder)), None)
        fits = found is not None and found.names == folder and found.type == FOLDER
        require(fits, "an entry without its folder")


def check_complete(entries: list[Entry]) -> None:
    if entries:
        entry = entries[-1]
        require(len(entry.chunks) == -(-entry.size // CHUNK), "chunk ids are missing")


def add_ids(entries: list[Entry], body: bytes) -> None:
    require(bool(entries) and entries[-1].type == FILE, "chunk ids of no file")
    require(len(body) % 32 == 0, "a chunk id is cut short")
    entry = entries[-1]
    missing = -(-entry.size // CHUNK) - len(entry.chunks)
    require(0 < len(body) // 32 == min(missing, MOST_IDS), "not that many chunk ids")
    entry.chunks.extend(body[at : at + 32] for at in range(0, len(body), 32))
