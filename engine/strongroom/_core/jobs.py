"""Sealing, opening and scrubbing whole streams.

The work runs on threads of the core; the calling thread wakes ten times a second to report
progress and to let signals such as Ctrl-C through.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from strongroom._core.constants import TYPE_STREAM
from strongroom._core.endpoints import Endpoint, overlap, sink_of, source_of
from strongroom._core.failures import check, failure_error
from strongroom._core.headers import Header
from strongroom._native import ffi, lib
from strongroom.errors import CancelledError, DamagedError, UsageError

if TYPE_CHECKING:
    from typing_extensions import Buffer

WAKE_MS = 100

Progress: TypeAlias = Callable[[int, int], None]
"""Called from the calling thread with bytes read and bytes written so far."""


class Cancel(Protocol):
    """What stops a call when it is set, such as a threading.Event."""

    def is_set(self) -> bool:
        """Is the call to stop?"""


class Watch(NamedTuple):
    """What goes on beside a job, ten times a second."""

    progress: Progress | None = None
    cancel: Cancel | None = None


UNWATCHED = Watch()


class Result(NamedTuple):
    """What a job produced or checked."""

    root: bytes
    """The segment root, 32 bytes."""
    frames: int
    raw_bytes: int
    """Bytes of plaintext."""
    stored_bytes: int
    """Bytes of the whole sealed file."""


class SealOptions:
    """What goes into a header, and how to seal. No tuple: who reports errors would list its key."""

    def __init__(
        self,
        *,
        repo_id: bytes,
        session_id: bytes,
        session_key: bytes,
        envelopes: bytes,
        level: int,
        pad: bool,
        threads: int = 0,
        kind: int = TYPE_STREAM,
    ) -> None:
        """envelopes: the list as stored, without fill. threads: at most this many; 0: as many as
        there are processors. kind: or TYPE_MANIFEST, which is laid out alike."""
        self.repo_id = repo_id
        self.session_id = session_id
        self.session_key = session_key
        self.envelopes = envelopes
        self.level = level
        self.pad = pad
        self.threads = threads
        self.kind = kind

    def __repr__(self) -> str:
        return "SealOptions(hidden)"


def _free_job(holder: Any) -> None:
    lib.srm_job_free(holder[0])
    holder[0] = ffi.NULL


class Job:
    """A seal, open or scrub that runs on threads of the core. Close it whatever happens."""

    def __init__(self, start: Callable[[Any], int], *, doing: str, keep: ExitStack) -> None:
        """start takes a `srm_job **`; keep holds what the job works on and is closed with it."""
        self._doing = doing
        # The guard frees the job exactly once: by close, or with its last reference should a
        # signal's exception come before anyone can call close.
        self._holder = ffi.new("srm_job **")
        self._guard = ffi.gc(self._holder, _free_job)
        self._keep = keep
        try:
            status = start(self._holder)
            if status == lib.SRM_EAUTH:
                raise DamagedError(f"{doing}: header: authentication failed")
            check(status, doing=doing)
        except BaseException:
            self.close()
            raise

    def wait(self, timeout_ms: int) -> bool:
        """Is it over? Waits up to timeout_ms for that."""
        return bool(lib.srm_job_wait(self._holder[0], timeout_ms) != lib.SRM_RUNNING)

    def watch(self, watch: Watch = UNWATCHED) -> Result:
        """Wait for the end, reporting ten times a second. Raises as result does, and
        CancelledError; close stops the job then."""
        while not self.wait(WAKE_MS):
            if watch.cancel is not None and watch.cancel.is_set():
                raise CancelledError(f"{self._doing}: cancelled")
            if watch.progress is not None:
                watch.progress(*self._progress())
        result = self.result()
        if watch.progress is not None:
            watch.progress(*self._progress())
        return result

    def result(self) -> Result:
        """What came of it, once it is over. Raises what it failed of."""
        result, failure = ffi.new("srm_result *"), ffi.new("srm_failure *")
        check(lib.srm_job_result(self._holder[0], result, failure), doing=self._doing)
        if failure.status != lib.SRM_OK:
            raise failure_error(failure.status, failure, doing=self._doing)
        return Result(
            root=bytes(ffi.buffer(result.root)),
            frames=result.frames,
            raw_bytes=result.raw_len,
            stored_bytes=result.stored_len,
        )

    def proof(self) -> bytes:
        """What prove made, once it is over."""
        out, length = ffi.new("uint8_t[]", lib.SRM_PROOF_LEN_MAX), ffi.new("size_t *")
        check(lib.srm_job_proof(self._holder[0], out, length), doing=self._doing)
        return bytes(ffi.buffer(out, length[0]))

    def ids(self) -> bytes:
        """The chunk ids it has to tell, once it is over: 32 bytes each."""
        ids, count = ffi.new("const uint8_t **"), ffi.new("uint64_t *")
        check(lib.srm_job_ids(self._holder[0], ids, count), doing=self._doing)
        return bytes(ffi.buffer(ids[0], count[0] * 32)) if count[0] > 0 else b""

    def close(self) -> None:
        """Stop it if it still runs, and free it. More than once is fine."""
        ffi.release(self._guard)
        self._keep.close()

    def _progress(self) -> tuple[int, int]:
        counts = ffi.new("uint64_t[2]")
        lib.srm_job_progress(self._holder[0], counts, counts + 1)
        return int(counts[0]), int(counts[1])


def seal(
    options: SealOptions,
    source: Endpoint,
    target: Endpoint,
    *,
    doing: str,
    watch: Watch = UNWATCHED,
) -> Result:
    """Seal source into target as one stream segment.

    Raises SourceError, TargetError, LimitError; a target that failed holds nothing of use.
    """
    with closing(start_seal(options, source, target, doing=doing)) as job:
        return job.watch(watch)


def start_seal(options: SealOptions, source: Endpoint, target: Endpoint, *, doing: str) -> Job:
    """Begin to seal; the caller watches the job and closes it."""
    envelopes = ffi.from_buffer("uint8_t[]", options.envelopes)
    given = ffi.new(
        "srm_seal_options *",
        {
            "type": options.kind,
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
        return _between(
            source,
            target,
            lambda from_, to, out: lib.srm_seal_start(given, from_, to, out),
            doing=doing,
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
    watch: Watch = UNWATCHED,
) -> Result:
    """Open what follows a header into target, frame by frame.

    Raises DamagedError, SourceError, TargetError. Only a return means that target is complete.
    """
    stored = ffi.from_buffer(header.stored)
    job = _between(
        source,
        target,
        lambda from_, to, out: lib.srm_open_start(stored, session_key, from_, to, threads, out),
        doing=doing,
    )
    with closing(job):
        return job.watch(watch)


def scrub(
    header: Header,
    source: Endpoint,
    *,
    doing: str,
    threads: int = 0,
    watch: Watch = UNWATCHED,
) -> Result:
    """Recompute a stream's root without a key and hold it against its trailer.

    raw_bytes is 0 in the result: it cannot be known. Raises DamagedError, SourceError.
    """
    stored = ffi.from_buffer(header.stored)
    job = _from(
        source,
        lambda from_, out: lib.srm_scrub_start(stored, from_, threads, out),
        doing=doing,
    )
    with closing(job):
        return job.watch(watch)


def prove(
    header: Header,
    source: Endpoint,
    frame: int,
    *,
    doing: str,
    threads: int = 0,
    watch: Watch = UNWATCHED,
) -> tuple[Result, bytes]:
    """Scrub, and prove that a frame, which the caller knows to be there, is part of what the root
    names. Raises as scrub does. source is no pipe."""
    stored = ffi.from_buffer(header.stored)
    job = _from(
        source,
        lambda from_, out: lib.srm_prove_start(stored, from_, frame, threads, out),
        doing=doing,
    )
    with closing(job):
        result = job.watch(watch)
        return result, job.proof()


def _from(source: Endpoint, start: Callable[[Any, Any], int], *, doing: str) -> Job:
    """A job over source; start takes a `srm_source` and a `srm_job **`."""
    with ExitStack() as stack:
        from_ = stack.enter_context(source_of(source))
        return Job(lambda out: start(from_[0], out), doing=doing, keep=stack.pop_all())


def _between(
    source: Endpoint, target: Endpoint, start: Callable[[Any, Any, Any], int], *, doing: str
) -> Job:
    """A job from source to target; start takes a `srm_source`, a `srm_sink`, a `srm_job **`."""
    with ExitStack() as stack:
        from_ = stack.enter_context(source_of(source))
        to = stack.enter_context(sink_of(target))
        if overlap(from_[0], to[0]):
            raise UsageError(f"{doing}: input and output share memory")
        return Job(lambda out: start(from_[0], to[0], out), doing=doing, keep=stack.pop_all())


def check_proof(proof: bytes, frame: Buffer, root: bytes, *, doing: str) -> None:
    """Raise DamagedError unless the proof leads from a frame as stored to the root."""
    with ffi.from_buffer("uint8_t[]", frame) as mem:
        check(lib.srm_proof_check(proof, len(proof), mem, len(mem), root), doing=doing)
