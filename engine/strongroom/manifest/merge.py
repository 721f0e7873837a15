"""An older manifest beside the entries of today, both in order."""

from __future__ import annotations

from typing import NamedTuple

from strongroom.errors import DamagedError
from strongroom.manifest.entry import END_ITEM, ENTRY_ITEM, HEAD_LEN, IDS_ITEM, stored_path
from strongroom.manifest.order import sort_key
from strongroom.manifest.reader import Readable, read_items


class Stored(NamedTuple):
    """An entry as an older manifest has it."""

    path: bytes
    item: bytes
    """Decode it to believe it."""
    ids: bytes
    """Of its chunks, 32 bytes each."""
    items: bytes
    """item and ids as they were stored, to be stored again."""


class Earlier:
    """Answers whether a path was in an older manifest. Ask in order.

    What it holds is checked only for form: compare all of it with what is known of the path, or
    decode it. A manifest that ends in damage is, from there on, one that held nothing.
    """

    def __init__(self, source: Readable | None) -> None:
        self.damage: DamagedError | None = None
        """What ended it before its time."""
        self._items = None if source is None else read_items(source, doing="reading the last one")
        self._item = b"\0"  # the one after _next
        self._next: Stored | None = None
        if self._items is not None:
            self._item = self._step()
            self._next = self._read()

    def find(self, path: bytes) -> Stored | None:
        """The older entry of that path, once."""
        found = self._next
        if found is None:
            return None
        if found.path != path:
            key = sort_key(path)
            while found is not None and sort_key(found.path) < key:
                found = self._read()
            if found is None or found.path != path:
                self._next = found
                return None
        self._next = self._read()
        return found

    def _read(self) -> Stored | None:
        item = self._item
        if item[0] != ENTRY_ITEM:
            return None
        following = self._step()
        if following[0] != IDS_ITEM:
            self._item = following
            return Stored(stored_path(item), item, b"", item)
        bodies, all_items = [following[HEAD_LEN:]], [item, following]
        while (following := self._step())[0] == IDS_ITEM:
            bodies.append(following[HEAD_LEN:])
            all_items.append(following)
        self._item = following
        return Stored(stored_path(item), item, b"".join(bodies), b"".join(all_items))

    def _step(self) -> bytes:
        """The next item, or something that is no entry."""
        if self._items is None:
            return b"\0"
        try:
            item = next(self._items, b"\0")
        except DamagedError as error:
            self.damage = error
            return b"\0"
        return item if item[0] != END_ITEM else b"\0"
