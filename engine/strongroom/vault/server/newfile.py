"""A new private file of the vault's: whole and durable, or not there."""

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
        with os.fdopen(fd, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        _sync(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise TargetError(f"making {path}: {error.strerror}") from None


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
