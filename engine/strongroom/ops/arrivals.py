"""Files whose contents are there get their attributes and names, many at once.

While the core sees to one batch, the next one is made ready.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Final

from strongroom._core import Watch
from strongroom._core.landing import LandingJob, Wanted
from strongroom.ops.attributes import Attributes
from strongroom.ops.contents import Pending
from strongroom.ops.descriptors import fitting
from strongroom.ops.folders import Folders

FILES_MAX: Final = 64  # open at once are twice as many, and folders besides


class _Batch:
    """Files that are being seen to, and the folders they go to."""

    def __init__(self) -> None:
        self.files: list[Pending] = []
        self.folders: dict[bytes, int] = {}
        self.job: LandingJob | None = None

    def close(self) -> None:
        """Files that got no name are gone then."""
        if self.job is not None:
            self.job.close()
        for fd in self.folders.values():
            os.close(fd)
        self.folders = {}
        for file in self.files:
            file.landing.abandon()


class Arrivals:
    """Takes files that are whole; only new ones, without a name and extended attributes.

    Finish it, and close it whatever happens.
    """

    def __init__(
        self,
        folders: Callable[[], Folders],
        attributes: Attributes,
        arrived: Callable[[Pending, int, int], None],
        *,
        watch: Watch,
    ) -> None:
        """arrived: called for each file, in order, with errno values: the first of its attributes
        that could not be set, and why it got no name."""
        self._folders = folders
        self._attributes = attributes
        self._arrived = arrived
        self._watch = watch
        self._files_max = fitting(FILES_MAX)
        self._waiting: list[Pending] = []
        self._running: _Batch | None = None

    def add(self, file: Pending) -> None:
        """Its landing is no longer the caller's. Raises CancelledError, OSError."""
        self._waiting.append(file)
        if len(self._waiting) >= self._files_max:
            self._go_on()

    def finish(self) -> None:
        """See to all there are."""
        while self._waiting or self._running is not None:
            self._go_on()

    def close(self) -> None:
        """Leave nothing behind of what has not arrived."""
        running, self._running = self._running, None
        if running is not None:
            running.close()
        for file in self._waiting:
            file.landing.abandon()
        self._waiting = []

    def _go_on(self) -> None:
        """Wait for the batch that runs, start the next, and tell of the first meanwhile."""
        before, self._running = self._running, None
        results: list[tuple[int, int]] = []
        try:
            if before is not None and before.job is not None:
                results = before.job.results(self._watch)
            self._start()
        finally:
            if before is not None:
                before.close()
        if before is not None:
            for file, result in zip(before.files, results, strict=True):
                self._arrived(file, *result)

    def _start(self) -> None:
        waiting, self._waiting = self._waiting, []
        batch = self._running = _Batch()
        wanted: list[Wanted] = []
        for file in waiting:
            parent, name = file.landing.place
            try:
                if parent not in batch.folders:
                    batch.folders[parent] = os.dup(self._folders().open(parent))
            except OSError as error:
                file.landing.abandon()
                self._arrived(file, 0, error.errno or errno.EIO)
                continue
            batch.files.append(file)
            owner = self._attributes.of_file(file.entry)
            mtime_ns = file.entry.mtime_ns
            wanted.append(Wanted(file.landing.fd, batch.folders[parent], name, *owner, mtime_ns))
        if wanted:
            batch.job = LandingJob(wanted)
        else:
            self._running = None
