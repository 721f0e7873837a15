"""Which data segments a verification reads: all of them, or the next part of a round."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from strongroom.errors import UsageError
from strongroom.repository.entry import SegmentRef
from strongroom.repository.opened import OpenRepository
from strongroom.repository.rounds import Covered, RoundKeeper, advance

_MANY: Final = 256
_FEW: Final = 16


class DataSource(Protocol):
    """Says what is due, and is told what was read."""

    at_once: int
    """Segments between two calls of done."""

    @property
    def read(self) -> Covered | None:
        """How much was read."""

    @property
    def round(self) -> Covered | None:
        """How much was read by this call and those before it that it goes on from."""

    def begin(self, segments: Sequence[SegmentRef], /) -> Sequence[SegmentRef]:
        """Those that are due, of all data segments."""

    def done(self, segments: Sequence[SegmentRef], /) -> None:
        """The next ones were read."""


class AllOfThem:
    """Nothing is remembered."""

    at_once = _MANY

    def __init__(self) -> None:
        self._begun = time.time_ns()
        self._all: Sequence[SegmentRef] = ()
        self._read: list[SegmentRef] = []

    @property
    def read(self) -> Covered:
        return Covered.of(self._read, self._all, self._begun)

    @property
    def round(self) -> Covered | None:
        return None

    def begin(self, segments: Sequence[SegmentRef], /) -> Sequence[SegmentRef]:
        self._all = segments
        return segments

    def done(self, segments: Sequence[SegmentRef], /) -> None:
        self._read.extend(segments)


class SubsetSource(AllOfThem):
    """The next part of a round, which begins again when it has come to its end."""

    at_once = _FEW

    def __init__(self, opened: OpenRepository, share: float, note: Callable[[str], None]) -> None:
        """share: of the stored bytes, above 0 and up to 1. note: what could not be remembered."""
        super().__init__()
        if not 0 < share <= 1:
            raise UsageError("verifying: a subset is above 0 and at most 100 percent")
        self._share = share
        self._log = opened.log
        self._note = note
        self._keeper = RoundKeeper(opened.config.repo_id, "verify", state=opened.state)
        self._round = self._keeper.load() or self._keeper.begin(opened.log)

    @property
    def round(self) -> Covered | None:
        """Of what there was when it began."""
        there = [s for s in self._all if self._log.state.added_by(s.id) <= self._round.head]
        passed = [s for s in there if self._round.has_passed(s, self._log)]
        return Covered.of(passed, there, self._round.begun)

    def begin(self, segments: Sequence[SegmentRef], /) -> Sequence[SegmentRef]:
        self._all = sorted(segments, key=lambda segment: segment.id)
        left = [segment for segment in self._all if segment.id > self._round.after]
        if not left:
            self._round = self._keeper.begin(self._log)
            left = list(self._all)
        wanted = math.ceil(self._share * sum(segment.length for segment in self._all))
        due: list[SegmentRef] = []
        for segment in left:
            if wanted <= 0:
                break
            due.append(segment)
            wanted -= segment.length
        return due

    def done(self, segments: Sequence[SegmentRef], /) -> None:
        super().done(segments)
        self._round = advance(self._round, segments, ())
        self._keeper.keep(self._round)
        for words in self._keeper.warnings:
            self._note(words)
        self._keeper.warnings.clear()
