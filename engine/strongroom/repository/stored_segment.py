"""Is what a store has under a segment's name the segment that the log means?"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from strongroom._core import HEADER_LEN, TRAILER_LEN
from strongroom.errors import DamagedError, ObjectMissingError, SourceError
from strongroom.repository.entry import SegmentRef
from strongroom.repository.names import segment_name
from strongroom.stores.local import NO_FILE, LocalStore

_ROOT_LEN = 32


@contextmanager
def open_segment(store: LocalStore, segment: SegmentRef, *, doing: str) -> Iterator[int]:
    """A descriptor of a segment that is there with its length. Raises DamagedError, SourceError."""
    path = store.path_of(segment_name(segment.id))
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise ObjectMissingError(f"{doing}: it is missing") from None
    except OSError as error:
        if error.errno in NO_FILE:
            raise DamagedError(f"{doing}: it is not a regular file") from None
        raise SourceError(f"{doing}: {error.strerror}") from None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise DamagedError(f"{doing}: it is not a regular file")
        if status.st_size != segment.length:
            raise DamagedError(
                f"{doing}: it has {status.st_size} bytes where the log says {segment.length}"
            )
        yield fd
    finally:
        os.close(fd)


def check_segment(store: LocalStore, segment: SegmentRef, *, doing: str) -> None:
    """Present, of the right length, and with the right root in its trailer: what can be seen
    without reading it. Raises DamagedError, SourceError."""
    with open_segment(store, segment, doing=doing) as fd:
        try:
            header = os.pread(fd, HEADER_LEN, 0)
            trailer = os.pread(fd, TRAILER_LEN, segment.length - TRAILER_LEN)
        except OSError as error:
            raise SourceError(f"{doing}: {error.strerror}") from None
    if trailer[:HEADER_LEN] != header:
        raise DamagedError(f"{doing}: its header or its trailer is damaged")
    if trailer[HEADER_LEN : HEADER_LEN + _ROOT_LEN] != segment.root:
        raise DamagedError(f"{doing}: another segment, or an altered one, is in its place")
