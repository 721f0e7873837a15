"""A sealed file as a writable file object."""

from __future__ import annotations

import io
import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from strongroom._core import PipedSeal, Result
from strongroom.errors import CancelledError, StrongroomError
from strongroom.keys.envelope import Credential
from strongroom.ops.seal import DEFAULT_LEVEL, seal_options
from strongroom.ops.target import new_file

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Sealer(io.RawIOBase):
    """Write a sealed file piece by piece, in constant memory and on all processors.

    The file gets its name when close() returns, or the with block ends well. An exception in the
    block, abort(), or never closing it leaves nothing behind. One thread at a time, and only in the
    process that made it.

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
        self._seal: PipedSeal | None = None
        doing = f"sealing {os.fspath(target)}"
        options = seal_options(key, level=level, pad=pad, threads=threads)
        with ExitStack() as stack:
            fd = stack.enter_context(
                new_file(Path(target), source=None, overwrite=overwrite, doing=doing)
            )
            self._seal = stack.enter_context(PipedSeal(options, fd, doing=doing))
            self._stack = stack.pop_all()

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer) -> int:
        """Take all of data, any contiguous buffer. Raises what the sealing failed of, such as a
        full disk."""
        if self._seal is None:
            raise ValueError("the file is closed")
        try:
            return self._seal.write(data)
        except (StrongroomError, MemoryError) as error:
            self._drop(error)
            raise

    def close(self) -> None:
        """Finish the file. Raises what the sealing failed of; then nothing is left behind."""
        if self._seal is None:
            super().close()
            return
        seal, self._seal = self._seal, None
        try:
            with self._stack:
                self.result = seal.finish()
        finally:
            super().close()

    def abort(self) -> None:
        """Give up; nothing is left behind. After close it does nothing."""
        if self._seal is not None:
            self._drop(CancelledError("sealing was given up"))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and self._seal is not None:
            self._drop(error)
        else:
            self.close()

    def __del__(self) -> None:
        # Never finish what nobody said was complete.
        if getattr(self, "_seal", None) is not None:
            self.abort()

    def _drop(self, error: BaseException) -> None:
        self._seal = None
        try:
            # The new file goes with the exception that its block ends with.
            self._stack.__exit__(type(error), error, error.__traceback__)
        except BaseException as raised:
            if raised is not error:
                raise
        finally:
            super().close()
