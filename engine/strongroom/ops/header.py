"""The header of a sealed file, read without any key."""

from __future__ import annotations

import os
import select

from strongroom import _core
from strongroom._core import Header
from strongroom.errors import SourceError


def read_header(fd: int, *, doing: str) -> Header:
    """Read and check the first 4096 bytes from a descriptor."""
    stored = bytearray()
    try:
        while len(stored) < _core.HEADER_LEN:
            try:
                piece = os.read(fd, _core.HEADER_LEN - len(stored))
            except BlockingIOError:
                select.select([fd], [], [])
                continue
            if not piece:
                break
            stored += piece
    except OSError as error:
        raise SourceError(f"{doing}: reading failed: {error.strerror}") from None
    return _core.parse_header(bytes(stored), doing=doing)
