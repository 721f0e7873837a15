"""Small files that a client keeps about repositories: whole or as they were before, never in part.

A note is one line of JSON, and a line with the SHA-256 of the first in hexadecimal digits: what a
disk did to it is not taken for what a store did.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from strongroom._core.secrets import sha256
from strongroom.errors import DamagedError, SourceError, TargetError, UnsupportedError
from strongroom.stores.nameless import sibling

VERSION: Final = 1
NOTE_LEN_MAX: Final = 1 << 20
"""Bytes."""

_HINT = "it is this machine's own file, not the repository's: if it is of no use, delete it"


def read_note(path: Path) -> dict[str, Any] | None:
    """What was kept; None: nothing yet.

    Raises DamagedError; UnsupportedError for what a newer version wrote; SourceError.
    """
    doing = f"reading {path}"
    try:
        # A pipe in its place would have this wait for ever.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            stored = file.read(NOTE_LEN_MAX + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SourceError(f"{doing}: {error.strerror}") from None
    line, _, digest = stored.partition(b"\n")
    if len(stored) > NOTE_LEN_MAX or digest != _digest(line):
        raise DamagedError(f"{doing}: it is damaged", hint=_HINT)
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise DamagedError(f"{doing}: it is damaged", hint=_HINT)
    if found.get("version") != VERSION:
        raise UnsupportedError(f"{doing}: it has version {found.get('version')!r:.20}")
    return found


def write_note(path: Path, fields: dict[str, Any]) -> None:
    """Keep it in place of what was kept before. Raises TargetError."""
    line = json.dumps({"version": VERSION, **fields}).encode()
    partial = sibling(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(line + b"\n" + _digest(line))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise TargetError(f"writing {path}: {error.strerror}", hint="") from None


def remove_note(path: Path) -> None:
    """Keep it no longer; if that cannot be done, it stays."""
    with suppress(OSError):
        path.unlink()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """While this is held nobody else who asks for it reads and writes notes there. Raises
    TargetError."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise TargetError(f"opening {folder}: {error.strerror}", hint="") from None
    try:
        _lock(fd, folder)
        yield
    finally:
        os.close(fd)


def _lock(fd: int, folder: Path) -> None:
    """Some network file systems have no locks."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
    except OSError as error:
        raise TargetError(f"locking {folder}: {error.strerror}", hint="") from None


def _digest(line: bytes) -> bytes:
    return sha256(line).hex().encode() + b"\n"
