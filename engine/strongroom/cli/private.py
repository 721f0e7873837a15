"""Files that hold secrets: new ones, that only their owner reads."""

from __future__ import annotations

import os
from pathlib import Path

from strongroom.errors import TargetError, TargetExistsError
from strongroom.ops.target import sync_folder


def write_private(path: Path, text: str, *, doing: str) -> None:
    """A new file with text, mode 0600, durable. An existing one is never replaced.

    Raises TargetExistsError, TargetError.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise TargetExistsError(
            f"{doing}: it exists", hint="choose another name; a key is never replaced"
        ) from None
    except OSError as error:
        raise TargetError(f"{doing}: {error.strerror}") from None
    try:
        with os.fdopen(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.absolute().parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise TargetError(f"{doing}: {error.strerror}") from None
