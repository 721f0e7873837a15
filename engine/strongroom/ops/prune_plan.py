"""What a prune is to remove: decided, but not done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from strongroom._core import HEADER_LEN, UNWATCHED, Watch, parse_header
from strongroom.errors import DamagedError, StrongroomError
from strongroom.repository.entry import KIND_ADD, KIND_PARTIAL, SegmentRef
from strongroom.repository.expiry import Clocks
from strongroom.repository.freshness import CONTINUED
from strongroom.repository.opened import OpenRepository
from strongroom.repository.repack import UnreadableError, check_chunks_read
from strongroom.repository.survey import Survey

UNUSED_MAX: Final = 0.1
"""The share of a segment that may be unneeded; with more it is stored anew."""
PARTIAL_DAYS: Final = 30
"""How long what a session stored is kept for it to go on with."""

_PARTIAL_NS: Final = PARTIAL_DAYS * 24 * 3600 * 10**9


@dataclass(slots=True)
class Plan:
    """What to remove."""

    remove: list[SegmentRef] = field(default_factory=list)
    repack: list[SegmentRef] = field(default_factory=list)
    leftover: list[bytes] = field(default_factory=list)
    gone: list[bytes] = field(default_factory=list)
    repacked_bytes: int = 0
    """That will be stored again."""
    kept_damaged: int = 0


class Planner:
    """Decides. Whatever is uncertain stays."""

    def __init__(
        self,
        opened: OpenRepository,
        survey: Survey,
        clocks: Clocks,
        *,
        grace_ns: int,
        note: Callable[[str], None],
    ) -> None:
        """grace_ns: how old an object is that no session can still be about to commit."""
        self._opened = opened
        self._survey = survey
        self._clocks = clocks
        self._grace_ns = grace_ns
        self._note = note
        self._watch = UNWATCHED
        self._partial: dict[int, bool] = {}
        self._finished: set[bytes] | None = None

    def plan(self, *, watch: Watch = UNWATCHED) -> Plan:
        """What may go. Raises CancelledError."""
        plan, survey = Plan(), self._survey
        self._watch = watch
        suspects = self._opened.suspects.load()
        if survey.lost:
            self._note(
                f"{survey.lost} chunks that snapshots need are nowhere: see strongroom verify"
            )
        for segment in survey.data.values():
            if segment.id in survey.unsound:
                # What it held is either elsewhere, or nobody knows that it is not in there.
                if survey.lost:
                    plan.kept_damaged += 1
                else:
                    plan.remove.append(segment)
            else:
                self._judge(segment, plan, is_suspect=segment.id in suspects)
        state = self._opened.log.state
        for segment_id, name in survey.stored.items():
            if (
                segment_id not in state
                and not state.is_removed(segment_id)
                and self._clocks.is_old(name, self._grace_ns)
                and self._is_left_over(name)
            ):
                plan.leftover.append(segment_id)
        plan.gone = [name for name in state.tombstones if name not in survey.stored]
        return plan

    def _is_left_over(self, name: str) -> bool:
        """Was it made for this repository, by a session that the log does not know? Of a log that
        may be an old one, nobody can say what it does not know."""
        if self._opened.freshness.state != CONTINUED:
            return False
        path = self._opened.store.path_of(name)
        try:
            with path.open("rb") as file:
                header = parse_header(file.read(HEADER_LEN), doing=f"reading {path}")
        except DamagedError:
            return True  # what a power cut left of one
        except (OSError, StrongroomError):
            return False
        return header.repo_id == self._opened.config.repo_id

    def _judge(self, segment: SegmentRef, plan: Plan, *, is_suspect: bool) -> None:
        if is_suspect and self._survey.lost:
            # It may hold, damaged, what is lost; somebody may still bring back its bytes.
            plan.kept_damaged += 1
            return
        used = self._survey.used_bytes(segment.id)
        if not is_suspect and used >= (1 - UNUSED_MAX) * segment.length:
            return
        if self._is_partial(segment.id):
            return
        try:
            need = self._survey.need(segment)
        except StrongroomError as error:
            self._note(f"{error}; it is kept")
            plan.kept_damaged += 1
            return
        whole = need.stored_bytes + need.unneeded_bytes
        if not need.stored_bytes:
            plan.remove.append(segment)
        elif is_suspect or need.unneeded_bytes > UNUSED_MAX * whole:
            if is_suspect and not self._is_readable(segment):
                plan.kept_damaged += 1
                return
            plan.repack.append(segment)
            plan.repacked_bytes += need.stored_bytes

    def _is_readable(self, segment: SegmentRef) -> bool:
        """Is all that is needed of a damaged segment there, in it or elsewhere?"""
        segments, index = self._opened.segments, self._survey.index
        try:
            check_chunks_read(segments, index, self._survey.need(segment).chunks, watch=self._watch)
        except UnreadableError as error:
            self._note(f"segment {segment.id.hex()} is damaged, and kept: {error}")
            return False
        return True

    def _is_partial(self, segment_id: bytes) -> bool:
        """Was it added by a session that may still be gone on with?"""
        seq = self._opened.log.state.added_by(segment_id)
        if seq not in self._partial:
            self._partial[seq] = self._adds_partially(seq)
        return self._partial[seq]

    def _adds_partially(self, seq: int) -> bool:
        log = self._opened.log
        if self._clocks.has_passed(log, seq, _PARTIAL_NS):
            return False
        entry = log.entry(seq)
        if entry.kind != KIND_PARTIAL or entry.private is None:
            return False
        if self._finished is None:  # the oldest segments are judged first
            later = [e.private for e in log.since(seq) if e.kind == KIND_ADD]
            self._finished = {private.session for private in later if private is not None}
        return entry.private.session not in self._finished
