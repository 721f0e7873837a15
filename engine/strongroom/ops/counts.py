"""What a backup saw."""

from __future__ import annotations

from typing import NamedTuple


class Counts(NamedTuple):
    """What a backup saw."""

    entries: int
    files: int
    bytes: int
    """Sizes of all files."""
    new_bytes: int
    """Stored bytes that it added; in a dry run, bytes it would read."""
    errors: int
