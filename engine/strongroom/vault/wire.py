"""What client and vault agree on beside their messages: sizes, costs, refusals, labels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import Final

from strongroom.vault.fields import Fields

SUITE: Final = 1
"""OPAQUE-3DH over ristretto255 with SHA-512; Argon2id, HKDF-SHA256, AES-256-GCM, Ed25519."""

ID_LEN: Final = 16
NO_ID: Final = bytes(ID_LEN)
NO_KEY: Final = bytes(32)
WRAPPED_LEN: Final = 80
BODY_MAX: Final = 4096
"""Bytes of a request; the longest one there is has 432."""
ANSWER_MAX: Final = 16384
LOG_PAGE: Final = 100
"""Entries of a log in one answer."""

MEMORY_MIN_KIB: Final = 64 * 1024
MEMORY_MAX_KIB: Final = 1024 * 1024
PASSES_MIN: Final = 3
PASSES_MAX: Final = 16
LANES_MAX: Final = 16


class Code(IntEnum):
    """Why the vault refuses."""

    MALFORMED = 1
    TOKEN = 2
    WAIT = 3
    LOCKED = 4
    DESTROYED = 5
    NO_RECORD = 6
    STALE = 7
    PROOF = 8
    PENDING = 9
    UNAVAILABLE = 10
    CLOCK = 11
    SPENT = 12


STATUS: Final = {
    Code.MALFORMED: 400,
    Code.TOKEN: 401,
    Code.WAIT: 429,
    Code.LOCKED: 423,
    Code.DESTROYED: 410,
    Code.NO_RECORD: 404,
    Code.STALE: 409,
    Code.PROOF: 403,
    Code.PENDING: 409,
    Code.UNAVAILABLE: 503,
    Code.CLOCK: 503,
    Code.SPENT: 410,
}
"""The HTTP status of each."""


@dataclass(frozen=True, slots=True)
class Stretch(Fields):
    """What the client's own Argon2id costs."""

    LAYOUT = Struct(">IBB")
    memory_kib: int
    passes: int
    lanes: int

    @property
    def allowed(self) -> bool:
        """Neither too weak nor too costly; client and vault both ask."""
        return (
            MEMORY_MIN_KIB <= self.memory_kib <= MEMORY_MAX_KIB
            and PASSES_MIN <= self.passes <= PASSES_MAX
            and 1 <= self.lanes <= LANES_MAX
        )


def label(name: bytes) -> bytes:
    """What separates uses of a key or hash."""
    return b"strongroom/1 vault " + name + b"\0"


def identifier(vault_id: bytes, record_id: bytes) -> str:
    """Whom OPAQUE logs in: a record of a vault, in a suite."""
    return f"strongroom/1 vault {vault_id.hex()} {record_id.hex()} {SUITE}"


def hash_of(ke1: bytes) -> bytes:
    """How a guess is named."""
    return hashlib.sha256(ke1).digest()
