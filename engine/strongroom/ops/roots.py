"""Where the paths given to a backup lie in its snapshot."""

from __future__ import annotations

import os
from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from strongroom.errors import UsageError
from strongroom.manifest.order import sort_key


class Take(Enum):
    """How much of a root is to be recorded."""

    ALL = "with all that is below it"
    ITSELF = "a folder on the way to what was given"
    NOTHING = "it was given, but lies in another one that was"


class Root(NamedTuple):
    """A path that was given, or a folder on the way to one."""

    path: bytes
    """In the snapshot; empty for what was given as "." or "/"."""
    prefix: bytes
    """What to put before path to find it here: "/" or nothing."""
    take: Take

    @property
    def real(self) -> bytes:
        """Where it is."""
        return self.prefix + self.path or b"."


def plan_roots(given: Iterable[str | bytes | os.PathLike[str]]) -> list[Root]:
    """Given paths and their parents as the snapshot will have them, in order.

    Relative paths stay as they are, normalised; absolute ones lose their leading '/'; those with
    '..' are made absolute. Raises UsageError for two that would be stored as one.
    """
    prefixes: dict[bytes, bytes] = {}
    for path in given:
        stored, prefix = _placed(os.fsencode(path))
        _claim(prefixes, stored, prefix)
    roots: list[Root] = []
    parents: dict[bytes, bytes] = {}
    outer: Root | None = None
    for path in sorted(prefixes, key=sort_key):
        root = Root(path, prefixes[path], take=Take.ALL)
        if outer is not None and (not outer.path or path.startswith(outer.path + b"/")):
            if root.prefix != outer.prefix:
                raise _clash(path)
            roots.append(Root(path, root.prefix, take=Take.NOTHING))
            continue
        outer = root
        roots.append(root)
        for parent in parents_of(path):
            _claim(parents, parent, root.prefix)
    roots += [Root(path, prefix, take=Take.ITSELF) for path, prefix in parents.items()]
    return sorted(roots, key=lambda root: sort_key(root.path))


def _placed(given: bytes) -> tuple[bytes, bytes]:
    """Its path in the snapshot, and the prefix that leads from there to where it is."""
    if not given or b"\0" in given:
        raise UsageError(f"{given!r} is not a path")
    if b".." in given.split(b"/"):
        given = os.path.abspath(given)  # noqa: PTH100  # bytes
    normal = os.path.normpath(given)
    if normal.startswith(b"/"):
        return normal.lstrip(b"/"), b"/"
    return (b"" if normal == b"." else normal), b""


def _claim(prefixes: dict[bytes, bytes], path: bytes, prefix: bytes) -> None:
    if prefixes.setdefault(path, prefix) != prefix:
        raise _clash(path)


def _clash(path: bytes) -> UsageError:
    name = os.fsdecode(path) or "."
    return UsageError(
        f"/{name} and {name} would both be stored as {name}",
        hint="give both as absolute paths, or make two snapshots",
    )


def parents_of(path: bytes) -> list[bytes]:
    """The folders that lead to it, from the top."""
    parts = path.split(b"/")[:-1]
    return [b"/".join(parts[:count]) for count in range(1, len(parts) + 1)]
