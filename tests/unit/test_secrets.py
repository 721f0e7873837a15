"""Keys are derived, wrapped and compared by the core, as `cryptography` would."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from hypothesis import given
from hypothesis.strategies import binary, integers

from strongroom._core.secrets import (
    equal,
    hkdf_expand,
    hkdf_extract,
    hmac_sha256,
    sha256,
    unwrap,
    wrap,
)
from strongroom.errors import DamagedError, StrongroomError

KEY = bytes(range(32))
keys = binary(min_size=32, max_size=32)


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


@given(data=binary(max_size=300))
def test_a_hash_is_that_of_others(data: bytes) -> None:
    hashed = Hash(SHA256())
    hashed.update(data)
    expected = hashed.finalize()
    assert sha256(data) == sha256(memoryview(data)) == sha256(bytearray(data)) == expected


@given(key=binary(min_size=1, max_size=100), data=binary(max_size=300))
def test_a_mac_is_that_of_others(key: bytes, data: bytes) -> None:
    keyed = HMAC(key, SHA256())
    keyed.update(data)
    assert hmac_sha256(key, data) == keyed.finalize()


@given(salt=binary(max_size=80), ikm=binary(min_size=1, max_size=80), info=binary(max_size=80))
def test_a_key_is_derived_as_by_others(salt: bytes, ikm: bytes, info: bytes) -> None:
    expected = HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(ikm)
    assert hkdf_expand(hkdf_extract(salt, ikm), info, 32) == expected


@given(prk=keys, info=binary(max_size=80), length=integers(1, 8160))
def test_a_key_is_expanded_as_by_others(prk: bytes, info: bytes, length: int) -> None:
    expected = HKDFExpand(algorithm=SHA256(), length=length, info=info).derive(prk)
    assert hkdf_expand(prk, info, length) == expected


@pytest.mark.parametrize("length", [0, 8161])
def test_nobody_expands_a_key_to_any_length(length: int) -> None:
    with pytest.raises(StrongroomError):
        hkdf_expand(KEY, b"", length)


def test_a_mac_needs_a_key() -> None:
    with pytest.raises(StrongroomError):
        hmac_sha256(b"", b"data")


@given(key=keys, secret=keys, aad=binary(max_size=80))
def test_a_key_is_wrapped_as_by_others(key: bytes, secret: bytes, aad: bytes) -> None:
    wrapped = wrap(key, secret, aad)
    assert wrapped == AESGCM(key).encrypt(bytes(12), secret, aad)
    assert unwrap(key, wrapped, aad, doing="a test") == secret


@pytest.mark.parametrize("place", range(48))
def test_what_was_wrapped_and_altered_is_refused(place: int) -> None:
    wrapped = bytearray(wrap(KEY, KEY, b"aad"))
    wrapped[place] ^= 1
    with pytest.raises(DamagedError, match="a test: authentication failed"):
        unwrap(KEY, bytes(wrapped), b"aad", doing="a test")


def test_another_key_or_context_does_not_unwrap() -> None:
    wrapped = wrap(KEY, KEY, b"aad")
    for key, aad in ((KEY[::-1], b"aad"), (KEY, b""), (KEY, b"aad\0")):
        with pytest.raises(DamagedError):
            unwrap(key, wrapped, aad, doing="a test")


@pytest.mark.parametrize("length", [0, 31, 32, 47, 49])
def test_what_is_not_as_long_as_a_wrapped_key_is_refused(length: int) -> None:
    with pytest.raises(DamagedError, match="a test: wrong length"):
        unwrap(KEY, bytes(length), b"", doing="a test")


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_has_32_bytes(length: int) -> None:
    for attempt in (
        lambda: wrap(bytes(length), KEY, b""),
        lambda: wrap(KEY, bytes(length), b""),
        lambda: unwrap(bytes(length), bytes(48), b"", doing="a test"),
        lambda: hkdf_expand(bytes(length), b"", 32),
    ):
        with pytest.raises(ValueError, match=f"a key of {length} bytes"):
            attempt()
