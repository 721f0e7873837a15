"""Manifests read as a stream, believing nothing: memory does not grow with what is claimed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NoReturn, Protocol

from strongroom.errors import DamagedError, UnsupportedError
from strongroom.manifest.entry import (
    BODY_MAX,
    END_ITEM,
    ENTRY_ITEM,
    FILE,
    FOLDER,
    HEAD_LEN,
    ID_LEN,
    IDS_ITEM,
    IDS_PER_ITEM,
    Entry,
    decode,
)
from strongroom.manifest.order import Order
from strongroom.manifest.writer import END, END_HEAD, MAGIC, START

_BLOCK: Final = 1 << 18


class Readable(Protocol):
    """What a manifest is read from."""

    def read(self, size: int, /) -> bytes | None:
        """Up to size bytes; none at the end."""


def read_start(source: Readable, *, doing: str) -> None:
    """What a manifest begins with. Raises DamagedError, UnsupportedError."""
    start = _read(source, len(START))
    if start[:8] != MAGIC or len(start) < len(START):
        raise DamagedError(f"{doing}: it is no manifest")
    if start[8:10] != START[8:10]:
        raise UnsupportedError(f"{doing}: a manifest of an unknown version")
    if start != START:
        raise DamagedError(f"{doing}: its first 16 bytes are malformed")


def read_items(source: Readable, *, doing: str) -> Iterator[bytes]:
    """Items one by one, heads included, the end item last. Raises DamagedError,
    UnsupportedError. Says nothing about what is in them."""
    read_start(source, doing=doing)
    buffer, at = b"", 0
    while True:
        end = at + HEAD_LEN
        if end <= len(buffer):
            end += int.from_bytes(buffer[at + 1 : end], "big")
        if end <= len(buffer):
            item = buffer[at:end]
            at = end
            yield item
            if item[0] == END_ITEM:
                if at < len(buffer) or source.read(1):
                    raise DamagedError(f"{doing}: something follows its end")
                return
            continue
        more = _read(source, max(_BLOCK, end - len(buffer)))
        if not more:
            raise DamagedError(f"{doing}: it is cut off")
        buffer, at = buffer[at:] + more, 0


class ManifestReader:
    """Iterate for the entries; between two of them, ids() gives the chunks of the one before.

    Every entry is checked by itself and against the ones before. That nothing is missing is known
    only once the last one was followed by the end of the iteration.
    """

    def __init__(self, source: Readable, *, doing: str) -> None:
        """doing: what to say in errors, such as "reading snapshot 12ab"."""
        self._doing = doing
        self._items = read_items(source, doing=doing)
        self._order = Order()
        self._due = 0  # ids of the entry before that were not read yet
        self.entries = 0
        self.files = 0
        self.bytes = 0

    def __iter__(self) -> Iterator[Entry]:
        """Entries in order. Raises DamagedError, UnsupportedError."""
        for item in self._items:
            if item[0] != ENTRY_ITEM:
                self._end(item)
                return
            entry = self._entry(item)
            yield entry
            if self._due:
                for _ in self.ids():
                    pass

    def ids(self) -> Iterator[bytes]:
        """Ids of the chunks of the entry that came last, 32 bytes each, at most 4096 at a time."""
        while self._due:
            count = min(self._due, IDS_PER_ITEM)
            item = next(self._items, b"\0")
            if item[0] != IDS_ITEM or len(item) != HEAD_LEN + count * ID_LEN:
                self._fail("a file has too few chunk ids, or too many")
            self._due -= count
            yield item[HEAD_LEN:]

    def _entry(self, item: bytes) -> Entry:
        try:
            entry = decode(item)
        except DamagedError as error:
            raise DamagedError(f"{self._doing}: {error}") from None
        if not self._order.follows(entry.path, folder=entry.type == FOLDER):
            self._fail(f"{entry.path[:200]!r} is out of order, doubled or in no folder")
        self.entries += 1
        if entry.type == FILE:
            self.files += 1
            self.bytes += entry.size
            self._due = entry.chunks
        return entry

    def _end(self, item: bytes) -> None:
        if item[0] == IDS_ITEM:
            self._fail("a file has too many chunk ids")
        if item[0] != END_ITEM:
            self._fail(f"an item of the unknown kind {item[0]}")
        if item != END.pack(END_HEAD, self.entries, self.files, self.bytes % 2**64):
            self._fail("it does not end with what came before it")
        for _ in self._items:  # what follows the end is read_items' to refuse
            pass

    def _fail(self, what: str) -> NoReturn:
        raise DamagedError(f"{self._doing}: {what}")


def _read(source: Readable, size: int) -> bytes:
    """size bytes, or fewer at the end. Never more than an item needs."""
    pieces: list[bytes] = []
    left = min(size, HEAD_LEN + BODY_MAX)
    while left > 0:
        piece = source.read(left)
        if not piece:
            break
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
