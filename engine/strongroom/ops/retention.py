"""Which snapshots a policy keeps. Decides; removes nothing.

Newer means committed later. Clocks may lie: they only tell hours, days and so on apart, and what
lies within a time. One that is wrong must not cost the others: "Retention" in docs/DESIGN.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from strongroom.errors import UsageError
from strongroom.repository.snapshots import Snapshot

_Bucket: TypeAlias = Callable[[datetime], tuple[int, ...]]

_BUCKETS: Final[dict[str, _Bucket]] = {
    "hourly": lambda t: (t.year, t.month, t.day, t.hour),
    "daily": lambda t: (t.year, t.month, t.day),
    "weekly": lambda t: tuple(t.isocalendar())[:2],
    "monthly": lambda t: (t.year, t.month),
    "yearly": lambda t: (t.year,),
}
_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)m)?(?:(\d+)d)?(?:(\d+)h)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What to keep of the snapshots of one host and the same paths. Numbers count back from the
    newest; of several in an hour, a day and so on (UTC) the newest is kept. Raises UsageError for
    less than nothing."""

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: timedelta | None = None
    """Before the last but one: the two newest, and what is no older than that. Measured from the
    middle one of the last three times, so that no single clock decides."""
    tags: tuple[str, ...] = ()
    """Whatever has one of these."""

    def __post_init__(self) -> None:
        if any(getattr(self, name) < 0 for name in ("last", *_BUCKETS)):
            raise UsageError("a policy cannot keep fewer than no snapshots")
        if self.within is not None and self.within < timedelta(0):
            raise UsageError("a policy cannot keep what is newer than the newest alone")

    def __bool__(self) -> bool:
        """Does it keep anything?"""
        return any(getattr(self, one.name) for one in fields(self)) or self.within is not None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A snapshot, and why it is kept; not at all, if there is no reason."""

    snapshot: Snapshot
    reasons: list[str] = field(default_factory=list)


def parse_duration(text: str) -> timedelta:
    """1y6m14d12h or a part of that: years of 366 days, months of 31. Raises UsageError."""
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise UsageError(f"{text!r} is no duration such as 1y6m14d12h")
    years, months, days, hours = (int(number or 0) for number in match.groups())
    try:
        return timedelta(days=366 * years + 31 * months + days, hours=hours)
    except OverflowError:
        raise UsageError(f"{text!r} is too long a duration") from None


def judge(snapshots: Iterable[Snapshot], policy: Policy) -> list[Verdict]:
    """A verdict on each, in their order, which is that of their commits. Raises UsageError for a
    policy that keeps no finished one of some host and paths that have any.

    The newest finished one of each is kept in any case. Unfinished ones do not count; each is kept
    until a finished one of the same host and paths came after it.
    """
    verdicts = [Verdict(snapshot) for snapshot in snapshots]
    groups: dict[tuple[str, frozenset[bytes]], list[Verdict]] = {}
    for verdict in verdicts:
        key = verdict.snapshot.host, frozenset(verdict.snapshot.paths)
        groups.setdefault(key, []).append(verdict)
    for group in groups.values():
        whole = [verdict for verdict in group if not verdict.snapshot.partial]
        if whole:
            _judge_whole(whole[::-1], policy)
        _keep_unfinished(group)
    return verdicts


def _judge_whole(newest_first: Sequence[Verdict], policy: Policy) -> None:
    for verdict in newest_first[: policy.last]:
        verdict.reasons.append("last")
    for name, bucket_of in _BUCKETS.items():
        _keep_buckets(newest_first, name, bucket_of, getattr(policy, name))
    if policy.within is not None:
        _keep_within(newest_first, policy.within)
    for verdict in newest_first:
        if not set(policy.tags).isdisjoint(verdict.snapshot.tags):
            verdict.reasons.append("tag")
    if not any(verdict.reasons for verdict in newest_first):
        host = newest_first[0].snapshot.host
        raise UsageError(
            f"the policy keeps none of the {len(newest_first)} snapshots of some paths of {host}",
            hint="to forget them all, name them",
        )
    if not newest_first[0].reasons:
        newest_first[0].reasons.append("newest")


def _keep_unfinished(group: Sequence[Verdict]) -> None:
    for verdict in reversed(group):
        if not verdict.snapshot.partial:
            break
        verdict.reasons.append("unfinished")


def _keep_within(newest_first: Sequence[Verdict], within: timedelta) -> None:
    """All since the first that is within. Whose clock is ahead of the time that this is measured
    from is taken to be as old as the next one committed."""
    times = [verdict.snapshot.time for verdict in newest_first]
    latest = sorted(times[:3])[len(times[:3]) // 2]
    is_within, kept = True, 2
    for number, moment in enumerate(times, 1):
        if moment <= latest:
            is_within = (latest - moment) // 1000 <= within // timedelta(microseconds=1)
        if is_within:
            kept = max(kept, number)
    for verdict in newest_first[:kept]:
        verdict.reasons.append("within")


def _keep_buckets(
    newest_first: Sequence[Verdict], name: str, bucket_of: _Bucket, count: int
) -> None:
    seen: set[tuple[int, ...]] = set()
    for verdict in newest_first:
        bucket = bucket_of(_time_of(verdict.snapshot))
        if len(seen) < count and bucket not in seen:
            seen.add(bucket)
            verdict.reasons.append(name)


def _time_of(snapshot: Snapshot) -> datetime:
    """Of a clock that may have said anything: the nearest time that there is."""
    try:
        return _EPOCH + timedelta(microseconds=snapshot.time // 1000)
    except OverflowError:
        return (datetime.max if snapshot.time > 0 else datetime.min).replace(tzinfo=UTC)
