"""Snapshots as they are sealed in the log, and as people name them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repository.support import a_snapshot
from strongroom import DamagedError, SourceError, UnsupportedError, UsageError
from strongroom.repository.snapshots import Snapshot, find_snapshot

COUNTS = st.integers(0, 2**64 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SNAPSHOTS = st.builds(
    Snapshot,
    id=st.binary(min_size=16, max_size=16),
    root=st.binary(min_size=32, max_size=32),
    time=st.integers(-(2**63) + 1, 2**63 - 1),
    host=TEXTS,
    user=TEXTS,
    tags=st.lists(TEXTS).map(tuple),
    paths=st.lists(st.binary()).map(tuple),
    entries=COUNTS,
    files=COUNTS,
    bytes=COUNTS,
    new_bytes=COUNTS,
    errors=COUNTS,
    partial=st.booleans(),
)


@given(SNAPSHOTS)
def test_a_snapshot_survives_its_map(snapshot: Snapshot) -> None:
    assert Snapshot.from_map(snapshot.to_map(), doing="x") == snapshot


WRONG = {
    "id": [b"", bytes(15), bytes(17), "0" * 16, None],
    "root": [b"", bytes(31), 7],
    "time": [2**63, -(2**63) - 1, 1.5, True, "1"],
    "host": [b"host", None, 1],
    "user": [b"user", []],
    "tags": ["one", [b"one"], [1], {"a": 1}, None],
    "paths": [b"/", ["/home"], [None], 3],
    **{name: [-1, 2**64, True, 1.0, "1", None] for name in ("entries", "files", "bytes")},
    **{name: [-1, 2**64, False, b"1"] for name in ("new_bytes", "errors")},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_field_of_another_kind_is_damage(name: str) -> None:
    assert set(WRONG) == set(a_snapshot().to_map())
    for value in WRONG[name]:
        with pytest.raises(DamagedError, match=name):
            Snapshot.from_map(a_snapshot().to_map() | {name: value}, doing="x")


@pytest.mark.parametrize("name", WRONG)
def test_a_field_that_is_missing_is_damage(name: str) -> None:
    found = a_snapshot().to_map()
    del found[name]
    with pytest.raises(DamagedError, match="fields are missing"):
        Snapshot.from_map(found, doing="x")


def test_an_unknown_field_is_unsupported() -> None:
    for unknown in ("parent", 7, b"id"):
        with pytest.raises(UnsupportedError):
            Snapshot.from_map(a_snapshot().to_map() | {unknown: 1}, doing="x")


@pytest.mark.parametrize("found", [None, [], "x", 7])
def test_what_is_no_map_is_damage(found: object) -> None:
    with pytest.raises(DamagedError):
        Snapshot.from_map(found, doing="x")


SNAPS = [
    a_snapshot(1, id=bytes.fromhex("abcd" + "00" * 14)),
    a_snapshot(2, id=bytes.fromhex("abce" + "00" * 14)),
    a_snapshot(3, id=bytes.fromhex("abcd" + "11" * 14)),
]


def test_latest_is_the_last_one_committed() -> None:
    assert find_snapshot(SNAPS, "latest") is SNAPS[2]
    with pytest.raises(SourceError, match="no snapshot yet"):
        find_snapshot([], "latest")


@pytest.mark.parametrize(
    ("name", "found"),
    [("abce", 1), ("ABCE", 1), ("abcd0", 0), ("abcd1", 2), ("abcd" + "11" * 14, 2)],
)
def test_a_prefix_that_one_has_names_it(name: str, found: int) -> None:
    assert find_snapshot(SNAPS, name) is SNAPS[found]


def test_a_prefix_that_two_have_is_refused() -> None:
    with pytest.raises(UsageError, match="2 snapshots begin with abcd"):
        find_snapshot(SNAPS, "abcd")


@pytest.mark.parametrize("name", ["", "abc", "newest", "abcg", "00" * 17, "abcd ", "٣٣٣٣"])
def test_what_names_no_snapshot_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="names no snapshot"):
        find_snapshot(SNAPS, name)


def test_a_snapshot_that_is_not_there_is_named() -> None:
    with pytest.raises(SourceError, match="there is no snapshot ffff") as caught:
        find_snapshot(SNAPS, "ffff")
    assert caught.value.hint == '"strongroom snapshots" lists them'
