"""Sealing what is written piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom._core.endpoints import bytes_of
from strongroom._core.feed import Feed
from strongroom._core.jobs import Result, SealOptions, start_seal
from strongroom.errors import StrongroomError

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Buffer


class PipedSeal:
    """A segment made of what is written, in constant memory and on all processors.

    finish or close it; what was not finished is no segment. One thread at a time; not in a child of
    fork().
    """

    def __init__(self, options: SealOptions, target_fd: int, *, doing: str) -> None:
        """target_fd stays the caller's, and open until this is closed."""
        self._doing = doing
        self._feed = Feed()
        try:
            self._job = start_seal(options, self._feed.reading, target_fd, doing=doing)
        except BaseException:
            self._feed.close()
            raise

    def write(self, data: Buffer) -> int:
        """Take all of data. Raises what the sealing failed of, such as a full disk; TypeError for
        what is no contiguous buffer; ValueError once it is finished."""
        with bytes_of(data) as view:
            done = 0
            while done < len(view):
                taken = self._feed.offer(view[done:])
                done += taken
                if taken == 0 and self._job.wait(0):
                    self._job.result()
                    raise StrongroomError(f"{self._doing}: it ended before its input")
            return done

    def finish(self) -> Result:
        """That was all. Raises what the sealing failed of."""
        self._feed.end()
        try:
            return self._job.watch()
        finally:
            self.close()

    def close(self) -> None:
        """Stop. More than once is fine."""
        self._job.close()
        self._feed.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
