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


class Root(NamedTuple):
    """A path that was given, or a folder on the way to one."""

    path: bytes
    """In the snapshot; empty for what was given as "." or "/"."""
    real: bytes
    """Where it is: no symbolic link is on the way there."""
    take: Take
    inner: tuple[bytes, ...] = ()
    """Paths in the snapshot, in order, of what lies below it and was given, too."""

    def at(self, path: bytes) -> bytes:
        """Where something below it is, by its path in the snapshot."""
        if self.path:
            return self.real + path[len(self.path) :]
        return b"/" + path if self.real == b"/" else path


def plan_roots(given: Iterable[str | bytes | os.PathLike[str]]) -> list[Root]:
    """Given paths and their parents as the snapshot will have them, in order.

    Symbolic links on the way to them are resolved here, once, so that none is followed later.
    Relative paths stay as they are, normalised; absolute ones lose their leading '/'; of those with
    '..' all up to the last one is made absolute, as the system would. A link with a slash behind it
    is the folder it leads to. Raises UsageError for two that would be stored as one.
    """
    prefixes: dict[bytes, bytes] = {}
    entered: set[bytes] = set()  # links that are on the way, too
    for path in map(os.fsencode, given):
        stored, prefix = _placed(path)
        _claim(prefixes, stored, prefix)
        if path.endswith((b"/", b"/.")) and os.path.islink(prefix + stored):  # noqa: PTH114  # bytes
            entered.add(stored)
    inner: dict[bytes, list[bytes]] = {}
    parents: dict[bytes, bytes] = {}
    outer: bytes | None = None
    for path in sorted(prefixes, key=sort_key):
        if outer is not None and (not outer or path.startswith(outer + b"/")):
            if prefixes[path] != prefixes[outer]:
                raise _clash(path)
            inner[outer].append(path + b"/." * (path in entered))
            continue
        outer = path
        inner[path] = []
        for parent in parents_of(path):
            _claim(parents, parent, prefixes[path])
    ways = {path: without_links(prefix + path) for path, prefix in parents.items()}
    roots = [Root(path, real, Take.ITSELF) for path, real in ways.items()]
    for path, below in inner.items():
        parent, slash, name = path.rpartition(b"/")
        above = ways[parent].rstrip(b"/") + slash if slash else prefixes[path]
        real = without_links(above + name) if path in entered else above + name
        roots.append(Root(path, real or b".", Take.ALL, tuple(below)))
    return sorted(roots, key=lambda root: sort_key(root.path))


def without_links(path: bytes) -> bytes:
    """Where it is now; unchanged if no symbolic link is on the way."""
    try:
        real = os.path.realpath(path)
        return path if real == os.path.abspath(path) else real  # noqa: PTH100  # bytes
    except OSError:  # the current folder is gone
        return path


def _placed(given: bytes) -> tuple[bytes, bytes]:
    """Its path in the snapshot, and the prefix that leads from there to where it is."""
    if not given or b"\0" in given:
        raise UsageError(f"{given!r} is not a path")
    if b".." in given.split(b"/"):
        given = _up(given)
    normal = os.path.normpath(given)
    if normal.startswith(b"/"):
        return normal.lstrip(b"/"), b"/"
    return (b"" if normal == b"." else normal), b""


def _up(path: bytes) -> bytes:
    """Absolute, and without '..', which leads up from where a symbolic link leads to."""
    parts = path.split(b"/")
    end = len(parts) - parts[::-1].index(b"..")
    top = os.path.realpath(b"/".join(parts[:end]))
    return b"/".join((top, *parts[end:]))


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
