"""How far a check of all segments came that takes more than one run. Remembered on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from strongroom.errors import StrongroomError
from strongroom.repository.entry import SegmentRef
from strongroom.repository.log import Log
from strongroom.repository.notes import read_note, remove_note, write_note
from strongroom.xdg import state_home

DAMAGED_MAX: Final = 1000
"""Damaged segments that a round remembers; with more it comes no further."""


@dataclass(frozen=True, slots=True)
class Round:
    """Segments are checked in the order of their ids, which are random."""

    begun: int
    """Nanoseconds since 1970."""
    head: int
    """The newest log entry then. What was added later belongs to the next round."""
    after: bytes = b""
    """All up to that id are done."""
    damaged: tuple[bytes, ...] = ()
    """But these were not whole."""

    def has_done(self, segment: SegmentRef, log: Log) -> bool:
        """Was that found whole?"""
        return self.has_passed(segment, log) and segment.id not in self.damaged

    def has_passed(self, segment: SegmentRef, log: Log) -> bool:
        """Was that checked, whatever was found?"""
        return segment.id <= self.after and log.state.added_by(segment.id) <= self.head


@dataclass(frozen=True, slots=True)
class Covered:
    """How much of the stored data a check has read."""

    segments: int
    stored_bytes: int
    of_segments: int
    of_bytes: int
    since: int
    """When the first of them was read, or will be: nanoseconds since 1970."""

    @classmethod
    def of(cls, done: Iterable[SegmentRef], all_: Iterable[SegmentRef], since: int) -> Covered:
        """Counted."""
        read, there = [s.length for s in done], [s.length for s in all_]
        return cls(len(read), sum(read), len(there), sum(there), since)

    @property
    def percent(self) -> float:
        """Of the stored bytes."""
        return 100 * self.stored_bytes / self.of_bytes if self.of_bytes else 100.0


class RoundKeeper:
    """Remembers one kind of check of one repository. What cannot be remembered is a warning."""

    def __init__(self, repo_id: bytes, kind: str, *, state: Path | None = None) -> None:
        """kind: a word that names it. state: the folder, if not the user's own."""
        folder = state_home() if state is None else state
        self.warnings: list[str] = []
        self._path = folder / "checks" / f"{repo_id.hex()}.{kind}"

    def begin(self, log: Log) -> Round:
        """A new one."""
        return Round(time.time_ns(), log.head[0])

    def load(self) -> Round | None:
        """The one that was not finished."""
        try:
            found = read_note(self._path)
            if found is None:
                return None
            begun, head = found["begun"], found["head"]
            if type(begun) is not int or type(head) is not int:
                raise ValueError
            damaged = tuple(bytes.fromhex(name) for name in found["damaged"])
            return Round(begun, head, bytes.fromhex(found["after"]), damaged)
        except (KeyError, ValueError, TypeError):
            self._warn(f"reading {self._path}: it is malformed: it begins anew")
        except StrongroomError as error:
            self._warn(f"{error}: it begins anew")
        return None

    def keep(self, round_: Round) -> None:
        """Go on from there next time."""
        try:
            write_note(
                self._path,
                {
                    "begun": round_.begun,
                    "head": round_.head,
                    "after": round_.after.hex(),
                    "damaged": [name.hex() for name in round_.damaged],
                },
            )
        except StrongroomError as error:
            self._warn(f"{error}; it will begin anew next time")

    def finish(self) -> None:
        """There is nothing to go on with."""
        remove_note(self._path)

    def _warn(self, words: str) -> None:
        if words not in self.warnings:
            self.warnings.append(words)


def advance(round_: Round, done: Iterable[SegmentRef], damaged: Iterable[bytes]) -> Round:
    """After the next segments in order were checked, some of them damaged."""
    last = max((segment.id for segment in done), default=round_.after)
    bad = tuple(sorted({*round_.damaged, *damaged}))
    if len(bad) > DAMAGED_MAX:
        return round_
    return replace(round_, after=max(round_.after, last), damaged=bad)
