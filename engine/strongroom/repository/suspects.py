"""Segments that this machine found damaged: what is still good of them is to be stored anew."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

_NAME = "suspects"
_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


class Suspects:
    """A file in the cache folder of a repository. Losing it costs a verification, and no data."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME

    def load(self) -> set[bytes]:
        """Ids of segments."""
        try:
            lines = self._path.read_text("ascii").splitlines()
        except (OSError, UnicodeDecodeError):
            return set()
        return {bytes.fromhex(line) for line in lines if _ID.fullmatch(line)}

    def add(self, ids: Collection[bytes]) -> None:
        """Remember these, too, if that is possible."""
        known = self.load()
        if not known.issuperset(ids):
            self._save(known.union(ids))

    def keep_only(self, ids: Collection[bytes]) -> None:
        """Forget those that are no longer there."""
        known = self.load()
        if not known.issubset(ids):
            self._save(known.intersection(ids))

    def _save(self, ids: Collection[bytes]) -> None:
        unfinished = self._path.with_name(f".{_NAME}.{os.urandom(8).hex()}")
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            unfinished.write_text("".join(f"{one.hex()}\n" for one in sorted(ids)), "ascii")
            unfinished.replace(self._path)
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
