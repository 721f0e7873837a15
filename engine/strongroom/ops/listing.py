"""Entries of a snapshot, streamed from its manifest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from strongroom.errors import DamagedError, SourceError, UsageError
from strongroom.manifest.entry import ID_LEN, Entry, decode
from strongroom.manifest.merge import Stored, read_stored
from strongroom.manifest.order import sort_key
from strongroom.manifest.reader import ManifestReader, Readable


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
    for path, length, _, items in _stored(manifest, doing=doing):
        if path == below or path.startswith(inside):
            found = True
            yield _decoded(items[:length], doing=doing)
        elif sort_key(path) > key:
            break
    if not found:
        raise _nowhere(below, doing=doing)


def find_entry(manifest: Readable, path: bytes, *, doing: str) -> Located:
    """The entry of a path, without looking further than where it is.

    Raises DamagedError; SourceError if there is none.
    """
    key = sort_key(path)
    for at, length, ids, items in _stored(manifest, doing=doing):
        if at == path:
            entry = _decoded(items[:length], doing=doing)
            if len(ids) != ID_LEN * entry.chunks:
                raise DamagedError(f"{doing}: a file has too few chunk ids, or too many")
            return Located(entry, ids)
        if sort_key(at) > key:
            break
    raise _nowhere(path, doing=doing)


def _stored(manifest: Readable, *, doing: str) -> Iterator[Stored]:
    try:
        yield from read_stored(manifest)
    except DamagedError as error:
        raise DamagedError(f"{doing}: {error}") from None


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
