"""When something happened long enough ago to be acted upon.

Two clocks have to agree: this machine's, and that of the store, which dates its objects. Where they
do not, or where one of them went back, it was not long enough ago.
"""

from __future__ import annotations

import time
from pathlib import Path

from strongroom.repository.head import entry_name
from strongroom.repository.log import Log
from strongroom.stores.local import LocalStore


class Clocks:
    """Both clocks, as they were when this was made."""

    def __init__(self, store: LocalStore, fresh: Path | None) -> None:
        """fresh: a file in the store that was made a moment ago; None takes this machine's word for
        the store's time, which is enough for those who remove nothing."""
        self._store = store
        self._here_ns = time.time_ns()
        self._there_ns = self._here_ns if fresh is None else fresh.stat().st_mtime_ns

    def has_passed(self, log: Log, seq: int, wait_ns: int) -> bool:
        """Was entry seq made at least so long ago? Needs keys."""
        entry = log.entry(seq)
        if entry.private is None:
            return False
        try:
            made_there = self._store.path_of(entry_name(seq)).stat().st_mtime_ns
        except OSError:
            return False
        here = self._here_ns - entry.private.time >= wait_ns
        return here and self._there_ns - made_there >= wait_ns

    def is_old(self, name: str, wait_ns: int) -> bool:
        """Has an object been there, unchanged, for at least so long?"""
        try:
            status = self._store.path_of(name).lstat()
        except OSError:
            return False
        changed = max(status.st_mtime_ns, status.st_ctime_ns)
        return min(self._there_ns, self._here_ns) - changed >= wait_ns
