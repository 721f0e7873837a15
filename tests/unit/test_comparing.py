"""Secrets are compared by the core."""

from __future__ import annotations

import pytest

from strongroom._core.secrets import equal

KEY = bytes(range(32))


def test_what_is_the_same_is_equal() -> None:
    assert equal(KEY, bytes(bytearray(KEY)))
    assert equal(b"", b"")


@pytest.mark.parametrize("place", range(32))
def test_every_byte_counts(place: int) -> None:
    other = bytearray(KEY)
    other[place] ^= 1
    assert not equal(KEY, bytes(other))


def test_every_length_counts() -> None:
    assert not equal(KEY, KEY[:-1])
    assert not equal(KEY[:-1], KEY)
    assert not equal(KEY, KEY + b"\0")
    assert not equal(b"", b"\0")
