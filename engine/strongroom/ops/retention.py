"""Which snapshots a policy keeps. Decides; removes nothing."""

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
    newest; of several in an hour, a day and so on (UTC) the newest is kept."""

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: timedelta | None = None
    """Before the newest one."""
    tags: tuple[str, ...] = ()
    """Whatever has one of these."""

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
    """A verdict on each, in their order. Raises UsageError for a policy that keeps nothing of some
    host and paths.

    Unfinished ones do not count; each is kept until a finished one of the same host and paths came
    after it.
    """
    verdicts = [Verdict(snapshot) for snapshot in snapshots]
    groups: dict[tuple[str, frozenset[bytes]], list[Verdict]] = {}
    for verdict in verdicts:
        key = verdict.snapshot.host, frozenset(verdict.snapshot.paths)
        groups.setdefault(key, []).append(verdict)
    for group in groups.values():
        _judge_group(group, policy)
        if not any(verdict.reasons for verdict in group):
            host = group[0].snapshot.host
            raise UsageError(
                f"the policy keeps none of the {len(group)} snapshots of some paths of {host}",
                hint="to forget them all, name them",
            )
    return verdicts


def _judge_group(group: Sequence[Verdict], policy: Policy) -> None:
    """In the order of their commits. Clocks may lie, so time only sorts."""
    whole = [verdict for verdict in group if not verdict.snapshot.partial]
    newest_first = sorted(whole, key=lambda verdict: verdict.snapshot.time, reverse=True)
    for verdict in newest_first[: policy.last]:
        verdict.reasons.append("last")
    for name, bucket_of in _BUCKETS.items():
        _keep_buckets(newest_first, name, bucket_of, getattr(policy, name))
    for verdict in newest_first:
        age_ns = newest_first[0].snapshot.time - verdict.snapshot.time
        if policy.within is not None and timedelta(microseconds=age_ns // 1000) <= policy.within:
            verdict.reasons.append("within")
        if not set(policy.tags).isdisjoint(verdict.snapshot.tags):
            verdict.reasons.append("tag")
    for number, verdict in enumerate(group):
        later = group[number + 1 :]
        if verdict.snapshot.partial and all(other.snapshot.partial for other in later):
            verdict.reasons.append("unfinished")


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
