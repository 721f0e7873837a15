"""Memory for fresh files that costs every program the same.

A virtual machine hands pages that nobody uses back to its host (free page reporting), in blocks of
2 MiB or more and after about two seconds; to touch one again can cost ten times as much. Whoever is
measured next would pay for what the one before gave back, or not, as the clock had it.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.corpora import MIB, write_zeros
from bench.processes import proc_field, say

OUTPUTS = 4
"""Fresh files, of the corpus's length each, that there may be at once, freed ones included."""
SHARE_MAX = 0.75
"""Of the memory that is available, that may be kept."""


@contextmanager
def kept(length: int, *, wanted: bool = True) -> Iterator[bool]:
    """Meanwhile pages for fresh files of length bytes in all stay with this machine: one page of
    each MiB is held, so that what is free never makes a block that can be handed back. The kernel
    takes from such remains before it breaks larger blocks. False, and nothing is kept, where memory
    does not allow for it, or it is not wanted."""
    if not wanted:
        yield False
        return
    needed = OUTPUTS * length // MIB * MIB
    available = int(proc_field("/proc/meminfo", "MemAvailable").split()[0]) * 1024
    if not 0 < needed <= SHARE_MAX * available:
        say("pages are not kept: too little memory; the host may make some dear")
        yield False
        return
    with mmap.mmap(-1, needed) as held:
        for at in range(0, needed, mmap.PAGESIZE):
            held[at] = 1
        for at in range(0, needed, MIB):
            held.madvise(mmap.MADV_REMOVE, at + mmap.PAGESIZE, MIB - mmap.PAGESIZE)
        yield True


def warm(folder: Path, length: int) -> None:
    """Leave length bytes of free pages that were just in use."""
    scratch = folder / "scratch"
    write_zeros(scratch, length)
    scratch.unlink()
