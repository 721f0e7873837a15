"""How to restore, what a restore counts, and where it says what it met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from strongroom.errors import StrongroomError
from strongroom.ops.overwrite import Overwrite


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions:
    """How to restore."""

    overwrite: Overwrite = Overwrite.REFUSE
    dry_run: bool = False
    devices: bool = False
    """Make device nodes too; that takes root."""
    numeric_owners: bool = False
    """Owners by number, even if their names are known here."""


@dataclass(slots=True)
class RestoreCounts:
    """What a restore did, or in a dry run would do."""

    entries: int = 0
    files: int = 0
    bytes: int = 0
    """Sizes of the files that were written."""
    room: int = 0
    """Bytes of these that need room: hard links once, sparse files not at all."""
    kept: int = 0
    """Files and links that were left as they are."""
    skipped: int = 0
    """Sockets, and devices unless asked for."""
    errors: int = 0


class Reports(NamedTuple):
    """Where a restore says what it met."""

    error: Callable[[StrongroomError], None]
    """What could not be restored, or not in full."""
    note: Callable[[str], None]
    """What was left out as it should be."""
