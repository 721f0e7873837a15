"""What changed from one snapshot to another."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TypeAlias

from strongroom.errors import DamagedError
from strongroom.manifest.entry import FILE, SYMLINK, Entry, decode
from strongroom.manifest.merge import Stored, read_stored
from strongroom.manifest.order import sort_key
from strongroom.manifest.reader import Readable


class Change(Enum):
    """What became of a path."""

    ADDED = "added"
    REMOVED = "removed"
    MODIFIED = "modified"
    """Other contents, another kind of thing, or a link that leads elsewhere."""
    ATTRIBUTES = "attributes"
    """Mode, owner, times or extended attributes."""


Changed: TypeAlias = "tuple[Change, Entry]"
"""With the entry as it is in the newer snapshot, or was before it was removed."""


def compare(old: Readable, new: Readable, *, doing: str) -> Iterator[Changed]:
    """Paths that differ, in order. In constant memory. Raises DamagedError."""
    try:
        yield from _merge(read_stored(old), read_stored(new))
    except DamagedError as error:
        raise DamagedError(f"{doing}: {error}") from None


def _merge(olds: Iterator[Stored], news: Iterator[Stored]) -> Iterator[Changed]:
    old, new = next(olds, None), next(news, None)
    while old is not None or new is not None:
        if new is None or (old is not None and sort_key(old[0]) < sort_key(new[0])):
            if old is not None:
                yield Change.REMOVED, _entry(old)
            old = next(olds, None)
        elif old is None or sort_key(new[0]) < sort_key(old[0]):
            yield Change.ADDED, _entry(new)
            new = next(news, None)
        else:
            if old[3] != new[3]:
                entry = _entry(new)
                if (change := _change(old, new, entry)) is not None:
                    yield change, entry
            old, new = next(olds, None), next(news, None)


def _change(old: Stored, new: Stored, after: Entry) -> Change | None:
    """after: what new is decoded."""
    before = _entry(old)
    if (before.type, before.target, before.rdev) != (after.type, after.target, after.rdev):
        return Change.MODIFIED
    if after.type == FILE and (before.size, old[2]) != (after.size, new[2]):
        return Change.MODIFIED
    if after.type == SYMLINK:
        before = before._replace(mode=after.mode)
    return None if _bare(before) == _bare(after) else Change.ATTRIBUTES


def _bare(entry: Entry) -> Entry:
    """Without what also differs when the same files lie elsewhere."""
    return entry._replace(ctime_ns=0, ino=0, dev=0, nlink=0, flags=0)


def _entry(stored: Stored) -> Entry:
    return decode(stored[3][: stored[1]])
