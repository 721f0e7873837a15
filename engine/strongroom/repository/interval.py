"""What others committed between a writer's base and its own commit, and what it means for that.

docs/FORMAT.md, section 9.5.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from strongroom.manifest.ids import read_ids
from strongroom.manifest.reader import Readable
from strongroom.repository.entry import Draft, LogEntry
from strongroom.repository.log import OvertakenError


def removed_in(entries: Sequence[LogEntry]) -> set[bytes]:
    """Names that these entries removed."""
    return {name for entry in entries for name in entry.tombstones}


def check_chunks(manifest: Readable, has_all: Callable[[bytes], bool], *, doing: str) -> None:
    """Is everything stored that a manifest refers to? has_all: are chunks, whose ids come one after
    another? Raises OvertakenError, DamagedError."""
    for block in read_ids(manifest, doing=doing):
        if not has_all(block):
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
