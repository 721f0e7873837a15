"""Policies: what is kept, and that something always is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repository.support import a_snapshot
from strongroom import UsageError
from strongroom.ops.retention import Policy, judge, parse_duration
from strongroom.repository.snapshots import Snapshot


def at(text: str, n: int = 1, **changes: object) -> Snapshot:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return a_snapshot(n, time=int(moment.timestamp()) * 10**9, **changes)


def daily(count: int) -> list[Snapshot]:
    """One each day at noon, and one more an hour before."""
    start = datetime(2024, 1, 1, 11, tzinfo=UTC)
    moments = [start + timedelta(days=n // 2, hours=n % 2) for n in range(2 * count)]
    return [a_snapshot(n, time=int(moment.timestamp()) * 10**9) for n, moment in enumerate(moments)]


def kept(snapshots: list[Snapshot], **policy: object) -> list[int]:
    verdicts = judge(snapshots, Policy(**policy))
    assert [verdict.snapshot for verdict in verdicts] == snapshots
    return [n for n, verdict in enumerate(verdicts) if verdict.reasons]


def test_the_last_ones_are_kept() -> None:
    assert kept(daily(3), last=2) == [4, 5]
    assert kept(daily(3), last=99) == list(range(6))


def test_of_several_in_a_day_the_newest_is_kept() -> None:
    assert kept(daily(5), daily=3) == [5, 7, 9]
    assert kept(daily(2), hourly=3) == [1, 2, 3]


def test_weeks_months_and_years_are_those_of_the_calendar() -> None:
    snapshots = [
        at(text, n)
        for n, text in enumerate(
            ["2023-12-30", "2023-12-31", "2024-01-01", "2024-01-07", "2024-01-08", "2024-02-29"]
        )
    ]
    assert kept(snapshots, weekly=3) == [3, 4, 5]
    assert kept(snapshots, weekly=9) == [1, 3, 4, 5]
    assert kept(snapshots, monthly=9) == [1, 4, 5]
    assert kept(snapshots, yearly=9) == [1, 5]
    assert kept(snapshots, yearly=1) == [5]


def test_within_counts_from_the_last_but_one_and_not_from_now() -> None:
    assert kept(daily(4), within=timedelta(days=1)) == [4, 5, 6, 7]
    assert kept(daily(4), within=timedelta(0)) == [6, 7]
    assert kept(daily(4)[:1], within=timedelta(0)) == [0]


def test_tags_keep_and_reasons_add_up() -> None:
    snapshots = [one._replace(tags=("x", "y")[: n % 3]) for n, one in enumerate(daily(3))]
    assert kept(snapshots, tags=("y",)) == [2, 5]
    verdicts = judge(snapshots, Policy(last=1, daily=2, tags=("x",)))
    assert verdicts[5].reasons == ["last", "daily", "tag"]
    assert verdicts[3].reasons == ["daily"]


def test_every_host_and_set_of_paths_is_judged_by_itself() -> None:
    one, other = daily(1)
    assert kept([one, other], last=1) == [1]
    assert kept([one, other._replace(host="another")], last=1) == [0, 1]
    assert kept([one, other._replace(paths=(b"/home",))], last=1) == [0, 1]
    assert kept([one, other._replace(paths=one.paths[::-1])], last=1) == [1]


def test_a_policy_that_keeps_nothing_is_refused() -> None:
    one, other = daily(1)
    with pytest.raises(UsageError, match="keeps none of the 1 snapshots of some paths of host"):
        judge([one, other._replace(host="another", tags=("t",))], Policy(tags=("t",)))
    with pytest.raises(UsageError, match="keeps none of the 1 snapshots"):
        judge([one, other._replace(partial=True)], Policy(tags=("x",)))
    assert not Policy()
    assert Policy(within=timedelta(0))


def test_a_policy_of_less_than_nothing_is_refused() -> None:
    for name in ("last", "hourly", "daily", "weekly", "monthly", "yearly"):
        with pytest.raises(UsageError, match="fewer than no snapshots"):
            Policy(**{"tags": ("x",), name: -1})
    with pytest.raises(UsageError, match="newer than the newest"):
        Policy(within=timedelta(seconds=-1))


def test_the_newest_whole_one_always_stays() -> None:
    one, two, three, four = daily(2)
    tagged = one._replace(tags=("x",))
    assert kept([tagged, two, three, four._replace(partial=True)], tags=("x",)) == [0, 2, 3]
    assert judge([tagged, two], Policy(tags=("x",)))[1].reasons == ["newest"]


def test_of_equal_times_the_later_commit_is_the_newer() -> None:
    same = [a_snapshot(n, time=10**18) for n in range(3)]
    assert kept(same, last=1) == kept(same, daily=1) == [2]


FAR = (-(2**63) + 1, 0, 4_100_000_000 * 10**9, 2**63 - 1)


def nights(count: int, wrong: dict[int, int]) -> list[Snapshot]:
    """One a night, but for the times that clocks said wrongly."""
    start = 1_800_000_000 * 10**9
    times = [wrong.get(n, start + n * 86400 * 10**9) for n in range(count)]
    return [a_snapshot(n, time=time) for n, time in enumerate(times)]


@pytest.mark.parametrize("far", FAR)
def test_one_wrong_clock_takes_one_place_and_no_other(far: int) -> None:
    for n in range(9):
        snapshots = nights(9, {n: far})
        assert kept(snapshots, last=1) == [8]
        assert kept(snapshots, last=4) == kept(snapshots, daily=4) == [5, 6, 7, 8]


@pytest.mark.parametrize("far", FAR)
@pytest.mark.parametrize("count", range(2, 10))
def test_one_wrong_clock_ages_no_other(far: int, count: int) -> None:
    for n in range(count):
        snapshots = nights(count, {n: far})
        month = kept(snapshots, within=timedelta(days=30))
        assert month[0] <= (n == 0), "the first may be as old as it says"
        assert month == list(range(month[0], count))
        held = kept(snapshots, within=timedelta(days=3))
        assert set(held) | {n} >= set(range(max(0, count - 4), count))
        assert len(held) <= 6, "it makes none much younger either"


def test_a_wrong_clock_does_not_keep_for_ever() -> None:
    for far in FAR:
        assert kept(nights(40, {5: far}), within=timedelta(days=7)) == list(range(31, 40))


def test_nights_of_a_wrong_clock_age_when_the_next_good_one_does() -> None:
    ahead = {n: (4_100_000_000 + n * 86400) * 10**9 for n in range(10)}
    assert kept(nights(12, ahead), within=timedelta(days=30)) == list(range(12))
    assert kept(nights(45, ahead), within=timedelta(days=30)) == list(range(13, 45))


def test_unfinished_ones_stay_until_a_finished_one_follows() -> None:
    one, two, three, four = daily(2)
    unfinished = three._replace(partial=True)
    assert kept([one, two, unfinished], last=1) == [1, 2]
    assert kept([one, two, unfinished, four], last=1) == [3]
    assert kept([one._replace(partial=True), two._replace(partial=True)], last=1) == [0, 1]
    assert kept([one, two._replace(partial=True), unfinished], last=9) == [0, 1, 2]


def test_durations_are_read() -> None:
    assert parse_duration("14d12h") == timedelta(days=14, hours=12)
    assert parse_duration("1y") == timedelta(days=366)
    assert parse_duration("2m") == timedelta(days=62)
    for wrong in ("", "d", "1", "1w", "-1d", "1d1y", "1.5d", "9999999999y", "\u0661d"):
        with pytest.raises(UsageError):
            parse_duration(wrong)


SNAPSHOTS = st.lists(
    st.builds(
        lambda n, time, host, partial: a_snapshot(n, time=time, host=host, partial=partial),
        st.integers(0, 2**32),
        st.integers(-(2**63) + 1, 2**63 - 1) | st.integers(0, 10**17),
        st.sampled_from(["a", "b"]),
        st.booleans(),
    ),
    max_size=12,
    unique_by=lambda one: one.id,
)


@settings(max_examples=150)
@given(SNAPSHOTS, st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_whatever_clocks_say_the_newest_of_each_group_stays(
    snapshots: list[Snapshot], last: int, day: int, year: int
) -> None:
    policy = Policy(last=last, daily=day, yearly=year, within=timedelta(0))
    verdicts = judge(snapshots, policy)
    for host in ("a", "b"):
        mine = [v for v in verdicts if v.snapshot.host == host]
        whole = [v for v in mine if not v.snapshot.partial]
        assert not whole or whole[-1].reasons
        assert bool(mine) == any(v.reasons for v in mine)
