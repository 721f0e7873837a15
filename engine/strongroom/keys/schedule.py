"""Which key comes from which: docs/FORMAT.md, section 2. HKDF is RFC 5869 with SHA-256."""

from __future__ import annotations

from strongroom._core.secrets import hkdf_expand, hkdf_extract, hmac_sha256
from strongroom.keys.rootkey import RootKey

PREFIX = b"strongroom/1 "


def label(name: bytes, *context: bytes) -> bytes:
    """The info string of a derivation: prefix, name, a zero byte, context."""
    return PREFIX + name + b"\0" + b"".join(context)


def expand(key: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand. key: 32 bytes."""
    return hkdf_expand(key, info, length)


def mac(key: bytes, *pieces: bytes | bytearray | memoryview) -> bytes:
    """HMAC-SHA256 of pieces one after another."""
    return hmac_sha256(key, b"".join(pieces))


def wrap_key(root: RootKey, repo_id: bytes) -> bytes:
    """K_wrap: what owner envelopes are made from."""
    return _root_subkey(root, repo_id, b"wrap")


def chunk_key(root: RootKey, repo_id: bytes) -> bytes:
    """K_chunk-id: what names the chunks of a repository."""
    return _root_subkey(root, repo_id, b"chunk-id")


def log_key(root: RootKey, repo_id: bytes) -> bytes:
    """K_log: what log entries are sealed and authenticated with."""
    return _root_subkey(root, repo_id, b"log")


def sign_key(root: RootKey, repo_id: bytes) -> bytes:
    """K_sign: the seed of the Ed25519 key that signs log entries."""
    return _root_subkey(root, repo_id, b"sign")


def check_key(root: RootKey, repo_id: bytes) -> bytes:
    """K_check: what tells a wrong key from damage."""
    return _root_subkey(root, repo_id, b"check")


class RepositoryKeys:
    """All that is derived from a root key for one repository, 32 bytes each. Never shown, so no
    tuple."""

    def __init__(self, root: RootKey, repo_id: bytes) -> None:
        self.wrap = wrap_key(root, repo_id)
        self.chunk = chunk_key(root, repo_id)
        self.log = log_key(root, repo_id)
        self.sign = sign_key(root, repo_id)
        self.check = check_key(root, repo_id)

    def __repr__(self) -> str:
        return "RepositoryKeys(hidden)"


def _root_subkey(root: RootKey, repo_id: bytes, name: bytes) -> bytes:
    """K_x = HKDF(salt = repo_id, RK, "strongroom/1 " || x || 0)."""
    return expand(hkdf_extract(repo_id, root.to_bytes()), label(name), 32)
