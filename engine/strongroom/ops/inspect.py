"""What a sealed file says of itself, to anyone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from strongroom import _core
from strongroom.errors import DamagedError, SourceError
from strongroom.keys.envelope import PASSWORD, password_parameters
from strongroom.keys.password import KdfParameters
from strongroom.ops.header import read_header
from strongroom.ops.source import open_source

_ROOT_AT = _core.HEADER_LEN


@dataclass(frozen=True, slots=True)
class SealedInfo:
    """The public part of a sealed file. None of it is authenticated; scrub checks the root."""

    version: int
    suite: int
    repo_id: bytes
    session_id: bytes
    envelope_types: tuple[int, ...]
    password_kdf: KdfParameters | None
    stored_bytes: int
    frames: int
    root: bytes
    """As the trailer states it."""


def inspect_file(path: str | os.PathLike[str]) -> SealedInfo:
    """Read header and trailer of a sealed file, no key needed.

    Raises DamagedError, UnsupportedError, SourceError.
    """
    doing = f"reading {os.fspath(path)}"
    with open_source(Path(path), doing=doing) as opened:
        header = read_header(opened.fd, doing=doing)
        trailer = _read_trailer(opened.fd, opened.size, doing=doing)
    if trailer[: _core.HEADER_LEN] != header.stored:
        raise DamagedError(f"{doing}: it is cut off, or its trailer is damaged")
    frames_len = opened.size - _core.HEADER_LEN - _core.TRAILER_LEN
    if header.type == _core.TYPE_DATA:
        frames_len -= frames_len % _core.HEADER_LEN  # digests: less than a page
    passwords = [body for kind, body in header.envelopes if kind == PASSWORD]
    return SealedInfo(
        version=header.version,
        suite=header.suite,
        repo_id=header.repo_id,
        session_id=header.session_id,
        envelope_types=tuple(kind for kind, _ in header.envelopes),
        password_kdf=password_parameters(passwords[0]) if passwords else None,
        stored_bytes=opened.size,
        frames=-(-frames_len // _core.FRAME_LEN),
        root=trailer[_ROOT_AT : _ROOT_AT + 32],
    )


def _read_trailer(fd: int, size: int, *, doing: str) -> bytes:
    if size < _core.HEADER_LEN + _core.TRAILER_LEN:
        raise DamagedError(f"{doing}: too short to be a sealed file")
    try:
        return os.pread(fd, _core.TRAILER_LEN, size - _core.TRAILER_LEN)
    except OSError as error:
        raise SourceError(f"{doing}: reading failed: {error.strerror}") from None
