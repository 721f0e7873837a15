"""Entries of a snapshot, streamed from its manifest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from strongroom.errors import DamagedError, SourceError, UsageError
from strongroom.manifest.entry import ENTRY_ITEM, HEAD_LEN, IDS_ITEM, Entry, decode, stored_path
from strongroom.manifest.order import sort_key
from strongroom.manifest.reader import ManifestReader, Readable, read_items


class Located(NamedTuple):
    """An entry and the ids of its chunks, 32 bytes each."""

    entry: Entry
    ids: bytes


def path_in_snapshot(path: str | bytes | os.PathLike[str]) -> bytes:
    """A path as a manifest has it; empty for the top. What a person types may begin with "/" or
    "./" and end with "/". Raises UsageError."""
    given = os.fsencode(path)
    parts = [part for part in given.split(b"/") if part not in (b"", b".")]
    if not given or b".." in parts or b"\0" in given:
        raise UsageError(f"{os.fsdecode(given)!r} is not a path in a snapshot")
    return b"/".join(parts)


def list_entries(manifest: Readable, *, below: bytes = b"", doing: str) -> Iterator[Entry]:
    """Entries in order: all, or that of the path `below` and those inside it.

    Raises DamagedError; SourceError at the end if nothing has that path.
    """
    if not below:
        yield from ManifestReader(manifest, doing=doing)
        return
    inside, key, found = below + b"/", sort_key(below), False
    for item in read_items(manifest, doing=doing):
        if item[0] != ENTRY_ITEM:
            continue
        path = stored_path(item)
        if path == below or path.startswith(inside):
            found = True
            yield _decoded(item, doing=doing)
        elif sort_key(path) > key:
            break
    if not found:
        raise _nowhere(below, doing=doing)


def find_entry(manifest: Readable, path: bytes, *, doing: str) -> Located:
    """The entry of a path, without looking further than where it is.

    Raises DamagedError; SourceError if there is none.
    """
    items = read_items(manifest, doing=doing)
    key = sort_key(path)
    for item in items:
        if item[0] != ENTRY_ITEM:
            continue
        at = stored_path(item)
        if at == path:
            return _located(_decoded(item, doing=doing), items, doing=doing)
        if sort_key(at) > key:
            break
    raise _nowhere(path, doing=doing)


def _located(entry: Entry, items: Iterator[bytes], *, doing: str) -> Located:
    pieces: list[bytes] = []
    for item in items:
        if item[0] != IDS_ITEM:
            break
        pieces.append(item[HEAD_LEN:])
    ids = b"".join(pieces)
    if len(ids) != 32 * entry.chunks:
        raise DamagedError(f"{doing}: a file has too few chunk ids, or too many")
    return Located(entry, ids)


def _decoded(item: bytes, *, doing: str) -> Entry:
    try:
        return decode(item)
    except DamagedError as error:
        raise DamagedError(f"{doing}: {error}") from None


def _nowhere(path: bytes, *, doing: str) -> SourceError:
    return SourceError(
        f"{doing}: there is no {os.fsdecode(path)} in it",
        hint='"strongroom ls" shows what is in a snapshot',
    )
