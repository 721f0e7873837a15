"""What becomes of files that are there before a restore."""

from __future__ import annotations

import os
import stat
from enum import Enum
from typing import Final

from strongroom.manifest.entry import DEVICES, FILE, SYMLINK, Entry
from strongroom.ops.record import TYPE_BITS, TYPES

REPLACE_HINT: Final = "choose an empty target, or replace what is there with --overwrite always"
IN_THE_WAY: Final = (
    ("it exists", "choose an empty target, or say with --overwrite what is to become of it"),
    ("a folder has its name", "move the folder away, or choose another target; none is replaced"),
)
"""What to say of a file in the way of a file, and of a folder there."""


class Overwrite(Enum):
    """What the user wants done about them."""

    REFUSE = "refuse"
    """Each is named and left."""
    NEVER = "never"
    """They are left."""
    IF_NEWER = "if-newer"
    """They are replaced if the snapshot has them newer."""
    ALWAYS = "always"


class Verdict(Enum):
    """What becomes of one."""

    NEW = "nothing is in the way"
    REPLACE = "what is there goes"
    KEEP = "what is there stays"
    FINISH = "what is there stays, and gets its attributes"
    REFUSE = "what is there stays, and that is an error"


def judge(entry: Entry, there: os.stat_result, overwrite: Overwrite, *, same: bool) -> Verdict:
    """there: what has the name of an entry that is no folder. same: see is_same."""
    if stat.S_ISDIR(there.st_mode) or overwrite is Overwrite.REFUSE:
        return Verdict.REFUSE
    if overwrite is Overwrite.ALWAYS:
        return Verdict.REPLACE
    newer = overwrite is Overwrite.IF_NEWER and entry.mtime_ns > there.st_mtime_ns
    return Verdict.REPLACE if newer and not same else Verdict.KEEP


def is_same(entry: Entry, there: os.stat_result, name: bytes, folder: int) -> bool:
    """Is it what a restore would make, as far as can be told without reading it?"""
    if TYPES[there.st_mode & TYPE_BITS] != entry.type:
        return False
    if entry.type == FILE:
        return (there.st_size, there.st_mtime_ns) == (entry.size, entry.mtime_ns)
    if entry.type == SYMLINK:
        return os.readlink(name, dir_fd=folder) == entry.target
    return entry.type not in DEVICES or there.st_rdev == entry.rdev
