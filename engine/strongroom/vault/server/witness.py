"""The newest revision, kept where who rolls the store back may not reach."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from strongroom.vault.server.keys.keeper import Keeper
from strongroom.vault.server.store import StoreFailedError

_NUMBER_LEN = 8
_NAME = b"witness"


class Witness(Protocol):
    """Remembers one number. Thread-safe."""

    def describe(self) -> str:
        """Where it is, for the operator."""

    def seen(self) -> int:
        """The highest that was told. Raises StoreFailedError."""

    def tell(self, revision: int) -> None:
        """Durable when it returns. Raises StoreFailedError."""


class NoWitness:
    """Forgets."""

    def describe(self) -> str:
        """See Witness."""
        return "none is configured"

    def seen(self) -> int:
        """Nothing was."""
        return 0

    def tell(self, revision: int) -> None:
        """Nobody listens."""


class FileWitness:
    """A file, best on another disk."""

    def __init__(self, path: Path, keeper: Keeper) -> None:
        self._path, self._keeper = path, keeper
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._newest = 0

    def describe(self) -> str:
        """See Witness."""
        return str(self._path)

    def seen(self) -> int:
        """See Witness. 0 where there is no file: `vault init` makes it, so that is an error."""
        try:
            stored = self._path.read_bytes()
        except OSError as error:
            raise StoreFailedError(f"the witness {self._path}: {error.strerror}") from None
        number, tag = stored[:_NUMBER_LEN], stored[_NUMBER_LEN:]
        if not self._keeper.fits(_NAME, number, tag):
            raise StoreFailedError(f"the witness {self._path} was altered")
        return int.from_bytes(number, "big")

    def tell(self, revision: int) -> None:
        """See Witness. It never goes back, whoever else tells it; many at once are told as one."""
        with self._counting:
            self._newest = max(self._newest, revision)
        with self._alone():
            if self.seen() < revision:
                self._write(self._newest)

    def reset(self, revision: int) -> None:
        """Make it say this, whatever it said."""
        with self._alone():
            self._write(revision)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process, and one thread of it."""
        with self._lock, ExitStack() as stack:
            try:
                beside = self._path.with_name(self._path.name + ".lock")
                fd = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                stack.callback(os.close, fd)
                fcntl.flock(fd, fcntl.LOCK_EX)
            except OSError as error:
                raise StoreFailedError(f"the witness {self._path}: {error.strerror}") from None
            yield

    def _write(self, revision: int) -> None:
        number = revision.to_bytes(_NUMBER_LEN, "big")
        tag = self._keeper.tag(_NAME, number, self._keeper.generation)
        beside = self._path.with_name(self._path.name + ".new")
        try:
            fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(number + tag)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise StoreFailedError(f"the witness {self._path}: {error.strerror}") from None
