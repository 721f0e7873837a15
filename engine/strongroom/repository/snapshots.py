"""Snapshots: what one backup saved, as its log entry tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from strongroom.errors import DamagedError, SourceError, UnsupportedError, UsageError

LATEST: Final = "latest"
PREFIX_MIN: Final = 4
"""Hexadecimal digits that name a snapshot, at least."""

_LIST = '"strongroom snapshots" lists them'
_U64 = 2**64


class Snapshot(NamedTuple):
    """One backup. Counts are of what it holds, but for new_bytes."""

    id: bytes
    """16 bytes: the name of its manifest segment."""
    root: bytes
    """Of that segment, 32 bytes."""
    time: int
    """When the backup began: nanoseconds since 1970."""
    host: str
    user: str
    tags: tuple[str, ...]
    paths: tuple[bytes, ...]
    """As given to the backup."""
    entries: int
    files: int
    bytes: int
    new_bytes: int
    """Stored bytes that this backup added."""
    errors: int
    """Files that could not be read, or changed while they were read."""
    partial: bool = False
    """It holds what an unfinished backup had got to."""

    def to_map(self) -> dict[str, Any]:
        """As it is sealed in the log."""
        found = self._asdict()
        if not self.partial:
            del found["partial"]
        return found | {"tags": list(self.tags), "paths": list(self.paths)}

    @classmethod
    def from_map(cls, found: object, *, doing: str) -> Snapshot:
        """From what was sealed in the log. Raises DamagedError, UnsupportedError."""
        if not isinstance(found, dict):
            raise DamagedError(f"{doing}: snapshot: it is no map")
        names = set(cls._fields)
        if found.keys() - names:
            raise UnsupportedError(f"{doing}: snapshot: it has fields this version does not know")
        if names - found.keys() - {"partial"}:
            raise DamagedError(f"{doing}: snapshot: fields are missing")
        for name, value in found.items():
            if not _FITS[name](value):
                raise DamagedError(f"{doing}: snapshot: {name} cannot be what it says")
        return cls(**found | {"tags": tuple(found["tags"]), "paths": tuple(found["paths"])})


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _U64


def is_time(value: object) -> bool:
    """Nanoseconds since 1970."""
    return type(value) is int and abs(value) < _U64 // 2


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def is_id(value: object) -> bool:
    """Of a segment or a session."""
    return isinstance(value, bytes) and len(value) == 16


def _is_root(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == 32


def is_texts(value: object) -> bool:
    """Such as tags."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_paths(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, bytes) for item in value)


def _is_true(value: object) -> bool:
    return value is True


_FITS: Final = {
    "id": is_id,
    "root": _is_root,
    "time": is_time,
    "host": _is_text,
    "user": _is_text,
    "tags": is_texts,
    "paths": _is_paths,
    "entries": _is_count,
    "files": _is_count,
    "bytes": _is_count,
    "new_bytes": _is_count,
    "errors": _is_count,
    "partial": _is_true,
}


def find_snapshot(snapshots: Sequence[Snapshot], name: str) -> Snapshot:
    """The snapshot that name means: `latest`, the id, or a prefix of it that only one has.

    `latest` is partial only where there is no other. snapshots: in the order of the log. Raises
    UsageError; SourceError when there is none.
    """
    if name == LATEST:
        if not snapshots:
            raise SourceError("the repository has no snapshot yet")
        complete = [snapshot for snapshot in snapshots if not snapshot.partial]
        return (complete or snapshots)[-1]
    wanted = name.lower()
    if not set(wanted) <= set("0123456789abcdef") or not PREFIX_MIN <= len(wanted) <= 32:
        raise UsageError(
            f"{name!r} names no snapshot: a snapshot is {LATEST}, or at least {PREFIX_MIN} "
            "hexadecimal digits of its id",
            hint=_LIST,
        )
    found = [snapshot for snapshot in snapshots if snapshot.id.hex().startswith(wanted)]
    if not found:
        raise SourceError(f"there is no snapshot {name}", hint=_LIST)
    if len(found) > 1:
        raise UsageError(f"{len(found)} snapshots begin with {name}: give more digits", hint=_LIST)
    return found[0]
