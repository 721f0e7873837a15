"""Folders that a restore is in, and what becomes of those that are there before it."""

from __future__ import annotations

import os
from typing import NamedTuple

from strongroom.manifest.entry import Entry
from strongroom.ops.folders import is_unfinished
from strongroom.ops.overwrite import Overwrite


class Level(NamedTuple):
    """A folder whose entries come."""

    entry: Entry
    fresh: bool
    """It was made just now: nothing is in it yet."""
    kept: os.stat_result | None = None
    """What it was before, if it is to stay that."""


def found(entry: Entry, there: os.stat_result, overwrite: Overwrite, *, on_the_way: bool) -> Level:
    """A folder that is there. on_the_way: to what was asked for, and not asked for itself."""
    stays = not is_unfinished(there) and (on_the_way or _stays(entry, there, overwrite))
    return Level(entry, fresh=False, kept=there if stays else None)


def _stays(entry: Entry, there: os.stat_result, overwrite: Overwrite) -> bool:
    if overwrite is Overwrite.IF_NEWER:
        return entry.mtime_ns <= there.st_mtime_ns
    return overwrite is not Overwrite.ALWAYS
