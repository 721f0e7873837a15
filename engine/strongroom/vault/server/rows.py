"""What the vault keeps: a row for each user, a row for each record. docs/VAULT.md, 4."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import Final

from strongroom.vault.fields import Fields
from strongroom.vault.opaque import PASSWORD_FILE_LEN, SETUP_LEN
from strongroom.vault.server.keys.keeper import SEALED_MORE
from strongroom.vault.wire import NO_ID, NO_KEY, WRAPPED_LEN, Stretch

SEALED_LEN: Final = SETUP_LEN + SEALED_MORE
"""An OPAQUE setup, sealed."""
NAMES_LEN: Final = 32


class State(IntEnum):
    """Of a record."""

    PENDING = 1
    ACTIVE = 2
    DESTROYED = 3


@dataclass(frozen=True, slots=True)
class Head(Fields):
    """The vault itself."""

    LAYOUT = Struct(f">QQQ?II{NAMES_LEN + SEALED_MORE}s")
    sequence: int
    """Grows with every change of the row, which are few: all who write read it."""
    time: int
    """Believed, seconds since 1970; at most TIME_STEP behind the latest that was."""
    origin: int
    """The store's, when the operator last looked."""
    locked: bool
    """Until the operator has looked."""
    generation: int
    """Of the keys that everything is written with."""
    oldest: int
    """Of the keys that may still be met: less than generation while keys are being rotated."""
    names: bytes
    """What accounts are named by, sealed. It outlives all keys: whoever has it can tell which row
    is whose, no more."""


@dataclass(frozen=True, slots=True)
class User(Fields):
    """An account: whatever happens to its records, what was guessed counts here."""

    LAYOUT = Struct(">32sQBBHQQ32s16s16s16sQQ32s16s16s32s32sQ??")
    ref: bytes
    sequence: int
    """Grows with every change of the row."""
    most: int
    left: int
    """Attempts until the record is destroyed."""
    lifetime: int
    """Failures since the owner last showed their proof."""
    charges: int
    """Attempts ever; an attempt's token is good for one value of it."""
    not_before: int = 0
    owner_pk: bytes = NO_KEY
    active: bytes = NO_ID
    pending: bytes = NO_ID
    kept: bytes = NO_ID
    """What a registration without proof replaced."""
    kept_until: int = 0
    log_seq: int = 0
    log_head: bytes = NO_KEY
    attempt: bytes = NO_ID
    """The latest one: its id, record, SHA-256 of KE1, the vault's nonce, time, whether it is over,
    and whether it was right."""
    attempt_record: bytes = NO_ID
    attempt_ke1: bytes = NO_KEY
    attempt_nonce: bytes = NO_KEY
    attempt_at: int = 0
    attempt_over: bool = True
    attempt_right: bool = False


@dataclass(frozen=True, slots=True)
class Record(Fields):
    """One root key behind one password. A destroyed one has zeros where its secrets were."""

    LAYOUT = Struct(
        f">B16s32s16sIBB32s{SEALED_LEN}s32s{PASSWORD_FILE_LEN}s{WRAPPED_LEN}s32s32s32s32sB32s32sQQQQQ32s"
    )
    state: int
    vault_id: bytes
    user: bytes
    record_id: bytes
    memory_kib: int
    passes: int
    lanes: int
    salt: bytes
    sealed_setup: bytes
    server_key: bytes
    password_file: bytes = bytes(PASSWORD_FILE_LEN)
    wrapped: bytes = bytes(WRAPPED_LEN)
    owner_pk: bytes = NO_KEY
    reset_pk: bytes = NO_KEY
    register_nonce: bytes = NO_KEY
    request_hash: bytes = NO_KEY
    """Of the one OPAQUE request that a pending record answers."""
    confirms: int = 0
    confirm_ke1: bytes = NO_KEY
    confirm_nonce: bytes = NO_KEY
    confirm_from: int = 0
    """No confirmation before; of a registration without proof, days after it."""
    created: int = 0
    changed: int = 0
    recovered: int = 0
    sequence: int = 0
    previous: bytes = NO_KEY
    """SHA-256 of the row before this one."""

    @property
    def stretch(self) -> Stretch:
        """What a guess costs the client."""
        return Stretch(self.memory_kib, self.passes, self.lanes)

    @property
    def delayed(self) -> bool:
        """Registered without the owner's proof."""
        return self.confirm_from > self.created


def shredded(record: Record) -> dict[str, bytes | int]:
    """The fields that destroy it."""
    return {
        "state": State.DESTROYED,
        "sealed_setup": bytes(SEALED_LEN),
        "password_file": bytes(PASSWORD_FILE_LEN),
        "wrapped": bytes(WRAPPED_LEN),
        "salt": NO_KEY,
        "reset_pk": NO_KEY,
    }
