"""The config object: which repository this is, and which key belongs to it. docs/FORMAT.md, 7."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strongroom._core.secrets import equal, sha256
from strongroom.errors import (
    DamagedError,
    NoRepositoryError,
    ObjectMissingError,
    UnsupportedError,
    WrongKeyError,
)
from strongroom.keys.rootkey import RootKey
from strongroom.keys.schedule import RepositoryKeys, check_key, mac, sign_key
from strongroom.stores import Store

NAME: Final = "config"

_MAGIC = bytes.fromhex("895352430D0A1A0A")
_VERSION = _SUITE = 1
_VERSION_AND_SUITE = struct.Struct(">HH")  # in all versions, behind the magic
_SHORTEST = 8 + _VERSION_AND_SUITE.size + 32
_FIELDS = struct.Struct(">8sHHI32s32s")
_CHECKED = _FIELDS.size
_DIGESTED = _CHECKED + 32
_LEN = _DIGESTED + 32


class Config(NamedTuple):
    """A repository's config, checked for form. Its public key is a hint until a key was
    checked."""

    repo_id: bytes
    public_key: bytes
    """Ed25519; log entries are signed with what it belongs to."""
    stored: bytes

    @property
    def digest(self) -> bytes:
        """What the first log entry names as the one before it."""
        return sha256(self.stored)

    def belongs_to(self, root: RootKey) -> bool:
        """Is that the root key of this repository?"""
        expected = mac(check_key(root, self.repo_id), self.stored[:_CHECKED])
        return equal(expected, self.stored[_CHECKED:_DIGESTED])

    def keys(self, root: RootKey, *, doing: str) -> RepositoryKeys:
        """The repository's keys. Raises WrongKeyError."""
        if not self.belongs_to(root):
            raise WrongKeyError(
                f"{doing}: this key belongs to another repository, or it is mistyped",
                hint='"strongroom key check" finds a mistyped digit',
            )
        keys = RepositoryKeys(root, self.repo_id)
        if public_key(keys.sign) != self.public_key:
            raise DamagedError(f"{doing}: config: it names a public key that is not this key's")
        return keys


def public_key(seed: bytes) -> bytes:
    """The Ed25519 public key (RFC 8032) that belongs to a seed."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def make_config(root: RootKey, repo_id: bytes) -> Config:
    """The config of a new repository."""
    public = public_key(sign_key(root, repo_id))
    fields = _FIELDS.pack(_MAGIC, _VERSION, _SUITE, 0, repo_id, public)
    fields += mac(check_key(root, repo_id), fields)
    return Config(repo_id, public, fields + sha256(fields))


def parse_config(stored: bytes, *, doing: str) -> Config:
    """Raises DamagedError, UnsupportedError."""
    if stored[:8] != _MAGIC or len(stored) < _SHORTEST:
        raise DamagedError(f"{doing}: config: it is cut off or overwritten")
    if sha256(stored[:-32]) != stored[-32:]:
        raise DamagedError(f"{doing}: config: it is damaged")
    version, suite = _VERSION_AND_SUITE.unpack_from(stored, 8)
    if (version, suite) != (_VERSION, _SUITE):
        raise UnsupportedError(f"{doing}: it has version {version}, suite {suite}")
    if len(stored) != _LEN:
        raise DamagedError(f"{doing}: config: it is damaged")
    _, _, _, zero, repo_id, public = _FIELDS.unpack_from(stored)
    if zero != 0:
        raise DamagedError(f"{doing}: config: it is damaged")
    return Config(repo_id, public, stored)


def read_config(store: Store, *, doing: str) -> Config:
    """Raises NoRepositoryError, DamagedError, UnsupportedError, SourceError."""
    try:
        stored = store.get(NAME, limit=4096)
    except ObjectMissingError:
        if _has_data(store):
            raise ObjectMissingError(
                f"{doing}: {store.url} holds a repository's data, but its config is missing"
            ) from None
        raise NoRepositoryError(f"{doing}: there is no repository at {store.url}") from None
    return parse_config(stored, doing=doing)


def _has_data(store: Store) -> bool:
    return any(next(store.list(prefix), None) is not None for prefix in ("log/", "segments/"))
