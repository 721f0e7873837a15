"""The first bytes of a segment."""

from __future__ import annotations

from typing import NamedTuple

from strongroom._core.constants import HEADER_LEN
from strongroom._core.failures import check
from strongroom._native import ffi, lib
from strongroom.errors import DamagedError

MAGIC_WORD = b"SRM"


class Header(NamedTuple):
    """The public part of a segment's header, checked for form but not for authenticity."""

    version: int
    suite: int
    type: int
    repo_id: bytes
    session_id: bytes
    envelopes: tuple[tuple[int, bytes], ...]
    """(type, body) in stored order."""
    stored: bytes
    """All 4096 bytes."""


def parse_header(stored: bytes, *, doing: str) -> Header:
    """Read the first 4096 bytes of a segment. Raises DamagedError or UnsupportedError."""
    if len(stored) != HEADER_LEN:
        raise DamagedError(
            f"{doing}: too short to be a sealed file", hint="name a file that seal wrote"
        )
    info = ffi.new("srm_header_info *")
    status = lib.srm_header_parse(ffi.from_buffer(stored), info)
    if status == lib.SRM_EDAMAGED and stored[1:4] != MAGIC_WORD:
        raise DamagedError(f"{doing}: not a sealed file", hint="name a file that seal wrote")
    if status == lib.SRM_EDAMAGED:
        raise DamagedError(f"{doing}: not a sealed file, or its header is damaged")
    check(status, doing=doing)
    return Header(
        version=info.version,
        suite=info.suite,
        type=info.type,
        repo_id=bytes(ffi.buffer(info.repo_id)),
        session_id=bytes(ffi.buffer(info.session_id)),
        envelopes=tuple(
            (e.type, stored[e.body_off : e.body_off + e.body_len])
            for e in info.envelopes[0 : info.envelope_count]
        ),
        stored=stored,
    )
