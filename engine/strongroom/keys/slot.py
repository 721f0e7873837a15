"""Slots: ways to a repository's root key. docs/FORMAT.md, section 8."""

from __future__ import annotations

import os
import struct
from typing import Final, NamedTuple

from strongroom._core.secrets import sha256
from strongroom.errors import DamagedError, UnsupportedError
from strongroom.keys.envelope import (
    Session,
    open_password_body,
    password_body,
    password_parameters,
)
from strongroom.keys.password import KdfParameters, Password
from strongroom.keys.rootkey import RootKey

SLOT_PASSWORD: Final = 1
SLOT_VAULT: Final = 2
SLOT_LEN_MAX: Final = 4096
ID_LEN: Final = 16

_MAGIC = bytes.fromhex("8953524B0D0A1A0A")
_VERSION = 1
_HEAD = struct.Struct(">8sHBBI16s32sQ")
_DIGEST_LEN = 32
_PASSWORD_BODY_LEN = 120


class Slot(NamedTuple):
    """The public part of a slot, checked for form but not for authenticity."""

    slot_id: bytes
    repo_id: bytes
    kind: int
    """SLOT_PASSWORD, SLOT_VAULT, or what this version does not know."""
    created: int
    """Seconds since 1970, as whoever made it said."""
    body: bytes

    @property
    def kdf(self) -> KdfParameters | None:
        """What one guess at its password costs."""
        return password_parameters(self.body) if self.kind == SLOT_PASSWORD else None


def make_slot(password: Password, repo_id: bytes, root: RootKey, *, created: int) -> bytes:
    """A new slot as stored, under a random id. One Argon2id."""
    slot_id = os.urandom(ID_LEN)
    body = password_body(password, Session(repo_id, slot_id), root.to_bytes())
    return frame_slot(SLOT_PASSWORD, slot_id, repo_id, created, body)


def frame_slot(kind: int, slot_id: bytes, repo_id: bytes, created: int, body: bytes) -> bytes:
    """A slot as stored, around its body."""
    head = _HEAD.pack(_MAGIC, _VERSION, kind, 0, len(body), slot_id, repo_id, created)
    return head + body + sha256(head + body)


def parse_slot(stored: bytes, *, doing: str) -> Slot:
    """Read a slot. Raises DamagedError, or UnsupportedError for a newer version or parameters
    out of range; a kind this version does not know is returned as it is."""
    if len(stored) < _HEAD.size + _DIGEST_LEN or len(stored) > SLOT_LEN_MAX:
        raise DamagedError(f"{doing}: a slot does not have {len(stored)} bytes")
    content, digest = stored[:-_DIGEST_LEN], stored[-_DIGEST_LEN:]
    if content[:8] != _MAGIC or sha256(content) != digest:
        raise DamagedError(f"{doing}: it is no slot, or it is damaged")
    _, version, kind, zero, length, slot_id, repo_id, created = _HEAD.unpack_from(content)
    if version != _VERSION:
        raise UnsupportedError(f"{doing}: it has version {version}")
    body = content[_HEAD.size :]
    if zero != 0 or length != len(body):
        raise DamagedError(f"{doing}: its fields contradict each other")
    slot = Slot(slot_id=slot_id, repo_id=repo_id, kind=kind, created=created, body=body)
    if kind == SLOT_PASSWORD:
        if length != _PASSWORD_BODY_LEN or body[6:8] != b"\0\0":
            raise DamagedError(f"{doing}: its fields contradict each other")
        password_parameters(body)
    return slot


def open_slot(slot: Slot, password: Password, *, doing: str) -> RootKey:
    """The root key in a password slot. One Argon2id.

    Raises WrongKeyError, DamagedError, LimitError before memory is taken.
    """
    if slot.kind != SLOT_PASSWORD:
        raise UnsupportedError(f"{doing}: a slot of kind {slot.kind}")
    session = Session(slot.repo_id, slot.slot_id)
    return RootKey(open_password_body(password, session, slot.body, doing=doing))
