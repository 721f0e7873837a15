"""Open what seal made: into a file, a descriptor or memory."""

from __future__ import annotations

import os
import select
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom import _core
from strongroom._core import Header, Progress, Result
from strongroom.errors import LimitError, SourceError
from strongroom.keys.envelope import Credential, Session, open_envelopes
from strongroom.ops.source import open_source
from strongroom.ops.target import new_file
from strongroom.ops.threads import thread_limit

if TYPE_CHECKING:
    from typing_extensions import Buffer


def open_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    key: Credential,
    overwrite: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Result:
    """Open a sealed file into another, in constant memory.

    target appears only when everything was verified and is durable. Raises WrongKeyError,
    DamagedError, UnsupportedError, LimitError, SourceError, TargetError, TargetExistsError unless
    overwrite, UsageError. threads, progress: see seal_file.
    """
    doing = f"opening {os.fspath(source)}"
    with open_source(Path(source), doing=doing) as opened:
        header = read_header(opened.fd, doing=doing)
        session_key = unlock(header, key, doing=doing)
        with new_file(Path(target), source=opened, overwrite=overwrite, doing=doing) as target_fd:
            return _core.open_stream(
                header,
                session_key,
                opened.fd,
                target_fd,
                doing=doing,
                threads=thread_limit(threads),
                progress=progress,
            )


def open_descriptor(
    source_fd: int,
    target_fd: int,
    *,
    key: Credential,
    doing: str,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Result:
    """Open from one descriptor, a pipe too, into another.

    Plaintext is written frame by frame as each verifies: only a return means it is complete.
    """
    header = read_header(source_fd, doing=doing)
    session_key = unlock(header, key, doing=doing)
    return _core.open_stream(
        header,
        session_key,
        source_fd,
        target_fd,
        doing=doing,
        threads=thread_limit(threads),
        progress=progress,
    )


def open_bytes(data: Buffer, *, key: Credential, limit: int | None = None) -> bytes:
    """Open a sealed file in memory. limit: refuse (LimitError) more plaintext bytes than that.

    Compressed data can grow a thousandfold and more; where it comes from elsewhere, set a limit.
    """
    doing = "opening bytes"
    with memoryview(data).cast("B") as view:
        header = _core.parse_header(bytes(view[: _core.HEADER_LEN]), doing=doing)
        session_key = unlock(header, key, doing=doing)
        rest = view[_core.HEADER_LEN :]
        with closing(_core.View(header, session_key, rest, doing=doing)) as whole:
            raw_len = len(whole)
        if limit is not None and raw_len > limit:
            raise LimitError(f"{doing}: {raw_len} bytes of plaintext are more than {limit}")
        try:
            plaintext = bytearray(raw_len)
        except (MemoryError, OverflowError):
            raise LimitError(f"{doing}: {raw_len} bytes do not fit in memory") from None
        _core.open_stream(header, session_key, rest, plaintext, doing=doing)
    return bytes(plaintext)


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


def unlock(header: Header, key: Credential, *, doing: str) -> bytes:
    """The session key that a header carries for this credential."""
    session = Session(header.repo_id, header.session_id)
    return open_envelopes(key, session, header.envelopes, doing=doing)
