"""Open what seal made: into a file, a descriptor or memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom import _core
from strongroom._core import UNWATCHED, Cancel, Header, Progress, Result, Watch
from strongroom.errors import LimitError, UnsupportedError
from strongroom.keys.envelope import Credential, Session, open_envelopes
from strongroom.ops.header import read_header
from strongroom.ops.source import open_source
from strongroom.ops.target import new_file
from strongroom.ops.threads import thread_limit

if TYPE_CHECKING:
    from typing_extensions import Buffer

_OPENING = "opening bytes"


def open_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    key: Credential,
    overwrite: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Result:
    """Open a sealed file into another, in constant memory.

    target appears only when everything was verified and is durable. Raises WrongKeyError,
    DamagedError, UnsupportedError, LimitError, SourceError, TargetError, TargetExistsError unless
    overwrite, UsageError. threads, progress, cancel: see seal_file.
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
                watch=Watch(progress, cancel),
            )


def open_descriptor(
    source_fd: int,
    target_fd: int,
    *,
    key: Credential,
    doing: str,
    threads: int | None = None,
    watch: Watch = UNWATCHED,
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
        watch=watch,
    )


def open_bytes(
    data: Buffer, *, key: Credential, limit: int | None = None, threads: int | None = None
) -> bytes:
    """Open a sealed file in memory. limit: refuse (LimitError) more plaintext bytes than that.

    Memory is taken for what the file claims to hold before all of it is verified, and compressed
    data can grow twenty-thousandfold; where it comes from elsewhere, set a limit.
    """
    with _unlocked(data, key) as (header, session_key, rest):
        raw_len = _raw_len(header, session_key, rest)
        if limit is not None and raw_len > limit:
            raise LimitError(f"{_OPENING}: {raw_len} bytes of plaintext are more than {limit}")
        try:
            plaintext = bytearray(raw_len)
        except (MemoryError, OverflowError):
            raise LimitError(f"{_OPENING}: {raw_len} bytes do not fit in memory") from None
        _core.open_stream(
            header, session_key, rest, plaintext, doing=_OPENING, threads=thread_limit(threads)
        )
    return bytes(plaintext)


def open_into(data: Buffer, target: Buffer, *, key: Credential, threads: int | None = None) -> int:
    """Open a sealed file in memory into a writable buffer, such as a numpy array, without a copy
    on the way. Returns how many bytes of it were filled. data must not change meanwhile.

    Raises LimitError when target is too small, UsageError when the two share memory. On any error
    it holds nothing of use: some of it may have been written.
    """
    with (
        _unlocked(data, key) as (header, session_key, rest),
        _core.bytes_of(target, writable=True) as room,
    ):
        result = _core.open_stream(
            header, session_key, rest, room, doing=_OPENING, threads=thread_limit(threads)
        )
    return result.raw_bytes


@contextmanager
def _unlocked(data: Buffer, key: Credential) -> Iterator[tuple[Header, bytes, memoryview]]:
    """Header, session key, and what follows the header."""
    with _core.bytes_of(data) as view:
        header = _core.parse_header(bytes(view[: _core.HEADER_LEN]), doing=_OPENING)
        session_key = unlock(header, key, doing=_OPENING)
        with view[_core.HEADER_LEN :] as rest:
            yield header, session_key, rest


def _raw_len(header: Header, session_key: bytes, rest: Buffer) -> int:
    with closing(_core.View(header, session_key, rest, doing=_OPENING)) as whole:
        return len(whole)


def unlock(header: Header, key: Credential, *, doing: str) -> bytes:
    """The session key that a sealed file's header carries for this credential."""
    if header.type != _core.TYPE_STREAM:
        raise UnsupportedError(f"{doing}: it is a part of a repository, not a sealed file")
    session = Session(header.repo_id, header.session_id)
    return open_envelopes(key, session, header.envelopes, doing=doing)
