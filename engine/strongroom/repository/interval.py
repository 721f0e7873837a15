"""What others committed between a writer's base and its own commit, and what it means for that.

docs/FORMAT.md, section 9.5.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from strongroom.manifest.ids import read_ids
from strongroom.manifest.reader import Readable
from strongroom.repository.entry import Draft, LogEntry
from strongroom.repository.log import OvertakenError

Find = Callable[[NDArray[np.uint8]], NDArray[np.bool_]]
"""Which of (n, 32) chunk ids are stored."""


def removed_in(entries: Sequence[LogEntry]) -> set[bytes]:
    """Names that these entries removed."""
    return {name for entry in entries for name in entry.tombstones}


def check_chunks(manifest: Readable, find: Find, *, doing: str) -> None:
    """Is everything stored that a manifest refers to? Raises OvertakenError, DamagedError."""
    for block in read_ids(manifest, doing=doing):
        if not find(as_ids(block)).all():
            raise OvertakenError(f"{doing}: somebody removed chunks that it relied on")


def retagged_in(entries: Sequence[LogEntry]) -> set[bytes]:
    """Ids of snapshots that these entries gave other tags."""
    return {one.id for entry in entries if entry.private for one in entry.private.retagged}


def keep_relied_on(
    needed: Collection[bytes], same_tags: Collection[bytes] = ()
) -> Callable[[Draft, Sequence[LogEntry]], Draft]:
    """To append only if nobody removed one of `needed` meanwhile, nor gave one of `same_tags`
    other tags."""

    def revise(draft: Draft, others: Sequence[LogEntry]) -> Draft:
        if not removed_in(others).isdisjoint(needed):
            raise OvertakenError("committing: somebody removed what was to be kept")
        if not retagged_in(others).isdisjoint(same_tags):
            raise OvertakenError("committing: somebody changed tags of the same snapshots")
        return draft

    return revise


def as_ids(joined: bytes) -> NDArray[np.uint8]:
    """(n, 32) of ids one after another."""
    return np.frombuffer(joined, np.uint8).reshape(-1, 32)
