"""A sealed file as a writable file object."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import select
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

from strongroom import _core
from strongroom._core import Job, Result
from strongroom.errors import CancelledError
from strongroom.keys.envelope import Credential
from strongroom.ops.seal import DEFAULT_LEVEL, seal_options
from strongroom.ops.target import new_file

if TYPE_CHECKING:
    from typing_extensions import Buffer

_PIPE_LEN = 1 << 20
_POLL_MS = 100


class Sealer(io.RawIOBase):
    """Write a sealed file piece by piece, in constant memory and on all processors.

    The file gets its name when close() returns, or the with block ends well. An exception in the
    block, abort(), or never closing it leaves nothing behind. One thread at a time.

        with Sealer("upload.sealed", key=key) as sealer:
            shutil.copyfileobj(upload, sealer)
        print(sealer.result.root.hex())
    """

    result: Result
    """What came of it; there once it is closed."""

    def __init__(
        self,
        target: str | os.PathLike[str],
        *,
        key: Credential,
        level: int = DEFAULT_LEVEL,
        pad: bool = True,
        overwrite: bool = False,
        threads: int | None = None,
    ) -> None:
        """See seal_file. Raises TargetError, TargetExistsError unless overwrite, UsageError."""
        super().__init__()
        self._job: Job | None = None
        doing = f"sealing {os.fspath(target)}"
        options = seal_options(key, level=level, pad=pad, threads=threads)
        with ExitStack() as stack:
            fd = stack.enter_context(
                new_file(Path(target), source=None, overwrite=overwrite, doing=doing)
            )
            reading, self._pipe = os.pipe2(os.O_CLOEXEC)
            stack.callback(os.close, reading)
            os.set_blocking(self._pipe, False)
            fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, _PIPE_LEN)
            try:
                self._job = _core.start_seal(options, reading, fd, doing=doing)
            except BaseException:
                os.close(self._pipe)
                raise
            stack.callback(self._job.close)
            self._stack = stack.pop_all()

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer) -> int:
        """Take all of data. Raises what the sealing failed of, such as a full disk."""
        job = self._open_job()
        with memoryview(data).cast("B") as view:
            done = 0
            while done < len(view):
                try:
                    done += os.write(self._pipe, view[done:])
                except BlockingIOError:
                    self._await_room(job)
                except BrokenPipeError:
                    self._fail(job)
            return done

    def close(self) -> None:
        """Finish the file. Raises what the sealing failed of; then nothing is left behind."""
        if self._job is None:
            super().close()
            return
        job, self._job = self._job, None
        os.close(self._pipe)
        try:
            with self._stack:
                self.result = job.watch()
        finally:
            super().close()

    def abort(self) -> None:
        """Give up; nothing is left behind. After close it does nothing."""
        if self._job is not None:
            self._drop(CancelledError("sealing was given up"))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and self._job is not None:
            self._drop(error)
        else:
            self.close()

    def __del__(self) -> None:
        # Never finish what nobody said was complete.
        if getattr(self, "_job", None) is not None:
            self.abort()

    def _drop(self, error: BaseException) -> None:
        self._job = None
        os.close(self._pipe)
        try:
            # The new file goes with the exception that its block ends with.
            self._stack.__exit__(type(error), error, error.__traceback__)
        except BaseException as raised:
            if raised is not error:
                raise
        finally:
            super().close()

    def _open_job(self) -> Job:
        if self._job is None:
            raise ValueError("the file is closed")
        return self._job

    def _await_room(self, job: Job) -> None:
        """Wait until the pipe takes more, or raise what the job failed of."""
        poll = select.poll()
        poll.register(self._pipe, select.POLLOUT)
        while not poll.poll(_POLL_MS):
            if job.wait(0):
                self._fail(job)

    def _fail(self, job: Job) -> NoReturn:
        try:
            job.watch()
        except BaseException as error:
            self._drop(error)
            raise
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
