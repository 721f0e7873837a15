"""This user's folders: where the XDG Base Directory Specification has them, and for a while."""

from __future__ import annotations

import os
from pathlib import Path

from strongroom.errors import UsageError


def cache_home() -> Path:
    """For what can be made again. Raises UsageError where nobody says where."""
    return _folder("XDG_CACHE_HOME", ".cache")


def state_home() -> Path:
    """For what this machine must not forget. Raises UsageError where nobody says where."""
    return _folder("XDG_STATE_HOME", ".local/state")


def temporary_folder() -> Path:
    """For what is gone when the process is (POSIX: TMPDIR)."""
    return Path(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108 - for random names only


def _folder(variable: str, usual: str) -> Path:
    given = Path(os.environ.get(variable, ""))
    try:
        base = given if given.is_absolute() else Path.home() / usual
    except RuntimeError:
        raise UsageError(f"this user has no home, nor is {variable} set", hint="set HOME") from None
    return base / "strongroom"
