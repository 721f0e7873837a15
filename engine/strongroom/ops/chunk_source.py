"""Chunks out of an open repository."""

from __future__ import annotations

from collections.abc import Sequence
from threading import RLock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from strongroom._core import UNWATCHED, Watch
from strongroom.repository.opened import OpenRepository

if TYPE_CHECKING:
    from typing_extensions import Buffer


class RepositoryChunks:
    """Fetches from a repository's segments, where its index says that chunks are."""

    def __init__(self, opened: OpenRepository, lock: RLock, *, threads: int = 0) -> None:
        """lock: held while the repository is used."""
        self._opened = opened
        self._lock = lock
        self._threads = threads

    def fetch(
        self, wants: NDArray[np.void], fds: Sequence[int], *, watch: Watch = UNWATCHED
    ) -> None:
        """Write chunks to files, and into wants what came of each."""
        with self._lock:
            self._opened.segments.fetch(
                self._opened.index, wants, fds, watch=watch, threads=self._threads
            )

    def fetch_into(self, wants: NDArray[np.void], buffer: Buffer) -> None:
        """The same into memory."""
        with self._lock:
            self._opened.segments.fetch_into(
                self._opened.index, wants, buffer, threads=self._threads
            )
