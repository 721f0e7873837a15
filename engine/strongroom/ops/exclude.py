"""What a backup leaves out, by patterns on paths."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Final, NamedTuple, TypeAlias

from strongroom.errors import SourceError, UsageError

File: TypeAlias = "str | os.PathLike[str] | int"

_CLASS: Final = rb"\[(!|\^)?(\]?[^\]/]*)\]"


class _Rule(NamedTuple):
    """One pattern."""

    regex: re.Pattern[bytes]
    folders_only: bool
    keeps: bool


class Excludes:
    """Patterns much as in a .gitignore, on paths as the snapshot has them.

    `*` and `?` match anything but '/', `[a-z]` and `[!a-z]` one character, `**` any number of
    folders. A leading '/' ties the pattern to the top of the snapshot; without one it may match at
    any depth. A trailing '/' means folders only. `!` in front takes back what earlier patterns
    excluded, except inside a folder that is left out. Backslash makes the next character plain.
    """

    def __init__(self, patterns: Iterable[str | bytes] = ()) -> None:
        """Raises UsageError for a pattern that can never match."""
        self._rules = [_rule(os.fsencode(pattern)) for pattern in patterns]
        # One search for all, unless the order of patterns decides.
        self._ordered = any(rule.keeps for rule in self._rules)
        self._folders = _any_of(self._rules)
        self._others = _any_of([rule for rule in self._rules if not rule.folders_only])

    def __bool__(self) -> bool:
        return bool(self._rules)

    def covers(self, path: bytes, *, folder: bool) -> bool:
        """Is this path to be left out?"""
        if self._ordered:
            for rule in reversed(self._rules):
                if (folder or not rule.folders_only) and rule.regex.match(path):
                    return not rule.keeps
            return False
        regex = self._folders if folder else self._others
        return regex is not None and regex.match(path) is not None


def read_patterns(path: File) -> list[bytes]:
    """Patterns from a file or descriptor, one a line; empty lines and lines that begin with # say
    nothing. Raises SourceError."""
    lines = _content(path, what="patterns").splitlines()
    return [line for line in map(_trimmed, lines) if line and not line.startswith(b"#")]


def read_paths(path: File) -> list[bytes]:
    """Paths from a file or descriptor: separated by NUL if there is any in it, else one a line.
    Raises SourceError."""
    content = _content(path, what="paths")
    separator = b"\0" if b"\0" in content else b"\n"
    return [line for line in content.split(separator) if line]


def _content(path: File, *, what: str) -> bytes:
    try:
        with open(path, "rb", closefd=not isinstance(path, int)) as file:
            return file.read()
    except OSError as error:
        where = f"descriptor {path}" if isinstance(path, int) else os.fspath(path)
        raise SourceError(f"reading {what} from {where}: {error.strerror}") from None


def _trimmed(line: bytes) -> bytes:
    """Without trailing blanks, unless a backslash keeps the last one."""
    bare = line.rstrip(b" \t\r")
    return bare + b" " if bare.endswith(b"\\") and len(bare) < len(line) else bare


def _any_of(rules: list[_Rule]) -> re.Pattern[bytes] | None:
    if not rules:
        return None
    return re.compile(b"|".join(b"(?:%s)" % rule.regex.pattern for rule in rules), re.DOTALL)


def _rule(pattern: bytes) -> _Rule:
    body = pattern
    keeps = body.startswith(b"!")
    body = body[1:] if keeps else body
    folders_only = body.endswith(b"/")
    anchored = body.startswith(b"/")
    body = body.strip(b"/")
    if not body or b"\0" in body or {b".", b".."} & set(body.split(b"/")):
        raise UsageError(f"the pattern {os.fsdecode(pattern)!r} matches nothing")
    try:
        regex = re.compile(_translated(body, anchored=anchored) + rb"\Z", re.DOTALL)
    except re.error as error:
        raise UsageError(f"the pattern {os.fsdecode(pattern)!r}: {error}") from None
    return _Rule(regex, folders_only, keeps)


def _translated(body: bytes, *, anchored: bool) -> bytes:
    """A regular expression for a pattern without slashes at its ends.

    What stands between two ** matches where it first can: if the rest does not match after that, it
    would not match further on. So nothing is tried again and again, whatever the names are.
    """
    blocks: list[list[bytes]] = [[]]
    for part in (() if anchored else (b"**",)) + tuple(body.split(b"/")):
        if part != b"**":
            blocks[-1].append(_component(part))
        elif blocks[-1] or len(blocks) == 1:
            blocks.append([])
    first, *others = [b"/".join(block) for block in blocks]
    if not others:
        return first
    between = b"".join(b"(?>(?:[^/]+/)*?" + block + b"/)" for block in others[:-1])
    last = b"(?:.*/)?" + others[-1] if others[-1] else b".+"
    return (first + b"/" if first else b"") + between + last


def _component(part: bytes) -> bytes:
    """What stands between two stars matches where it first can, for the same reason."""
    first, *others = _between_stars(part)
    if not others:
        return first
    found = b"".join(b"(?>[^/]*?" + piece + b")" for piece in others[:-1])
    return first + found + b"[^/]*" + others[-1]


def _between_stars(part: bytes) -> list[bytes]:
    pieces = [b""]
    at = 0
    while at < len(part):
        char = part[at : at + 1]
        found = re.compile(_CLASS).match(part, at) if char == b"[" else None
        if found is not None and found[2]:
            pieces[-1] += _class(found)
            at = found.end()
            continue
        if char == b"\\" and at + 1 < len(part):
            at += 1
            pieces[-1] += re.escape(part[at : at + 1])
        elif char != b"*":
            pieces[-1] += b"[^/]" if char == b"?" else re.escape(char)
        elif pieces[-1] or len(pieces) == 1:
            pieces.append(b"")
        at += 1
    return pieces


def _class(found: re.Match[bytes]) -> bytes:
    negated = b"^/" if found[1] else b""
    chars = re.sub(rb"([\\\[\]^&~|])", rb"\\\1", found[2])
    return b"(?!/)[" + negated + chars + b"]"
