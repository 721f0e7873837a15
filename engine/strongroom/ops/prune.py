"""Remove what no snapshot needs any more. docs/FORMAT.md, section 9.6."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final

from strongroom._core import TYPE_DATA, UNWATCHED, Watch
from strongroom._core.index import ChunkIndex
from strongroom.errors import DamagedError, ObjectMissingError, StrongroomError, TargetError
from strongroom.manifest.ids import read_ids
from strongroom.ops.prune_plan import Plan, Planner
from strongroom.repository.entry import KIND_REMOVE, Draft, LogEntry, SegmentRef
from strongroom.repository.expiry import Clocks
from strongroom.repository.head import entry_name
from strongroom.repository.interval import removed_in
from strongroom.repository.log import OvertakenError
from strongroom.repository.names import segment_name
from strongroom.repository.opened import OpenRepository
from strongroom.repository.private import NO_SESSION, Private
from strongroom.repository.repack import UnreadableError, copy_chunks
from strongroom.repository.session import BackupSession, Effort, SessionKeys
from strongroom.repository.spool import LOCK, Spool
from strongroom.repository.survey import Survey
from strongroom.stores import UnsyncedError

GRACE_S: Final = 24 * 3600
ATTEMPTS: Final = 5
GONE_MIN: Final = 256
"""So many names that are gone are worth an entry of their own."""

_NS: Final = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneOptions:
    """How to prune."""

    grace_s: float = GRACE_S
    """How long objects stay after the log says that they are removed: those who began to read
    before may still need them."""
    dry_run: bool = False
    threads: int = 0


@dataclass(slots=True)
class PruneResult:
    """What a prune did, or would do. Bytes are stored ones."""

    segments: int = 0
    """That were live before."""
    stored_bytes: int = 0
    removed_segments: int = 0
    """Of which nothing is needed."""
    removed_bytes: int = 0
    repacked_segments: int = 0
    """Of which something is; that is stored again."""
    repacked_bytes: int = 0
    new_bytes: int = 0
    """Stored again; in a dry run about so much."""
    leftover_objects: int = 0
    """That no log entry ever named."""
    leftover_bytes: int = 0
    deleted_objects: int = 0
    """Whose grace period was over: room that is free now."""
    deleted_bytes: int = 0
    waiting_objects: int = 0
    """Whose grace period is not over: room that a later prune makes free."""
    waiting_bytes: int = 0
    kept_damaged: int = 0
    """Damaged segments that may hold what is nowhere else."""

    @property
    def freed_bytes(self) -> int:
        """What becomes free in the end, of all that this run removed."""
        return self.removed_bytes + self.repacked_bytes + self.leftover_bytes - self.new_bytes


def prune(
    opened: OpenRepository,
    options: PruneOptions | None = None,
    *,
    note: Callable[[str], None],
    watch: Watch = UNWATCHED,
) -> PruneResult:
    """Remove what no snapshot needs, and delete what was removed long enough ago.

    note: told of damage that was met; what is uncertain stays. Safe at any time, beside anything,
    and after being killed anywhere. Raises DamagedError where a manifest cannot be read,
    OvertakenError where others removed something each time it tried, TargetError, CancelledError.
    """
    options = PruneOptions() if options is None else options
    last: StrongroomError | None = None
    for _ in range(ATTEMPTS):
        opened.log.load()
        base = opened.log.head[0]
        try:
            with _Prune(opened, options, note, watch) as work:
                return work.run()
        except (OvertakenError, DamagedError) as error:
            if not _was_overtaken(opened, base):
                raise
            last = error
    raise OvertakenError(f"pruning: others changed the repository each time it tried: {last}")


def _was_overtaken(opened: OpenRepository, base: int) -> bool:
    """Did somebody remove anything meanwhile? What is missing then may just be deleted. A new
    snapshot that needs what was to go counts, too."""
    opened.log.load()
    others = list(opened.log.since(base))
    return any(entry.tombstones or entry.segments for entry in others)


class _Prune:
    """One attempt."""

    def __init__(
        self,
        opened: OpenRepository,
        options: PruneOptions,
        note: Callable[[str], None],
        watch: Watch,
    ) -> None:
        self._opened = opened
        self._options = options
        self._note = note
        self._watch = watch
        self._result = PruneResult()
        self._grace_ns = int(options.grace_s * _NS)
        self._stack = ExitStack()
        try:
            self._clocks = self._look_at_clocks()
            self._survey = self._stack.enter_context(Survey(opened, watch=watch))
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> _Prune:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self) -> PruneResult:
        """Plan, store anew, say in the log what is removed, delete."""
        live = list(self._opened.log.segments())
        self._result.segments = len(live)
        self._result.stored_bytes = sum(segment.length for segment in live)
        opened, clocks, survey = self._opened, self._clocks, self._survey
        planner = Planner(opened, survey, clocks, grace_ns=self._grace_ns, note=self._note)
        plan = planner.plan(watch=self._watch)
        self._result.kept_damaged = plan.kept_damaged
        if self._options.dry_run:
            self._result.new_bytes = plan.repacked_bytes
            self._count(plan)
        else:
            self._commit(plan)
        self._delete()
        self._opened.suspects.keep_only({s.id for s in self._opened.log.segments()})
        return self._result

    def _look_at_clocks(self) -> Clocks:
        """By a file that is made for it; a dry run writes nothing."""
        store = self._opened.store
        if self._options.dry_run:
            return Clocks(store, None)
        spool = self._stack.enter_context(Spool(store.folder))
        return Clocks(store, spool.folder / LOCK)

    # --- committing ---

    def _commit(self, plan: Plan) -> None:
        with ExitStack() as stack:
            index = stack.enter_context(ChunkIndex())
            session, added = None, list[SegmentRef]()
            if plan.repack:
                session = stack.enter_context(self._begin(index))
                plan.repack = [s for s in plan.repack if self._copy(s, session)]
                added = session.finish(watch=Watch(cancel=self._watch.cancel))
            removed = tuple(segment.id for segment in (*plan.remove, *plan.repack))
            tombstones = (*removed, *plan.leftover)
            if not tombstones and not added and len(plan.gone) < GONE_MIN:
                return
            private = Private(
                time.time_ns(), platform.node(), NO_SESSION if session is None else session.id
            )
            gone = tuple(name for name in plan.gone if name not in tombstones)
            draft = Draft(self._survey.base, tuple(added), private, KIND_REMOVE, tombstones, gone)
            if session is not None:
                self._adopt(session, added)
            self._append(draft, removed, index)
        self._result.new_bytes = sum(segment.length for segment in added)
        self._count(plan)

    def _begin(self, index: ChunkIndex) -> BackupSession:
        """index: an empty one, so that all that is copied is stored: whoever knows a chunk by a
        segment that is removed finds it in what is added."""
        opened = self._opened
        return BackupSession(
            SessionKeys(opened.root, opened.config.repo_id, opened.keys.chunk),
            index,
            Spool(opened.store.folder),
            base=self._survey.base,
            effort=Effort(threads=self._options.threads),
            ended=lambda _: None,
        )

    def _copy(self, segment: SegmentRef, session: BackupSession) -> bool:
        """False: it cannot be read after all, and stays."""
        need, opened = self._survey.need(segment), self._opened
        try:
            copy_chunks(
                opened.segments, self._survey.index, need.chunks, session.write, watch=self._watch
            )
        except UnreadableError as error:
            self._note(f"segment {segment.id.hex()} is damaged, and kept: {error}")
            opened.suspects.add([segment.id])
            self._result.kept_damaged += 1
            return False
        return True

    def _adopt(self, session: BackupSession, added: Sequence[SegmentRef]) -> None:
        folder = session.spool.folder
        files = [(folder / s.id.hex(), segment_name(s.id)) for s in added]
        try:
            self._opened.store.adopt(files)
        except TargetError:
            self._withdraw(added)
            raise

    def _append(self, draft: Draft, removed: Sequence[bytes], copied: ChunkIndex) -> None:
        """Raises OvertakenError: what others did meanwhile asks for another plan."""

        def revise(draft: Draft, others: Sequence[LogEntry]) -> Draft:
            if removed_in(others) & self._survey.data.keys():
                raise OvertakenError("pruning: somebody else pruned meanwhile")
            added = {segment.id for entry in others for segment in entry.segments}
            if not added.isdisjoint(draft.tombstones):
                raise OvertakenError("pruning: what seemed left over was committed meanwhile")
            self._check_still_unneeded(others, set(removed), copied)
            return draft

        try:
            self._opened.append(draft, revise)
        except UnsyncedError:
            raise
        except (OvertakenError, TargetError, DamagedError):
            self._withdraw(draft.segments)
            raise

    def _check_still_unneeded(
        self, others: Sequence[LogEntry], removed: set[bytes], copied: ChunkIndex
    ) -> None:
        """Does everything that snapshots of the interval need stay?"""
        state = self._opened.log.state
        snapshots = [e.private.snapshot for e in others if e.private is not None]
        added = [s.id for e in others for s in e.segments if s.type == TYPE_DATA and s.id in state]
        with self._opened.copied_index() as index:
            index.drop_segments(index.segments() - (self._survey.data.keys() - removed))
            self._opened.segments.load(index, added)
            for snapshot in snapshots:
                if snapshot is None or snapshot.id not in state:
                    continue
                with self._opened.open_manifest(snapshot) as manifest:
                    for block in read_ids(manifest, doing="pruning"):
                        if not (index.find(block) | copied.find(block)).all():
                            raise OvertakenError("pruning: a new snapshot needs what was to go")

    def _withdraw(self, added: Iterable[SegmentRef]) -> None:
        for segment in added:
            with suppress(StrongroomError):
                self._opened.store.delete(segment_name(segment.id))

    def _count(self, plan: Plan) -> None:
        result = self._result
        result.removed_segments, result.repacked_segments = len(plan.remove), len(plan.repack)
        result.removed_bytes = sum(segment.length for segment in plan.remove)
        result.repacked_bytes = sum(segment.length for segment in plan.repack)
        result.leftover_objects = len(plan.leftover)
        result.leftover_bytes = sum(map(self._length_of, plan.leftover))

    # --- deleting ---

    def _delete(self) -> None:
        """Objects that the log has long since called removed. Each by itself: whatever happens in
        between, the next prune goes on."""
        opened, result = self._opened, self._result
        stored = self._survey.stored
        # What this run removed has the age of its entry, too: with no grace period it goes now.
        clocks = self._clocks if self._options.dry_run else self._look_at_clocks()
        passed: dict[int, bool] = {}
        is_durable = False
        for segment_id, seq in opened.log.state.tombstones.items():
            if segment_id not in stored:
                continue
            if seq not in passed:
                passed[seq] = clocks.has_passed(opened.log, seq, self._grace_ns)
            length = self._length_of(segment_id)
            if not passed[seq] or self._options.dry_run:
                result.waiting_objects += 1
                result.waiting_bytes += length
                continue
            if not is_durable:
                # The entry may be that of a prune that was killed before it was sure to stay.
                opened.store.sync(entry_name(opened.log.head[0]))
                is_durable = True
            with suppress(ObjectMissingError):
                opened.store.delete(segment_name(segment_id))
                result.deleted_objects += 1
                result.deleted_bytes += length

    def _length_of(self, segment_id: bytes) -> int:
        try:
            return self._opened.store.path_of(segment_name(segment_id)).lstat().st_size
        except OSError:
            return 0
