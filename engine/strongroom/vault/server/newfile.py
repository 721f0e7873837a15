"""Private files of the vault's: whole and durable, or as they were."""

from __future__ import annotations

import os
from pathlib import Path

from strongroom.errors import TargetError, UsageError


def write_new(path: Path, text: str, *, why: str) -> None:
    """Mode 0600. Raises TargetError; UsageError, which says why, where something has its name."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise UsageError(f"making {path}: it exists; {why}") from None
    except OSError as error:
        raise TargetError(f"making {path}: {error.strerror}") from None
    try:
        _fill(fd, text)
        _sync(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise TargetError(f"making {path}: {error.strerror}") from None


def replace_file(path: Path, text: str) -> None:
    """Mode 0600; readers see the old text or the new one. One writer at a time. Raises
    TargetError."""
    beside = path.with_name(path.name + ".new")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        _fill(os.open(beside, flags, 0o600), text)
        beside.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise TargetError(f"writing {path}: {error.strerror}") from None


def _fill(fd: int, text: str) -> None:
    with os.fdopen(fd, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
