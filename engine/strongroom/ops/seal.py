"""Seal a file, a descriptor or bytes as one stream segment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom import _core
from strongroom._core import UNWATCHED, Cancel, Progress, Result, SealOptions, Watch
from strongroom.errors import LimitError, UsageError
from strongroom.keys.envelope import Credential, Session, seal_envelope
from strongroom.ops.source import Source, open_source
from strongroom.ops.target import new_file
from strongroom.ops.threads import thread_limit

if TYPE_CHECKING:
    from typing_extensions import Buffer

DEFAULT_LEVEL = 3

# A stream has at most 2^24 frames, and a directory, footer and padding need some of them.
_RAW_LEN_MAX = (2**24 - 256) * _core.CHUNK_LEN


def seal_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    key: Credential,
    level: int = DEFAULT_LEVEL,
    pad: bool = True,
    overwrite: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Result:
    """Seal one file into another, in constant memory.

    level: zstd's, 1 to 22; 0 compresses nothing. What does not compress is stored raw at any
    level. pad: hide the exact length (Padmé, at most 3.1 % from 1 MiB up). threads: at most this
    many; None for as many as there are processors. progress is called with bytes read and
    written about ten times a second; cancel, a threading.Event for one, stops the call within a
    tenth of a second (CancelledError).

    target appears only when it is whole and durable. Returns the segment root, which names every
    stored byte, and counts. Raises SourceError (also when source changes meanwhile), TargetError,
    TargetExistsError unless overwrite, UsageError, LimitError (longer than 16 TiB).
    """
    doing = f"sealing {os.fspath(source)}"
    with (
        open_source(Path(source), doing=doing) as opened,
        new_file(Path(target), source=opened, overwrite=overwrite, doing=doing) as target_fd,
    ):
        return seal_descriptor(
            opened,
            target_fd,
            key=key,
            level=level,
            pad=pad,
            doing=doing,
            threads=threads,
            watch=Watch(progress, cancel),
        )


def seal_descriptor(
    source: Source,
    target_fd: int,
    *,
    key: Credential,
    level: int,
    pad: bool,
    doing: str,
    threads: int | None = None,
    watch: Watch = UNWATCHED,
) -> Result:
    """Seal what an open descriptor holds, a pipe too, into another. Raises as seal_file does."""
    if source.size > _RAW_LEN_MAX:
        raise LimitError(
            f"{doing}: {source.size} bytes are more than one sealed file can hold, {_RAW_LEN_MAX}"
        )
    options = seal_options(key, level=level, pad=pad, threads=threads)
    result = _core.seal(options, source.fd, target_fd, doing=doing, watch=watch)
    source.check_unchanged(result.raw_bytes, doing=doing)
    return result


def seal_bytes(
    data: Buffer,
    *,
    key: Credential,
    level: int = DEFAULT_LEVEL,
    pad: bool = True,
    threads: int | None = None,
) -> bytes:
    """Seal bytes in memory; see seal_file for level, pad and threads."""
    with _core.bytes_of(data) as view:
        sealed = bytearray(sealed_length(len(view)))
        result = seal_into(view, sealed, key=key, level=level, pad=pad, threads=threads)
    return bytes(memoryview(sealed)[: result.stored_bytes])


def seal_into(
    data: Buffer,
    target: Buffer,
    *,
    key: Credential,
    level: int = DEFAULT_LEVEL,
    pad: bool = True,
    threads: int | None = None,
) -> Result:
    """Seal what one buffer holds into another, without a copy on the way.

    data: any contiguous buffer, a numpy array for one, which must not change meanwhile; target:
    a writable one of sealed_length(len(data)) bytes or more. Its first stored_bytes bytes are
    the sealed file. Raises LimitError when target is too small, UsageError when the two share
    memory.
    """
    options = seal_options(key, level=level, pad=pad, threads=threads)
    with _core.bytes_of(data) as view, _core.bytes_of(target, writable=True) as room:
        return _core.seal(options, view, room, doing="sealing bytes")


def sealed_length(raw_length: int) -> int:
    """Bytes that always suffice for sealing so many: padding takes at most an eighth of short
    inputs and 3.1 % from 1 MiB up."""
    frames = raw_length + raw_length // 8 + 2 * _core.FRAME_LEN
    return _core.HEADER_LEN + frames + _core.TRAILER_LEN


def seal_options(key: Credential, *, level: int, pad: bool, threads: int | None) -> SealOptions:
    """A fresh session for key. Raises UsageError for a level or number of threads out of range."""
    if not 0 <= level <= _core.LEVEL_MAX:
        raise UsageError(f"the compression level is 0 to {_core.LEVEL_MAX}, not {level}")
    session = Session.fresh()
    session_key = os.urandom(32)
    return SealOptions(
        repo_id=session.repo_id,
        session_id=session.session_id,
        session_key=session_key,
        envelopes=seal_envelope(key, session, session_key),
        level=level,
        pad=pad,
        threads=thread_limit(threads),
    )
