"""An older manifest beside the entries of today, both in order."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, TypeAlias

from strongroom.errors import DamagedError, SourceError
from strongroom.manifest.entry import (
    BODY_MAX,
    END_ITEM,
    ENTRY_FIXED_END,
    ENTRY_ITEM,
    HEAD_LEN,
    ID_LEN,
    IDS_ITEM,
    IDS_PER_ITEM,
)
from strongroom.manifest.order import sort_key
from strongroom.manifest.reader import Readable, read_start

Stored: TypeAlias = "tuple[bytes, int, bytes, bytes]"
"""Path; length of the entry's own item; ids of its chunks, 32 bytes each; and all items as they
were stored, to be decoded or stored again. A plain tuple, because there are so many."""

_BLOCK: Final = 1 << 20
# Of an entry's item: its head, and the lengths of user, group and path.
_LENGTHS: Final = struct.Struct(f">I{ENTRY_FIXED_END - HEAD_LEN - 16}xHHI")
_IDS_FULL: Final = HEAD_LEN + ID_LEN * IDS_PER_ITEM
_DOING: Final = "reading the last manifest"


class Earlier:
    """Answers whether a path was in an older manifest. Ask in order.

    What it holds is checked only for form: compare all of it with what is known of the path, or
    decode it. A manifest that ends in damage, or cannot be read any further, is from there on one
    that held nothing. Where one ends, the next older one goes on with what comes after: the newest
    ones may be of backups that came only so far.
    """

    def __init__(self, *sources: Readable) -> None:
        """The newest first. Raises UnsupportedError."""
        self.damage: DamagedError | SourceError | None = None
        """What ended one of them before its time."""
        self.source = 0
        """The number of the one that holds what was found last."""
        self._reading = 0
        self._entries = self._read(sources)
        self._next = next(self._entries, None)

    def find(self, path: bytes) -> Stored | None:
        """The older entry of that path, once."""
        found = self._next
        self.source = self._reading
        if found is None:
            return None
        if found[0] != path:
            key = sort_key(path)
            while found is not None and sort_key(found[0]) < key:
                found = next(self._entries, None)
            self._next = found
            self.source = self._reading
            if found is None or found[0] != path:
                return None
        self._next = next(self._entries, None)
        return found

    def _read(self, sources: tuple[Readable, ...]) -> Iterator[Stored]:
        last = b""
        for number, source in enumerate(sources):
            end = sort_key(last)
            try:
                for entry in read_stored(source):
                    if number and sort_key(entry[0]) <= end:
                        continue
                    self._reading = number
                    last = entry[0]
                    yield entry
            except (DamagedError, SourceError) as error:
                self.damage = error


def read_stored(source: Readable) -> Iterator[Stored]:
    """Every entry as it is stored. Raises DamagedError, UnsupportedError."""
    read_start(source, doing=_DOING)
    buffer, at = b"", 0
    lengths = _LENGTHS.unpack_from
    while True:
        # Anything but the last item is followed by four bytes at least.
        if len(buffer) - at < ENTRY_FIXED_END + HEAD_LEN:
            buffer, at = _more(source, buffer[at:], ENTRY_FIXED_END + HEAD_LEN), 0
            if buffer[:1] == _END:
                return
        head, user_len, group_len, path_len = lengths(buffer, at)
        if head >> 24 != ENTRY_ITEM:
            if head >> 24 == END_ITEM:
                return
            raise DamagedError(f"{_DOING}: an item of the wrong kind")
        end = own_end = at + HEAD_LEN + (head & BODY_MAX)
        while True:
            if len(buffer) - end < HEAD_LEN:
                buffer = _more(source, buffer[at:], end - at + HEAD_LEN)
                end, own_end, at = end - at, own_end - at, 0
            if buffer[end] != IDS_ITEM:
                break
            end += HEAD_LEN + int.from_bytes(buffer[end + 1 : end + HEAD_LEN], "big")
        start = at + ENTRY_FIXED_END + user_len + group_len
        path = buffer[start : start + path_len]
        yield path, own_end - at, _ids(buffer, own_end, end), buffer[at:end]
        at = end


_END: Final = bytes([END_ITEM])


def _ids(buffer: bytes, at: int, end: int) -> bytes:
    """What is in ids items, one after another."""
    if end - at <= _IDS_FULL:
        return buffer[at + HEAD_LEN : end]
    pieces: list[bytes] = []
    while at < end:
        pieces.append(buffer[at + HEAD_LEN : min(at + _IDS_FULL, end)])
        at += _IDS_FULL
    return b"".join(pieces)


def _more(source: Readable, rest: bytes, needed: int) -> bytes:
    """rest and what follows it, at least as much as is needed."""
    pieces, have = [rest], len(rest)
    while have < needed:
        piece = source.read(max(_BLOCK, needed - have))
        if not piece:
            break
        pieces.append(piece)
        have += len(piece)
    joined = b"".join(pieces)
    if have < needed and joined[:1] != _END:
        raise DamagedError(f"{_DOING}: it is cut off")
    return joined
