"""Marks of finished steps, keyed by what went into them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def digest(words: Iterable[str], files: Iterable[Path] = ()) -> str:
    """One hash of some words, and of the names and contents of some files."""
    total = hashlib.sha256()
    for word in words:
        total.update(f"{len(word)}:{word}".encode())
    for path in sorted(files):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{path} {content}\n".encode())
    return total.hexdigest()


class Stamps:
    """The marks in one folder; they go when the folder goes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def holds(self, name: str, inputs: str) -> bool:
        """Whether step `name` was finished with these inputs."""
        try:
            return (self._folder / name).read_text() == inputs
        except FileNotFoundError:
            return False

    @contextmanager
    def renew(self, name: str, inputs: str) -> Iterator[None]:
        """Drop the mark of step `name`, and set it anew if the work inside succeeds."""
        stamp = self._folder / name
        stamp.unlink(missing_ok=True)
        yield
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = stamp.with_suffix(".new")
        unfinished.write_text(inputs)
        unfinished.replace(stamp)
