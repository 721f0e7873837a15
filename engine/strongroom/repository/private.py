"""What is sealed in a log entry: one canonical CBOR item. docs/FORMAT.md, section 9."""

from __future__ import annotations

from typing import Any, NamedTuple

import cbor2

from strongroom.errors import DamagedError, UnsupportedError
from strongroom.repository.snapshots import Snapshot, is_id, is_texts, is_time

NO_SESSION = bytes(16)
"""In place of a session's id, where an entry adds no segments."""


class Retagged(NamedTuple):
    """The tags that a snapshot has from now on."""

    id: bytes
    tags: tuple[str, ...]


class Private(NamedTuple):
    """What only those with the key read of an entry."""

    time: int
    """Nanoseconds since 1970."""
    writer: str
    """The host it was made on."""
    session: bytes
    """The session_id of its segments, 16 bytes."""
    snapshot: Snapshot | None = None
    retagged: tuple[Retagged, ...] = ()
    snapshots: tuple[Snapshot, ...] | None = None
    """Of a checkpoint alone: all that there are, in the order of their commits."""


def encode_private(private: Private) -> bytes:
    """As it is sealed."""
    fields: dict[str, Any] = {
        "time": private.time,
        "writer": private.writer,
        "session": private.session,
    }
    if private.snapshot is not None:
        fields["snapshot"] = private.snapshot.to_map()
    if private.retagged:
        fields["retagged"] = [{"id": r.id, "tags": list(r.tags)} for r in private.retagged]
    if private.snapshots is not None:
        fields["snapshots"] = [snapshot.to_map() for snapshot in private.snapshots]
    return cbor2.dumps(fields, canonical=True)


def decode_private(plain: bytes, *, doing: str) -> Private:
    """Raises DamagedError, UnsupportedError."""
    found = _decode(plain, doing=doing)
    if not isinstance(found, dict) or not {"time", "writer", "session"} <= found.keys():
        raise _malformed(doing)
    if found.keys() - {"time", "writer", "session", "snapshot", "retagged", "snapshots"}:
        raise UnsupportedError(f"{doing}: it has fields this version does not know")
    time, writer, session = found["time"], found["writer"], found["session"]
    if not (is_time(time) and isinstance(writer, str) and is_id(session)):
        raise _malformed(doing)
    snapshot = snapshots = None
    if "snapshot" in found:
        snapshot = Snapshot.from_map(found["snapshot"], doing=doing)
    if "snapshots" in found:
        listed = _list(found["snapshots"], doing=doing)
        snapshots = tuple(Snapshot.from_map(item, doing=doing) for item in listed)
    retagged = _retagged(found["retagged"], doing=doing) if "retagged" in found else ()
    return Private(time, writer, session, snapshot, retagged, snapshots)


def _decode(plain: bytes, *, doing: str) -> object:
    """CBOR that is exactly what the canonical writer makes of its value."""
    try:
        value: object = cbor2.loads(plain)
        canonical = cbor2.dumps(value, canonical=True)
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError, MemoryError):
        canonical = None
    if canonical != plain:
        raise _malformed(doing)
    return value


def _retagged(found: object, *, doing: str) -> tuple[Retagged, ...]:
    made = []
    for item in _list(found, doing=doing):
        if not isinstance(item, dict) or not {"id", "tags"} <= item.keys():
            raise _malformed(doing)
        if item.keys() - {"id", "tags"}:
            raise UnsupportedError(f"{doing}: it has fields this version does not know")
        if not is_id(item["id"]) or not is_texts(item["tags"]):
            raise _malformed(doing)
        made.append(Retagged(item["id"], tuple(item["tags"])))
    if not made:
        raise _malformed(doing)
    return tuple(made)


def _list(found: object, *, doing: str) -> list[Any]:
    if not isinstance(found, list):
        raise _malformed(doing)
    return found


def _malformed(doing: str) -> DamagedError:
    return DamagedError(f"{doing}: what is sealed in it is malformed")
