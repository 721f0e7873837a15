"""What is done with keys: derived, wrapped, compared, by the core's own OpenSSL.

`cryptography` and hashlib bring others into the process, which takes 5 ms and more each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom._core.failures import check
from strongroom._native import ffi, lib
from strongroom.errors import DamagedError

if TYPE_CHECKING:
    from typing_extensions import Buffer

_KEY_LEN = 32


def equal(one: bytes, other: bytes) -> bool:
    """Are they the same? Takes as long wherever they differ, unless they do in length."""
    return len(one) == len(other) and bool(lib.srm_equal(one, other, len(one)) == lib.SRM_OK)


def sha256(data: Buffer) -> bytes:
    """32 bytes."""
    seen, out = ffi.from_buffer(data), ffi.new("uint8_t[32]")
    check(lib.srm_sha256(seen, len(seen), out), doing="hashing")
    return bytes(ffi.buffer(out))


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """32 bytes. key: one byte or more."""
    out = ffi.new("uint8_t[32]")
    check(lib.srm_hmac_sha256(key, len(key), data, len(data), out), doing="authenticating")
    return bytes(ffi.buffer(out))


def hkdf_extract(salt: bytes, ikm: bytes) -> bytes:
    """32 bytes; no salt stands for zeros."""
    out = ffi.new("uint8_t[32]")
    check(lib.srm_hkdf_extract(salt, len(salt), ikm, len(ikm), out), doing="deriving a key")
    return bytes(ffi.buffer(out))


def hkdf_expand(prk: bytes, info: bytes, length: int) -> bytes:
    """length bytes, 1 to 8160. prk: 32 bytes."""
    _check_key(prk)
    out = ffi.new("uint8_t[]", length)
    check(lib.srm_hkdf_expand(prk, info, len(info), out, length), doing="deriving a key")
    return bytes(ffi.buffer(out))


def wrap(key: bytes, secret: bytes, aad: bytes) -> bytes:
    """48 bytes: secret, 32 bytes, sealed by a key of 32 that seals nothing else in its life."""
    _check_key(key)
    _check_key(secret)
    out = ffi.new("uint8_t[]", lib.SRM_WRAPPED_LEN)
    check(lib.srm_wrap(key, aad, len(aad), secret, out), doing="wrapping a key")
    return bytes(ffi.buffer(out))


def unwrap(key: bytes, wrapped: bytes, aad: bytes, *, doing: str) -> bytes:
    """The secret. Raises DamagedError, also for another key or aad."""
    _check_key(key)
    if len(wrapped) != lib.SRM_WRAPPED_LEN:
        raise DamagedError(f"{doing}: wrong length")
    out = ffi.new("uint8_t[]", _KEY_LEN)
    check(lib.srm_unwrap(key, aad, len(aad), wrapped, out), doing=doing)
    return bytes(ffi.buffer(out))


def _check_key(key: bytes) -> None:
    """The core reads 32 bytes."""
    if len(key) != _KEY_LEN:
        raise ValueError(f"a key of {len(key)} bytes, not {_KEY_LEN}")
