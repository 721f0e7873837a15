"""How much a backup has before it."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable

from strongroom._core import Cancel
from strongroom.errors import StrongroomError
from strongroom.ops.exclude import Excludes
from strongroom.ops.roots import plan_roots
from strongroom.ops.tree import Selection
from strongroom.ops.walk import WalkOptions, walk


def measure(selection: Selection, cancel: Cancel) -> int | None:
    """Sizes of all files that are selected, together; None if cancelled, or for a stream."""
    if selection.stream is not None:
        return None
    options = WalkOptions(
        excludes=Excludes(selection.excludes),
        marker_names=tuple(os.fsencode(name) for name in selection.exclude_if_present),
        one_file_system=selection.one_file_system,
    )
    total = 0
    for _, _, _, status in walk(plan_roots(selection.paths), options, lambda _: None):
        if cancel.is_set():
            return None
        if stat.S_ISREG(status.st_mode):
            total += status.st_size
    return total


class Measuring:
    """Does that beside the backup itself. Close it."""

    def __init__(self, selection: Selection, tell: Callable[[int], None]) -> None:
        """tell: called with the sum, from another thread, unless this is closed before."""
        self._closed = threading.Event()
        self._selection = selection
        self._tell = tell
        self._thread = threading.Thread(target=self._run, name="strongroom-measure", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """More than once is fine."""
        self._closed.set()

    def _run(self) -> None:
        try:
            total = measure(self._selection, self._closed)
        except (StrongroomError, OSError):
            return  # the backup will say so
        if total is not None and not self._closed.is_set():
            self._tell(total)
