"""Where a log ends: which of its entries is the newest."""

from __future__ import annotations

import re
from typing import Final

from strongroom.errors import ObjectMissingError
from strongroom.stores import Store

PREFIX: Final = "log/"
LISTED_MAX: Final = 4096
"""A log of fewer entries is listed; of a longer one, the end is probed for."""
GAP_MAX: Final = 256
"""How far after the first entry that is missing others are looked for."""

_NAME = re.compile(r"log/([0-9a-f]{16})", re.ASCII)
_SEQ_MAX = 2**64 - 1


def entry_name(seq: int) -> str:
    """The object that holds an entry."""
    return f"{PREFIX}{seq:016x}"


def list_newest(store: Store) -> int:
    """The highest seq that there is; 0: none. Sees beyond any gap, in time that grows with the
    log."""
    return max(list_entries(store), default=0)


def list_entries(store: Store) -> list[int]:
    """The seqs of all that there are, in order."""
    found = (_NAME.fullmatch(name) for name in store.list(PREFIX))
    return sorted(int(match[1], 16) for match in found if match is not None)


def find_newest(store: Store, known: int) -> int:
    """The seq of the newest entry, in time that hardly grows with the log.

    known: one that is there; 0: none. Raises ObjectMissingError where entries come soon after one
    that is missing.
    """
    if known < LISTED_MAX and not store.exists(entry_name(LISTED_MAX)):
        return list_newest(store)
    while True:
        newest = _probe(store, max(known, LISTED_MAX))
        following = range(newest + 2, min(newest + GAP_MAX, _SEQ_MAX))
        if not any(store.exists(entry_name(seq)) for seq in following):
            return newest
        if not store.exists(entry_name(newest + 1)):
            raise ObjectMissingError(f"reading the log: entry {newest + 1} is missing")
        known = newest + 1  # others are appending


def _probe(store: Store, low: int) -> int:
    """low is there: the end of what follows it without a gap, or of a part of that."""
    step = 1
    while low + step < _SEQ_MAX and store.exists(entry_name(low + step)):
        low += step
        step *= 2
    high = low + step  # it is not there
    while high - low > 1:
        middle = (low + high) // 2
        if store.exists(entry_name(middle)):
            low = middle
        else:
            high = middle
    return low
