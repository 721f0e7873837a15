"""The C core, as Python sees it. The only module that touches ffi.

Long calls run on a thread of the core; the calling thread wakes ten times a second to report
progress and to let signals such as Ctrl-C through.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from strongroom._native import ffi, lib
from strongroom.errors import (
    CancelledError,
    DamagedError,
    LimitError,
    SourceError,
    StrongroomError,
    TargetError,
    UnsupportedError,
    UsageError,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer

HEADER_LEN: int = lib.SRM_HEADER_LEN
TRAILER_LEN: int = lib.SRM_TRAILER_LEN
FRAME_LEN: int = lib.SRM_FRAME_LEN
CHUNK_LEN: int = lib.SRM_CHUNK_LEN
LEVEL_MAX: int = lib.SRM_LEVEL_MAX
THREADS_MAX: int = lib.SRM_THREADS_MAX
TYPE_STREAM = 1
WAKE_MS = 100

Progress: TypeAlias = Callable[[int, int], None]
"""Called from the calling thread with bytes read and bytes written so far."""

Endpoint: TypeAlias = "int | Buffer"
"""A file descriptor, used in order from its position, or memory."""

_RAISES: dict[int, type[StrongroomError]] = {
    lib.SRM_ECANCELLED: CancelledError,
    lib.SRM_EDAMAGED: DamagedError,
    lib.SRM_EAUTH: DamagedError,
    lib.SRM_EUNSUPPORTED: UnsupportedError,
    lib.SRM_ELIMIT: LimitError,
    lib.SRM_ECHANGED: SourceError,
}


@dataclass(frozen=True, slots=True)
class BuildInfo:
    """What the core was built from and runs on."""

    openssl: str
    zstd: str
    blake3: str
    notes: tuple[str, ...]
    cpu_features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Header:
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


@dataclass(frozen=True, slots=True)
class Result:
    """What a job produced or checked."""

    root: bytes
    frames: int
    raw_bytes: int
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class SealOptions:
    """What goes into a header, and how to seal."""

    repo_id: bytes
    session_id: bytes
    session_key: bytes
    envelopes: bytes
    """The envelope list as stored, without fill."""
    level: int
    pad: bool
    threads: int = 0
    """At most this many; 0: as many as there are processors."""


def build_info() -> BuildInfo:
    """Versions of the libraries in use, CPU features, and what is slower than it could be."""
    info = ffi.new("srm_build_info *")
    lib.srm_build_info_get(info)
    notes = _text(info.notes)
    return BuildInfo(
        openssl=_text(info.openssl_version),
        zstd=_text(info.zstd_version),
        blake3=_text(info.blake3_version),
        notes=tuple(line for line in notes.split("\n") if line),
        cpu_features=tuple(_text(info.cpu_features).split()),
    )


def parse_header(stored: bytes, *, doing: str) -> Header:
    """Read the first 4096 bytes of a segment. Raises DamagedError or UnsupportedError."""
    if len(stored) != HEADER_LEN:
        raise DamagedError(f"{doing}: too short to be a sealed file")
    info = ffi.new("srm_header_info *")
    status = lib.srm_header_parse(ffi.from_buffer(stored), info)
    if status == lib.SRM_EDAMAGED:
        raise DamagedError(f"{doing}: not a sealed file, or its header is damaged")
    _check(status, doing=doing)
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


def seal(
    options: SealOptions,
    source: Endpoint,
    target: Endpoint,
    *,
    doing: str,
    progress: Progress | None = None,
) -> Result:
    """Seal source into target as one stream segment.

    Raises SourceError, TargetError, LimitError; a target that failed holds nothing of use.
    """
    envelopes = ffi.from_buffer("uint8_t[]", options.envelopes)
    given = ffi.new(
        "srm_seal_options *",
        {
            "type": TYPE_STREAM,
            "level": options.level,
            "pad": options.pad,
            "threads": options.threads,
            "repo_id": options.repo_id,
            "session_id": options.session_id,
            "session_key": options.session_key,
            "envelopes": envelopes,
            "envelopes_len": len(options.envelopes),
        },
    )
    try:
        with _source(source) as from_, _target(target) as to:
            return _run(
                lambda out: lib.srm_seal_start(given, from_[0], to[0], out),
                doing=doing,
                progress=progress,
            )
    finally:
        ffi.buffer(given)[:] = bytes(ffi.sizeof("srm_seal_options"))


def open_stream(
    header: Header,
    session_key: bytes,
    source: Endpoint,
    target: Endpoint,
    *,
    doing: str,
    threads: int = 0,
    progress: Progress | None = None,
) -> Result:
    """Open what follows a header into target, frame by frame.

    Raises DamagedError, SourceError, TargetError. Only a return means that target is complete.
    """
    with _source(source) as from_, _target(target) as to:
        return _run(
            lambda out: lib.srm_open_start(
                ffi.from_buffer(header.stored), session_key, from_[0], to[0], threads, out
            ),
            doing=doing,
            progress=progress,
        )


class View:
    """A stream read at any place; only what is asked for is read and verified.

    Use it from one thread at a time, and close it. source must outlive it.
    """

    def __init__(self, header: Header, session_key: bytes, source: Endpoint, *, doing: str) -> None:
        """Raises DamagedError, SourceError; UsageError for a pipe."""
        self._doing = doing
        self._view = ffi.NULL
        self._stack = ExitStack()
        from_ = self._stack.enter_context(_source(source))
        out, failure = ffi.new("srm_view **"), ffi.new("srm_failure *")
        stored = ffi.from_buffer(header.stored)
        status = lib.srm_view_open(stored, session_key, from_[0], out, failure)
        if status != lib.SRM_OK:
            self._stack.close()
            if status == lib.SRM_EINVAL:
                raise UsageError(f"{doing}: only a regular file can be read at any place")
            raise _failure(status, failure, doing=doing)
        self._view = out[0]

    def __len__(self) -> int:
        return int(lib.srm_view_len(self._view))

    def read_into(self, offset: int, target: Buffer) -> int:
        """Fill target with plaintext from offset on; fewer bytes only at the end.

        Raises DamagedError, SourceError; target then holds no plaintext.
        """
        if self._view == ffi.NULL:
            raise ValueError("the view is closed")
        got, failure = ffi.new("size_t *"), ffi.new("srm_failure *")
        with ffi.from_buffer("uint8_t[]", target, require_writable=True) as mem:
            status = lib.srm_view_read(self._view, offset, mem, len(mem), got, failure)
        if status != lib.SRM_OK:
            raise _failure(status, failure, doing=self._doing)
        return int(got[0])

    def close(self) -> None:
        """Wipe keys and plaintext. More than once is fine."""
        lib.srm_view_free(self._view)
        self._view = ffi.NULL
        self._stack.close()


def scrub(
    header: Header,
    source: Endpoint,
    *,
    doing: str,
    threads: int = 0,
    progress: Progress | None = None,
) -> Result:
    """Recompute a stream's root without a key and hold it against its trailer.

    raw_bytes is 0 in the result: it cannot be known. Raises DamagedError, SourceError.
    """
    with _source(source) as from_:
        return _run(
            lambda out: lib.srm_scrub_start(ffi.from_buffer(header.stored), from_[0], threads, out),
            doing=doing,
            progress=progress,
        )


def merkle_root(leaves: bytes) -> bytes:
    """The RFC 6962 root over leaf hashes of 32 bytes each, at least one."""
    root = ffi.new("uint8_t[32]")
    _check(lib.srm_merkle_root(leaves, len(leaves) // 32, root), doing="building a Merkle tree")
    return bytes(ffi.buffer(root))


def merkle_path(leaves: bytes, index: int) -> bytes:
    """The audit path of one leaf, bottom up, 32 bytes a step."""
    path = ffi.new("uint8_t[2048]")
    path_len = ffi.new("size_t *")
    status = lib.srm_merkle_path(leaves, len(leaves) // 32, index, path, 2048, path_len)
    _check(status, doing="proving a leaf")
    return bytes(ffi.buffer(path, path_len[0]))


def merkle_root_from_path(leaf: bytes, *, index: int, count: int, path: bytes) -> bytes:
    """The root that a leaf hash and its audit path lead to. Raises DamagedError."""
    root = ffi.new("uint8_t[32]")
    status = lib.srm_merkle_root_from_path(leaf, index, count, path, len(path), root)
    _check(status, doing="checking a proof")
    return bytes(ffi.buffer(root))


def _text(chars: Any) -> str:
    return str(ffi.string(chars).decode("utf-8"))


def _check(status: int, *, doing: str) -> None:
    """Turn a C status into an exception that says what was being done."""
    if status == lib.SRM_ENOMEM:
        raise MemoryError(doing)
    if status != lib.SRM_OK:
        text = _text(lib.srm_status_text(status))
        raise _RAISES.get(status, StrongroomError)(f"{doing}: {text}")


@contextmanager
def _source(source: Endpoint) -> Iterator[Any]:
    if isinstance(source, int):
        yield ffi.new("srm_source *", {"fd": source})
        return
    with ffi.from_buffer("uint8_t[]", source) as mem:
        yield ffi.new("srm_source *", {"fd": -1, "mem": mem, "mem_len": len(mem)})


@contextmanager
def _target(target: Endpoint) -> Iterator[Any]:
    if isinstance(target, int):
        yield ffi.new("srm_sink *", {"fd": target})
        return
    with ffi.from_buffer("uint8_t[]", target, require_writable=True) as mem:
        yield ffi.new("srm_sink *", {"fd": -1, "mem": mem, "mem_cap": len(mem)})


def _run(start: Callable[[Any], int], *, doing: str, progress: Progress | None) -> Result:
    """Start a job, watch it to its end, and free it whatever happens."""
    out = ffi.new("srm_job **")
    status = start(out)
    if status == lib.SRM_EAUTH:
        raise DamagedError(f"{doing}: header: authentication failed")
    _check(status, doing=doing)
    job = out[0]
    try:
        while (status := lib.srm_job_wait(job, WAKE_MS)) == lib.SRM_RUNNING:
            if progress is not None:
                progress(*_progress_of(job))
        result = ffi.new("srm_result *")
        failure = ffi.new("srm_failure *")
        _check(lib.srm_job_result(job, result, failure), doing=doing)
        if status != lib.SRM_OK:
            raise _failure(status, failure, doing=doing)
        if progress is not None:
            progress(*_progress_of(job))
    finally:
        lib.srm_job_free(job)
    return Result(
        root=bytes(ffi.buffer(result.root)),
        frames=result.frames,
        raw_bytes=result.raw_len,
        stored_bytes=result.stored_len,
    )


def _progress_of(job: Any) -> tuple[int, int]:
    counts = ffi.new("uint64_t[2]")
    lib.srm_job_progress(job, counts, counts + 1)
    return int(counts[0]), int(counts[1])


def _failure(status: int, failure: Any, *, doing: str) -> Exception:
    """The exception for a job that ended with status, failing where failure says."""
    text = _text(lib.srm_status_text(status))
    if status == lib.SRM_ENOMEM:
        return MemoryError(doing)
    if status == lib.SRM_EIO:
        reading = failure.place == lib.SRM_AT_INPUT
        kind, verb = (SourceError, "reading") if reading else (TargetError, "writing")
        return kind(f"{doing}: {verb} failed: {os.strerror(failure.os_error)}")
    if status in (lib.SRM_EAUTH, lib.SRM_EDAMAGED):
        text = _damage(text, failure)
    return _RAISES.get(status, StrongroomError)(f"{doing}: {text}")


def _damage(text: str, failure: Any) -> str:
    """What is damaged, and where."""
    if failure.place == lib.SRM_AT_TRAILER:
        return "cut off or followed by other data, or its trailer is damaged"
    if failure.place == lib.SRM_AT_ROOT:
        return "its bytes do not make the segment root in its trailer"
    if failure.place == lib.SRM_AT_HEADER:
        return f"header: {text}"
    if failure.place == lib.SRM_AT_FRAME:
        return f"frame {failure.frame}: {text}"
    return f"frame {failure.frame}, {_text(lib.srm_place_text(failure.place))}: {text}"
