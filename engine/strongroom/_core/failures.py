"""What the core says went wrong, as exceptions."""

from __future__ import annotations

import errno
import os
from typing import Any

from strongroom._native import ffi, lib
from strongroom.errors import (
    CancelledError,
    DamagedError,
    LimitError,
    SourceError,
    StrongroomError,
    TargetError,
    UnsupportedError,
)

_RAISES: dict[int, type[StrongroomError]] = {
    lib.SRM_ECANCELLED: CancelledError,
    lib.SRM_EDAMAGED: DamagedError,
    lib.SRM_EAUTH: DamagedError,
    lib.SRM_EUNSUPPORTED: UnsupportedError,
    lib.SRM_ELIMIT: LimitError,
    lib.SRM_ECHANGED: SourceError,
}


def text_of(chars: Any) -> str:
    """A C string of the core."""
    return str(ffi.string(chars).decode("utf-8"))


def check(status: int, *, doing: str) -> None:
    """Turn a C status into an exception that says what was being done."""
    if status == lib.SRM_ENOMEM:
        raise MemoryError(doing)
    if status != lib.SRM_OK:
        text = text_of(lib.srm_status_text(status))
        raise _RAISES.get(status, StrongroomError)(f"{doing}: {text}")


def room_hint(os_error: int | None) -> str | None:
    """What to do where that is what the system said of a write."""
    if os_error in (errno.ENOSPC, errno.EDQUOT):
        return "free some room there, or choose another place"
    return None


def failure_error(status: int, found: Any, *, doing: str) -> Exception:
    """The exception for a job that ended with status, failing where failure says."""
    text = text_of(lib.srm_status_text(status))
    if status == lib.SRM_ENOMEM:
        return MemoryError(doing)
    if status == lib.SRM_EIO:
        reading = found.place == lib.SRM_AT_INPUT
        kind, verb = (SourceError, "reading") if reading else (TargetError, "writing")
        words = f"{doing}: {verb} failed: {os.strerror(found.os_error)}"
        return kind(words, hint=room_hint(found.os_error))
    if status in (lib.SRM_EAUTH, lib.SRM_EDAMAGED):
        text = _damage(text, found)
    return _RAISES.get(status, StrongroomError)(f"{doing}: {text}")


def _damage(text: str, found: Any) -> str:
    """What is damaged, and where."""
    if found.place == lib.SRM_AT_TRAILER:
        return "cut off or followed by other data, or its trailer is damaged"
    if found.place == lib.SRM_AT_ROOT:
        return "its bytes do not make the segment root in its trailer"
    if found.place == lib.SRM_AT_HEADER:
        return f"header: {text}"
    if found.place == lib.SRM_AT_FRAME:
        return f"frame {found.frame}: {text}"
    return f"frame {found.frame}, {text_of(lib.srm_place_text(found.place))}: {text}"
