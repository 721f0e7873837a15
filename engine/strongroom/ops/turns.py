"""A repository that is open, whose calls take turns; and what it says of itself."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from strongroom.repository.freshness import Freshness
from strongroom.repository.opened import OpenRepository
from strongroom.repository.pins import Head

if TYPE_CHECKING:
    from typing import Self


class Turns:
    """Any thread may call; one at a time gets the repository. Close it."""

    def __init__(self, opened: OpenRepository) -> None:
        """opened is closed with this."""
        self._opened = opened
        self._owner = os.getpid()
        self._lock = threading.RLock()
        self._closed = False

    @property
    def repo_id(self) -> bytes:
        """32 bytes that no other repository has."""
        return self._opened.config.repo_id

    @property
    def public_key(self) -> bytes:
        """Ed25519, 32 bytes: give it to scrub_repository where there is no key."""
        return self._opened.config.public_key

    @property
    def head(self) -> Head:
        """The newest entry of the log: what two machines compare."""
        with self._turn() as opened:
            return Head(*opened.log.head)

    @property
    def freshness(self) -> Freshness:
        """How new the log was when it was opened, as far as this machine can know."""
        return self._opened.freshness

    @property
    def warnings(self) -> list[str]:
        """What could not be read or remembered of what this machine saw before."""
        return self._opened.warnings

    @property
    def stored_bytes(self) -> int:
        """Of all segments that the log names."""
        with self._turn() as opened:
            return sum(segment.length for segment in opened.log.segments())

    def close(self) -> None:
        """More than once is fine. What was opened from it must not be used any more."""
        if os.getpid() != self._owner:
            return  # all of it is the parent's, and in a child of fork the lock may never be free
        with self._lock:
            self._closed = True
            self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _turn(self) -> Iterator[OpenRepository]:
        if os.getpid() != self._owner:
            raise ValueError("the repository was opened before a fork: open it again")
        with self._lock:
            if self._closed:
                raise ValueError("the repository is closed")
            yield self._opened
