"""A sealed file as a readable, seekable file object."""

from __future__ import annotations

import io
import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom._core import View
from strongroom.keys.envelope import Credential
from strongroom.ops.header import read_header
from strongroom.ops.open import unlock
from strongroom.ops.source import open_source

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Opener(io.RawIOBase):
    """Read the plaintext of a sealed file anywhere, without opening the rest.

    Exactly the frames that are asked for (1 MiB each) are read, and verified before any byte of
    them is returned. What is never asked for is never checked: scrub does that. For many small
    reads wrap it in io.BufferedReader. Threads may share it through read_at; they take turns.

        with Opener("film.sealed", key=key) as film:
            film.seek(-1_000_000, os.SEEK_END)
            end = film.read()
    """

    def __init__(self, source: str | os.PathLike[str], *, key: Credential) -> None:
        """Raises WrongKeyError, DamagedError, UnsupportedError, LimitError, SourceError, and
        UsageError for what cannot be read at any place, such as a pipe."""
        super().__init__()
        doing = f"opening {os.fspath(source)}"
        self._at = 0
        with ExitStack() as stack:
            fd = stack.enter_context(open_source(Path(source), doing=doing)).fd
            header = read_header(fd, doing=doing)
            self._view = View(header, unlock(header, key, doing=doing), fd, doing=doing)
            stack.callback(self._view.close)
            self._stack = stack.pop_all()

    def __len__(self) -> int:
        """Bytes of plaintext."""
        return len(self._view)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; beyond the end is allowed and reads nothing. Raises ValueError before the start."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: len(self._view)}
        if whence not in base or base[whence] + offset < 0:
            raise ValueError(f"cannot seek to {offset} from {whence}")
        self._at = base[whence] + offset
        return self._at

    def readinto(self, target: Buffer) -> int:
        """Fill target, any contiguous buffer, from here on; fewer bytes only at the end. Raises
        DamagedError."""
        if self.closed:
            raise ValueError("the file is closed")
        got = self._view.read_into(self._at, target)
        self._at += got
        return got

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to length bytes from offset on, fewer only at the end, whatever the position is.

        Any thread. Raises DamagedError; ValueError before the start.
        """
        if self.closed:
            raise ValueError("the file is closed")
        target = bytearray(max(0, min(length, len(self._view) - max(offset, 0))))
        got = self._view.read_into(offset, target)
        return bytes(target[:got])

    def __bool__(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self._stack.close()
        super().close()
