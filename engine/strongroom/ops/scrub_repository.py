"""Check a whole repository without any key."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom._core import UNWATCHED, Cancel, Progress, Watch
from strongroom.errors import CancelledError, DamagedError, StrongroomError
from strongroom.keys.slot import SLOT_LEN_MAX, parse_slot
from strongroom.ops.scrub import scrub_descriptor
from strongroom.ops.stored_segment import open_segment
from strongroom.ops.threads import thread_limit
from strongroom.repository.config import Config, read_config
from strongroom.repository.entry import SegmentRef
from strongroom.repository.freshness import Freshness, HeadKeeper
from strongroom.repository.log import Log
from strongroom.repository.names import SEGMENTS, segment_name
from strongroom.repository.pins import Head
from strongroom.repository.slots import PREFIX as SLOTS
from strongroom.stores.local import LocalStore
from strongroom.stores.locate import open_store

Report = Callable[[str, StrongroomError], None]
"""Called with the name of an object and what is wrong with it."""

LARGE_LEN: Final = 256 << 20
"""Stored bytes from which a segment is worth all threads; smaller ones have one each."""

_WAKE_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class RepositoryScrub:
    """What a check without a key found."""

    repo_id: bytes
    public_key: bytes
    """Ed25519, as the config states it."""
    trusted: bool
    """True: that is the key given, or the one with which this machine opened it once, so what was
    found whole is authentic. False: it is only consistent in itself, by whomever made."""
    freshness: Freshness
    """How new the log is, as far as this machine can know."""
    head: Head
    """Its newest entry."""
    entries: int
    """Of the log."""
    segments: int
    stored_bytes: int
    """Of the segments that the log names."""
    damaged: int
    """Objects damaged or missing; each was reported."""
    superfluous: tuple[str, ...]
    """Segments that the log never named: left by a backup that was interrupted, or one that
    runs now. Empty where the log itself is damaged."""
    warnings: tuple[str, ...] = ()
    """What could not be read or remembered of what this machine saw before."""


def _ignore(_: str, __: StrongroomError) -> None:
    """For those who do not want to know."""


def scrub_repository(
    url: str | os.PathLike[str],
    *,
    public_key: bytes | None = None,
    threads: int | None = None,
    on_damage: Report = _ignore,
    on_total: Callable[[int], None] | None = None,
    state: str | os.PathLike[str] | None = None,
    accept_rollback: bool = False,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> RepositoryScrub:
    """Check everything stored in a repository against its log, without any key.

    Without public_key this finds accidental damage: the repository is consistent in itself. With
    Repository.public_key, kept elsewhere or known from when this machine opened the repository, it
    finds any change but the loss of entries that this machine never saw. state, accept_rollback:
    as in Repository.open.
    on_total: called with the stored bytes there are, once the log is read.
    on_damage: called with the name of each damaged or missing object, and what is wrong with it.
    Raises NoRepositoryError, RolledBackError, DamagedError where the config is damaged or names
    another key.
    """
    return scrub_store(
        open_store(os.fspath(url)),
        state=None if state is None else Path(state),
        accept_rollback=accept_rollback,
        public_key=public_key,
        threads=threads,
        report=on_damage,
        on_total=on_total,
        watch=Watch(progress, cancel),
    )


def scrub_store(
    store: LocalStore,
    *,
    public_key: bytes | None = None,
    threads: int | None = None,
    report: Report,
    on_total: Callable[[int], None] | None = None,
    state: Path | None = None,
    accept_rollback: bool = False,
    watch: Watch = UNWATCHED,
) -> RepositoryScrub:
    """Hold config, slots, the log's signatures and chain, and every stored byte of every segment
    against the log.

    public_key: what the config must name, known from elsewhere. What is damaged is reported, and
    the work goes on. Raises NoRepositoryError, UnsupportedError, CancelledError, RolledBackError,
    and DamagedError where the config itself is damaged.
    """
    doing = f"scrubbing {store.url}"
    config = read_config(store, doing=doing)
    if public_key is not None and public_key != config.public_key:
        raise DamagedError(
            f"scrubbing {store.url}: its public key is not the one given, but "
            f"{config.public_key.hex()}",
            hint="it is another repository, or somebody put another in its place",
        )
    heads = HeadKeeper(store.url, config, state=state, accept_rollback=accept_rollback, doing=doing)
    findings = _Findings(report)
    _check_slots(store, config, findings)
    log = Log(store, config, None)
    whole = _read_log(log, heads, findings, proven=public_key is not None)
    segments = list(log.segments())
    if on_total is not None:
        on_total(sum(segment.length for segment in segments))
    _scrub_all(store, segments, thread_limit(threads), findings, watch)
    known = {segment_name(segment.id) for segment in segments}
    known.update(segment_name(name) for name in log.state.tombstones)
    others = [name for name in store.list(SEGMENTS) if name not in known] if whole else []
    return RepositoryScrub(
        repo_id=config.repo_id,
        public_key=config.public_key,
        trusted=public_key is not None or (heads.pin is not None and heads.pin.proven),
        freshness=heads.freshness,
        warnings=tuple(heads.warnings),
        head=Head(*log.head),
        entries=log.head[0],
        segments=len(segments),
        stored_bytes=sum(segment.length for segment in segments),
        damaged=findings.count,
        superfluous=tuple(others),
    )


class _Findings:
    """Counts what is reported."""

    def __init__(self, report: Report) -> None:
        self.count = 0
        self._report = report

    def add(self, name: str, error: StrongroomError) -> None:
        self.count += 1
        self._report(name, error)


def _read_log(log: Log, heads: HeadKeeper, findings: _Findings, *, proven: bool) -> bool:
    """Is it whole? Then it is also as new as it should be. Raises RolledBackError."""
    try:
        log.load(whole=True)
    except DamagedError as error:
        findings.add("log", error)
        return False
    heads.check(log)
    heads.remember(log, proven=proven)
    return True


def _check_slots(store: LocalStore, config: Config, findings: _Findings) -> None:
    for name in store.list(SLOTS):
        doing = f"scrubbing {name}"
        try:
            slot = parse_slot(store.get(name, limit=SLOT_LEN_MAX), doing=doing)
            if slot.repo_id != config.repo_id or SLOTS + slot.slot_id.hex() != name:
                raise DamagedError(f"{doing}: it belongs elsewhere")
        except StrongroomError as error:
            findings.add(name, error)


class _Stop:
    """Set when the caller cancels, and when the calling thread leaves."""

    def __init__(self, cancel: Cancel | None) -> None:
        self._cancel = cancel
        self._left = threading.Event()

    def is_set(self) -> bool:
        return self._left.is_set() or (self._cancel is not None and self._cancel.is_set())

    def set(self) -> None:
        self._left.set()


class _Reading:
    """Adds up what the threads have read."""

    def __init__(self) -> None:
        self._done: dict[bytes, int] = {}
        self._before = 0

    def of(self, segment: SegmentRef) -> Callable[[int, int], None]:
        def progress(read: int, _written: int) -> None:
            self._done[segment.id] = read

        return progress

    def end(self, segment: SegmentRef) -> None:
        self._done.pop(segment.id, None)
        self._before += segment.length

    @property
    def total(self) -> int:
        return self._before + sum(self._done.copy().values())


def _scrub_all(
    store: LocalStore,
    segments: list[SegmentRef],
    threads: int,
    findings: _Findings,
    watch: Watch,
) -> None:
    stop, reading = _Stop(watch.cancel), _Reading()
    count = threads or len(os.sched_getaffinity(0))

    def work(segment: SegmentRef, own_threads: int) -> StrongroomError | None:
        inner = Watch(reading.of(segment), stop)
        return _scrub_one(store, segment, own_threads, inner)

    large = [segment for segment in segments if segment.length >= LARGE_LEN]
    small = (segment for segment in segments if segment.length < LARGE_LEN)
    with ThreadPoolExecutor(count, thread_name_prefix="strongroom-scrub") as pool:
        try:
            for left, at_once, own in ((iter(large), 1, threads), (small, 2 * count, 1)):
                waiting: dict[Future[StrongroomError | None], SegmentRef] = {}
                while True:
                    _fill(waiting, left, at_once, pool, work, own)
                    if not waiting:
                        break
                    _collect(waiting, findings, reading)
                    if watch.progress is not None:
                        watch.progress(reading.total, 0)
                    if stop.is_set():
                        raise CancelledError("scrubbing: cancelled")
        finally:
            stop.set()


def _fill(
    waiting: dict[Future[StrongroomError | None], SegmentRef],
    segments: Iterator[SegmentRef],
    most: int,
    pool: ThreadPoolExecutor,
    work: Callable[[SegmentRef, int], StrongroomError | None],
    own_threads: int,
) -> None:
    """Never more in the queue than soon comes: a repository may have millions."""
    while len(waiting) < most and (segment := next(segments, None)) is not None:
        waiting[pool.submit(work, segment, own_threads)] = segment


def _collect(
    waiting: dict[Future[StrongroomError | None], SegmentRef],
    findings: _Findings,
    reading: _Reading,
) -> None:
    done, _ = wait(waiting, timeout=_WAKE_S, return_when=FIRST_COMPLETED)
    for future in done:
        segment = waiting.pop(future)
        reading.end(segment)
        error = future.result()
        if error is not None:
            findings.add(segment_name(segment.id), error)


def _scrub_one(
    store: LocalStore, segment: SegmentRef, threads: int, watch: Watch
) -> StrongroomError | None:
    doing = f"scrubbing segment {segment.id.hex()}"
    try:
        with open_segment(store, segment, doing=doing) as fd:
            scrub_descriptor(
                fd, root=segment.root, doing=doing, threads=threads or None, watch=watch
            )
    except CancelledError:
        raise
    except StrongroomError as error:
        return error
    return None
