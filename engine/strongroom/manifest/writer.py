"""Manifests written as a stream."""

from __future__ import annotations

import struct
from typing import Final, Protocol

from strongroom.errors import StrongroomError
from strongroom.manifest.entry import (
    END_ITEM,
    FILE,
    FOLDER,
    ID_LEN,
    Entry,
    encode,
    encode_ids,
)
from strongroom.manifest.order import Order

MAGIC: Final = b"srm-tree"
VERSION: Final = 1
START: Final = MAGIC + VERSION.to_bytes(2, "big") + bytes(6)
END = struct.Struct(">IQQQ")
END_HEAD: Final = END_ITEM << 24 | END.size - 4

_BLOCK: Final = 1 << 18


class Writable(Protocol):
    """What a manifest is written to."""

    def write(self, data: bytes, /) -> object:
        """Take all of data."""


class ManifestWriter:
    """Entries in order, then finish. What was not finished is no manifest."""

    def __init__(self, target: Writable) -> None:
        self._target = target
        self._order = Order()
        self._waiting = [START]
        self._waiting_len = 0
        self.entries = 0
        self.files = 0
        self.bytes = 0
        """Sizes of all files."""
        self.length = 0
        """Bytes of all items so far."""

    def add(self, entry: Entry, ids: bytes = b"") -> None:
        """One entry and the ids of its chunks, 32 bytes each. Raises LimitError."""
        if len(ids) != ID_LEN * entry.chunks:
            raise StrongroomError(f"recording {entry.path!r}: it has another number of chunks")
        items = encode(entry)
        if ids:
            items += encode_ids(ids)
        self.put(entry.path, entry.type, entry.size, items)

    def put(self, path: bytes, type_: int, size: int, items: bytes) -> None:
        """An entry that is encoded: all its items."""
        if not self._order.follows(path, folder=type_ == FOLDER):
            raise StrongroomError(f"recording {path!r}: it comes out of order")
        self.entries += 1
        if type_ == FILE:
            self.files += 1
            self.bytes += size
        self._waiting.append(items)
        self._waiting_len += len(items)
        self.length += len(items)
        if self._waiting_len >= _BLOCK:
            self._flush()

    def finish(self) -> None:
        """The last item. The target stays open."""
        self._waiting.append(END.pack(END_HEAD, self.entries, self.files, self.bytes % 2**64))
        self._flush()

    def move_to(self, target: Writable) -> None:
        """After finish: go on in target, which has all that was written but for the last item."""
        self._target = target

    def _flush(self) -> None:
        self._target.write(b"".join(self._waiting))
        self._waiting = []
        self._waiting_len = 0
