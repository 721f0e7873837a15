"""A pipe that feeds a job with what comes piece by piece."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from typing import Self

FEED_LEN = 1 << 20
_POLL_MS = 100

_FEEDS: WeakSet[Feed] = WeakSet()


class Feed:
    """Both ends of a pipe: a job reads one, offer writes the other. Close it after the job.

    In a child of fork() it is closed: the job is the parent's, which would not see the end of its
    input while the child keeps a copy of the writing end. One thread at a time.
    """

    def __init__(self) -> None:
        self.reading, self._writing = os.pipe2(os.O_CLOEXEC)
        _FEEDS.add(self)
        os.set_blocking(self._writing, False)
        with contextlib.suppress(OSError):  # faster, but users have a limited number of these
            fcntl.fcntl(self._writing, fcntl.F_SETPIPE_SZ, FEED_LEN)
        self._poll = select.poll()
        self._poll.register(self._writing, select.POLLOUT)

    def offer(self, data: memoryview) -> int:
        """How many bytes of data were taken; 0 if there was no room for a tenth of a second, or
        only now is. Raises ValueError once it has ended."""
        if self._writing < 0:
            raise ValueError("nothing can be written any more")
        try:
            return os.write(self._writing, data)
        except BlockingIOError:
            self._poll.poll(_POLL_MS)
            return 0

    def end(self) -> None:
        """That was all: the job reads the end of its input. More than once is fine."""
        writing, self._writing = self._writing, -1
        if writing >= 0:
            os.close(writing)

    def close(self) -> None:
        """More than once is fine."""
        self.end()
        reading, self.reading = self.reading, -1
        if reading >= 0:
            os.close(reading)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _leave_to_the_parent() -> None:
    for feed in list(_FEEDS):
        feed.close()


os.register_at_fork(after_in_child=_leave_to_the_parent)
