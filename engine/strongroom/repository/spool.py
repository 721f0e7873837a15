"""Working folders of running backups: tmp/<32 hex> in a repository on this machine."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from strongroom.errors import TargetError

if TYPE_CHECKING:
    from typing import Self

FOLDER: Final = "tmp"
LOCK: Final = "lock"

_NAME = re.compile(r"[0-9a-f]{32}", re.ASCII)


class Spool:
    """A folder of one's own, locked for as long as this is open, removed when it is closed.

    Those of sessions that died are removed when the next one begins: their lock is free.
    """

    def __init__(self, repository: Path) -> None:
        """Raises TargetError."""
        self._owner = os.getpid()
        above = repository / FOLDER
        self.folder = above / os.urandom(16).hex()
        try:
            above.mkdir(exist_ok=True)
            # Nobody sweeps between making the folder and locking it, or the other way round.
            with _locked(above):
                _sweep(above)
                self.folder.mkdir(mode=0o700)
                self._lock = os.open(
                    self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
                )
                fcntl.flock(self._lock, fcntl.LOCK_EX)
        except OSError as error:
            raise TargetError(f"making {self.folder}: {error.strerror}") from None

    def close(self) -> None:
        """Remove it with all that is still in it, but not in a child of fork, whose parent may go
        on with it. More than once is fine."""
        if self._lock >= 0:
            if os.getpid() == self._owner:
                shutil.rmtree(self.folder, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _sweep(above: Path) -> None:
    """Remove what sessions left behind that are no more."""
    with os.scandir(above) as entries:
        names = [e.name for e in entries if _NAME.fullmatch(e.name) and not e.is_symlink()]
    for name in names:
        # What cannot be removed now is left to a later session.
        with suppress(OSError):
            if not _is_held(above / name):
                shutil.rmtree(above / name, ignore_errors=True)


def _is_held(folder: Path) -> bool:
    try:
        fd = os.open(folder / LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    # Not through a link: what is swept is the repository's own.
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
