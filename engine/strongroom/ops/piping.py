"""A file object as the end of a pipe that the core can read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

from strongroom._core import FEED_LEN, Cancel, Feed, Watch
from strongroom.errors import CancelledError

T = TypeVar("T")


class Readable(Protocol):
    """What read gives ends with an empty answer."""

    def read(self, size: int, /) -> bytes | None:
        """Up to size bytes."""


class _Stop:
    """Set by the caller, or by us."""

    def __init__(self, cancel: Cancel | None) -> None:
        self._cancel = cancel
        self._own = threading.Event()

    def is_set(self) -> bool:
        return self._own.is_set() or (self._cancel is not None and self._cancel.is_set())

    def set(self) -> None:
        self._own.set()


def through_pipe(file: Readable, work: Callable[[int, Watch], T], watch: Watch) -> T:
    """Run work(descriptor, watch) in a thread of its own, while this one reads file into the
    descriptor's other end and reports progress.

    Raises what reading raises, having cancelled the work; otherwise what the work raises.
    """
    stop = _Stop(watch.cancel)
    with Feed() as feed, ThreadPoolExecutor(1, thread_name_prefix="strongroom-stream") as pool:
        running = pool.submit(work, feed.reading, Watch(cancel=stop))
        try:
            _fill(feed, file, running, Watch(watch.progress, stop))
        except BaseException:
            # Before the other end sees an end of file, which it would take for the real one.
            stop.set()
            running.exception()
            raise
        feed.end()
        return running.result()


def _fill(feed: Feed, file: Readable, running: Future[T], watch: Watch) -> None:
    """Until the file ends, or nobody reads any more."""
    fed = 0
    while data := file.read(FEED_LEN):
        with memoryview(data).cast("B") as view:
            done = 0
            while done < len(view):
                if running.done():
                    return
                if watch.cancel is not None and watch.cancel.is_set():
                    raise CancelledError("reading the stream: cancelled")
                done += feed.offer(view[done:])
            fed += done
        if watch.progress is not None:
            watch.progress(fed, 0)
