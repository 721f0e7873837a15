"""Sealing what is written piece by piece."""

from __future__ import annotations

import errno
import fcntl
import os
import select
from typing import TYPE_CHECKING, NoReturn

from strongroom._core.jobs import Result, SealOptions, start_seal

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Buffer

_PIPE_LEN = 1 << 20
_POLL_MS = 100


class PipedSeal:
    """A segment made of what is written, in constant memory and on all processors.

    finish or close it; what was not finished is no segment. One thread at a time.
    """

    def __init__(self, options: SealOptions, target_fd: int, *, doing: str) -> None:
        """target_fd stays the caller's, and open until this is closed."""
        self._pipe: int | None = None
        self._reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            os.set_blocking(writing, False)
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_LEN)
            self._job = start_seal(options, self._reading, target_fd, doing=doing)
        except BaseException:
            os.close(writing)
            os.close(self._reading)
            raise
        self._pipe = writing

    def write(self, data: Buffer) -> int:
        """Take all of data. Raises what the sealing failed of, such as a full disk."""
        pipe = self._open()
        with memoryview(data).cast("B") as view:
            done = 0
            while done < len(view):
                try:
                    done += os.write(pipe, view[done:])
                except BlockingIOError:
                    self._await_room(pipe)
                except BrokenPipeError:
                    self._fail()
            return done

    def finish(self) -> Result:
        """That was all. Raises what the sealing failed of."""
        os.close(self._open())
        self._pipe = None
        try:
            return self._job.watch()
        finally:
            self.close()

    def close(self) -> None:
        """Stop. More than once is fine."""
        if self._reading < 0:
            return
        self._job.close()
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
        os.close(self._reading)
        self._reading = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> int:
        if self._pipe is None:
            raise ValueError("it is finished")
        return self._pipe

    def _await_room(self, pipe: int) -> None:
        """Wait until the pipe takes more, or raise what the job failed of."""
        poll = select.poll()
        poll.register(pipe, select.POLLOUT)
        while not poll.poll(_POLL_MS):
            if self._job.wait(0):
                self._fail()

    def _fail(self) -> NoReturn:
        self._job.watch()
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
