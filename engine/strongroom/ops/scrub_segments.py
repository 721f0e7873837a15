"""Check what segments of a repository store, without any key, many at once."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Final

from strongroom._core import Cancel, Watch
from strongroom.errors import CancelledError, StrongroomError
from strongroom.ops.scrub import scrub_descriptor
from strongroom.repository.entry import SegmentRef
from strongroom.repository.names import segment_name
from strongroom.repository.stored_segment import open_segment
from strongroom.stores.local import LocalStore

Report = Callable[[str, StrongroomError], None]
"""Called with the name of an object and what is wrong with it."""

LARGE_LEN: Final = 256 << 20
"""Stored bytes from which a segment is worth all threads; smaller ones have one each."""

_WAKE_S: Final = 0.1
_TELL_S: Final = 5.0


class Findings:
    """Counts what is reported."""

    def __init__(self, report: Report) -> None:
        self.count = 0
        self.segments: set[bytes] = set()
        """Those among it."""
        self._report = report

    def add(self, name: str, error: StrongroomError) -> None:
        """An object is not as it should be."""
        self.count += 1
        self._report(name, error)


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


class Checked:
    """Up to which segment, in the order they were begun, all are checked. Told as they end."""

    def __init__(self, tell: Callable[[SegmentRef], None]) -> None:
        """tell: called now and then with the last of them."""
        self._tell = tell
        self._begun: deque[SegmentRef] = deque()
        self._ended: set[bytes] = set()
        self._last: SegmentRef | None = None
        self._told_at = time.monotonic()

    def begin(self, segment: SegmentRef) -> None:
        self._begun.append(segment)

    def end(self, segment: SegmentRef) -> None:
        self._ended.add(segment.id)
        while self._begun and self._begun[0].id in self._ended:
            self._last = self._begun.popleft()
            self._ended.discard(self._last.id)
        if time.monotonic() - self._told_at > _TELL_S:
            self.tell()

    def tell(self) -> None:
        """Now."""
        if self._last is not None:
            self._tell(self._last)
        self._told_at = time.monotonic()


def scrub_segments(
    store: LocalStore,
    segments: list[SegmentRef],
    threads: int,
    findings: Findings,
    *,
    checked: Checked,
    watch: Watch,
) -> None:
    """Check all stored bytes of segments. Those below LARGE_LEN come first, in the order given, and
    are told to checked. Raises CancelledError."""
    stop, reading = _Stop(watch.cancel), _Reading()
    count = threads or len(os.sched_getaffinity(0))

    def work(segment: SegmentRef, own_threads: int) -> StrongroomError | None:
        inner = Watch(reading.of(segment), stop)
        return _scrub_one(store, segment, own_threads, inner)

    large = (segment for segment in segments if segment.length >= LARGE_LEN)
    small = _begun((s for s in segments if s.length < LARGE_LEN), checked)
    with ThreadPoolExecutor(count, thread_name_prefix="strongroom-scrub") as pool:
        try:
            for left, at_once, own in ((small, 2 * count, 1), (large, 1, threads)):
                waiting: dict[Future[StrongroomError | None], SegmentRef] = {}
                while True:
                    _fill(waiting, left, at_once, pool, work, own)
                    if not waiting:
                        break
                    _collect(waiting, findings, reading, checked)
                    if watch.progress is not None:
                        watch.progress(reading.total, 0)
                    if stop.is_set():
                        raise CancelledError("scrubbing: cancelled")
        finally:
            stop.set()
            checked.tell()


def _begun(segments: Iterator[SegmentRef], checked: Checked) -> Iterator[SegmentRef]:
    for segment in segments:
        checked.begin(segment)
        yield segment


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
    findings: Findings,
    reading: _Reading,
    checked: Checked,
) -> None:
    done, _ = wait(waiting, timeout=_WAKE_S, return_when=FIRST_COMPLETED)
    for future in done:
        segment = waiting.pop(future)
        reading.end(segment)
        error = future.result()
        if error is not None:
            findings.add(segment_name(segment.id), error)
            findings.segments.add(segment.id)
        checked.end(segment)


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
