"""Two readers, one of them written from the document alone, agree on everything."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from strongroom.errors import StrongroomError
from tests.manifest import reference
from tests.manifest.test_manifest import ids_of, read_all, trees, written


@given(trees())
def test_they_read_the_same(entries):
    found = reference.read(written(entries))
    assert [one for one, _ in found] == [entry._asdict() for entry in entries]
    assert [ids for _, ids in found] == [ids_of(entry) for entry in entries]


@given(trees(), st.data())
def test_they_refuse_the_same(entries, data):
    stored = bytearray(written(entries))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(stored) - 1))
        stored[at] = data.draw(st.sampled_from([0, 1, 2, 3, 46, 47, 255, stored[at] ^ 1]))
    try:
        found = [(entry._asdict(), ids) for entry, ids in read_all(bytes(stored))]
    except StrongroomError:
        found = None
    try:
        expected = reference.read(bytes(stored))
    except reference.BrokenError:
        expected = None
    assert found == expected
