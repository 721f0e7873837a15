"""Check a whole repository without any key."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from strongroom._core import UNWATCHED, Cancel, Progress, Watch
from strongroom.errors import DamagedError, StrongroomError
from strongroom.keys.slot import SLOT_LEN_MAX, parse_slot
from strongroom.ops.scrub_segments import LARGE_LEN, Checked, Findings, Report, scrub_segments
from strongroom.ops.threads import thread_limit
from strongroom.repository.config import Config, read_config
from strongroom.repository.entry import SegmentRef
from strongroom.repository.freshness import Freshness, HeadKeeper
from strongroom.repository.log import Log
from strongroom.repository.names import SEGMENTS, segment_name
from strongroom.repository.pins import Head
from strongroom.repository.rounds import Covered, Round, RoundKeeper, advance
from strongroom.repository.slots import PREFIX as SLOTS
from strongroom.stores.local import LocalStore
from strongroom.stores.locate import open_store


@dataclass(frozen=True, slots=True)
class RepositoryScrub:
    """What a check without a key found."""

    repo_id: bytes
    public_key: bytes
    """Ed25519, as the config states it."""
    trusted: bool
    """True: that is the key given, or the one with which this machine opened it once, so what was
    found whole is authentic. False: it is only consistent in itself, by whomever made."""
    freshness: Freshness
    """How new the log is, as far as this machine can know."""
    head: Head
    """Its newest entry."""
    entries: int
    """Of the log."""
    segments: int
    stored_bytes: int
    """Of the segments that the log names."""
    damaged: int
    """Objects damaged or missing; each was reported."""
    superfluous: tuple[str, ...]
    """Segments that the log never named: left by a backup that was interrupted, or one that
    runs now. Empty where the log itself is damaged."""
    read: Covered
    """How much of the segments this call has read."""
    resumed: int | None
    """Of a scrub that was begun earlier: when, in nanoseconds since 1970. What it found whole then
    was not read again."""
    warnings: tuple[str, ...] = ()
    """What could not be read or remembered of what this machine saw before."""


def _ignore(_: str, __: StrongroomError) -> None:
    """For those who do not want to know."""


def scrub_repository(
    url: str | os.PathLike[str],
    *,
    public_key: bytes | None = None,
    threads: int | None = None,
    on_damage: Report = _ignore,
    on_total: Callable[[int], None] | None = None,
    state: str | os.PathLike[str] | None = None,
    accept_rollback: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> RepositoryScrub:
    """Check everything stored in a repository against its log, without any key.

    Without public_key this finds accidental damage: the repository is consistent in itself. With
    Repository.public_key, kept elsewhere or known from when this machine opened the repository, it
    finds any change but the loss of entries that this machine never saw. state, accept_rollback:
    as in Repository.open.
    resume: go on where the last one on this machine was interrupted, and look again at what it
    found damaged. on_total: called with the stored bytes there are to read, once the log is read.
    on_damage: called with the name of each damaged or missing object, and what is wrong with it.
    Raises NoRepositoryError, RolledBackError, DamagedError where the config is damaged or names
    another key.
    """
    return scrub_store(
        open_store(os.fspath(url)),
        state=None if state is None else Path(state),
        accept_rollback=accept_rollback,
        resume=resume,
        public_key=public_key,
        threads=threads,
        report=on_damage,
        on_total=on_total,
        watch=Watch(progress, cancel),
    )


def scrub_store(
    store: LocalStore,
    *,
    public_key: bytes | None = None,
    threads: int | None = None,
    report: Report,
    on_total: Callable[[int], None] | None = None,
    state: Path | None = None,
    accept_rollback: bool = False,
    resume: bool = False,
    watch: Watch = UNWATCHED,
) -> RepositoryScrub:
    """Hold config, slots, the log's signatures and chain, and every stored byte of every segment
    against the log.

    public_key: what the config must name, known from elsewhere. What is damaged is reported, and
    the work goes on. Raises NoRepositoryError, UnsupportedError, CancelledError, RolledBackError,
    and DamagedError where the config itself is damaged.
    """
    doing = f"scrubbing {store.url}"
    config = read_config(store, doing=doing)
    if public_key is not None and public_key != config.public_key:
        raise DamagedError(
            f"scrubbing {store.url}: its public key is not the one given, but "
            f"{config.public_key.hex()}",
            hint="it is another repository, or somebody put another in its place",
        )
    heads = HeadKeeper(store.url, config, state=state, accept_rollback=accept_rollback, doing=doing)
    findings = Findings(report)
    _check_slots(store, config, findings)
    log = Log(store, config, None)
    whole = _read_log(log, heads, findings, proven=public_key is not None)
    segments = list(log.segments())
    rounds = RoundKeeper(config.repo_id, "scrub", state=state)
    before = rounds.load() if resume else None
    due = _due(segments, before, log)
    if on_total is not None:
        on_total(sum(segment.length for segment in due))
    begun = time.time_ns()
    round_ = rounds.begin(log) if before is None else before
    told = Checked(lambda last: rounds.keep(advance(round_, [last], findings.segments)))
    scrub_segments(store, due, thread_limit(threads), findings, checked=told, watch=watch)
    rounds.finish()
    return RepositoryScrub(
        repo_id=config.repo_id,
        public_key=config.public_key,
        trusted=public_key is not None or (heads.pin is not None and heads.pin.proven),
        freshness=heads.freshness,
        warnings=(*heads.warnings, *rounds.warnings),
        read=Covered.of(due, segments, begun),
        resumed=None if before is None else before.begun,
        head=Head(*log.head),
        entries=log.head[0],
        segments=len(segments),
        stored_bytes=sum(segment.length for segment in segments),
        damaged=findings.count,
        superfluous=_superfluous(store, log) if whole else (),
    )


def _superfluous(store: LocalStore, log: Log) -> tuple[str, ...]:
    known = {segment_name(segment.id) for segment in log.segments()}
    known.update(segment_name(name) for name in log.state.tombstones)
    return tuple(name for name in store.list(SEGMENTS) if name not in known)


def _due(segments: list[SegmentRef], before: Round | None, log: Log) -> list[SegmentRef]:
    """What is left to check, in the order of the ids. Large ones are not remembered."""
    ordered = sorted(segments, key=lambda segment: segment.id)
    if before is None:
        return ordered
    return [s for s in ordered if s.length >= LARGE_LEN or not before.has_done(s, log)]


def _read_log(log: Log, heads: HeadKeeper, findings: Findings, *, proven: bool) -> bool:
    """Is it whole? Then it is also as new as it should be. Raises RolledBackError."""
    try:
        log.load(whole=True)
    except DamagedError as error:
        findings.add("log", error)
        return False
    heads.check(log)
    heads.remember(log, proven=proven)
    return True


def _check_slots(store: LocalStore, config: Config, findings: Findings) -> None:
    for name in store.list(SLOTS):
        doing = f"scrubbing {name}"
        try:
            slot = parse_slot(store.get(name, limit=SLOT_LEN_MAX), doing=doing)
            if slot.repo_id != config.repo_id or SLOTS + slot.slot_id.hex() != name:
                raise DamagedError(f"{doing}: it belongs elsewhere")
        except StrongroomError as error:
            findings.add(name, error)
