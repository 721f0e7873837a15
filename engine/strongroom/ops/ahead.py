"""Walking and reading at the same time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Final

from strongroom._core import Cancel
from strongroom.errors import CancelledError
from strongroom.ops.gather import Batch

_AHEAD: Final = 2  # batches
_WAKE_S: Final = 0.1
_PATIENCE_S: Final = 5.0  # with a file system that does not answer


class Ahead:
    """Draws batches in a thread of its own, a few more than were asked for. Close it.

    The thread that iterates is the one that works on them, so that signals and progress are where
    the caller expects them.
    """

    def __init__(self, batches: Iterable[Batch], *, cancel: Cancel | None) -> None:
        self._batches = batches
        self._cancel = cancel
        self._stopped = threading.Event()
        self._made: queue.Queue[Batch | BaseException | None] = queue.Queue(_AHEAD)
        self._thread = threading.Thread(target=self._draw, name="strongroom-walk", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Batch]:
        """Raises what drawing raised, and CancelledError."""
        while True:
            if self._cancel is not None and self._cancel.is_set():
                raise CancelledError("backing up: cancelled")
            try:
                made = self._made.get(timeout=_WAKE_S)
            except queue.Empty:
                continue
            if made is None:
                return
            if isinstance(made, BaseException):
                raise made
            yield made

    def close(self) -> None:
        """Stop drawing, wherever it is."""
        self._stopped.set()
        self._thread.join(_PATIENCE_S)

    def _draw(self) -> None:
        end: BaseException | None = None
        try:
            for batch in self._batches:
                if not self._put(batch):
                    break
        except BaseException as error:  # it is raised where the batches are used
            end = error
        self._put(end)

    def _put(self, made: Batch | BaseException | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._made.put(made, timeout=_WAKE_S)
            except queue.Full:
                continue
            return True
        return False
