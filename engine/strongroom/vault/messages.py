"""Messages between client and vault. docs/VAULT.md, 3."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct

from strongroom.vault.fields import Fields
from strongroom.vault.wire import label


@dataclass(frozen=True, slots=True)
class Refused(Fields):
    """The body of an answer that is no success."""

    LAYOUT = Struct(">BI")
    code: int
    seconds: int
    """How long to wait; only with WAIT and PENDING."""


@dataclass(frozen=True, slots=True)
class RegisterBegin(Fields):
    """Open a registration. delayed: without the owner's proof."""

    LAYOUT = Struct(">BIBB?")
    suite: int
    memory_kib: int
    passes: int
    lanes: int
    delayed: bool


@dataclass(frozen=True, slots=True)
class Opened(Fields):
    """A registration was opened."""

    LAYOUT = Struct(">16s32s16s32s32s32s")
    vault_id: bytes
    user: bytes
    record_id: bytes
    salt: bytes
    server_key: bytes
    nonce: bytes


@dataclass(frozen=True, slots=True)
class RegisterRequest(Fields):
    """OPAQUE's registration request."""

    LAYOUT = Struct(">16s32s")
    record_id: bytes
    request: bytes


@dataclass(frozen=True, slots=True)
class Response(Fields):
    """OPAQUE's registration response."""

    LAYOUT = Struct(">64s")
    response: bytes


@dataclass(frozen=True, slots=True)
class RegisterFinish(Fields):
    """OPAQUE's upload, and what goes with it."""

    LAYOUT = Struct(">16s192s80s32s32s64s")
    record_id: bytes
    upload: bytes
    wrapped: bytes
    owner_pk: bytes
    reset_pk: bytes
    proof: bytes
    """By the owner's key, over statement_register."""


@dataclass(frozen=True, slots=True)
class Pending(Fields):
    """A registration is kept; it may be confirmed after so many seconds."""

    LAYOUT = Struct(">I")
    seconds: int


@dataclass(frozen=True, slots=True)
class ConfirmBegin(Fields):
    """A login with what was registered."""

    LAYOUT = Struct(">16s96s64s")
    record_id: bytes
    ke1: bytes
    signature: bytes
    """By the reset key, over statement_confirm with an empty nonce."""


@dataclass(frozen=True, slots=True)
class Confirming(Fields):
    """What the vault would give back."""

    LAYOUT = Struct(">320s32s80s")
    ke2: bytes
    nonce: bytes
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class ConfirmFinish(Fields):
    """It came back right; the older record may go."""

    LAYOUT = Struct(">16s64s")
    record_id: bytes
    signature: bytes
    """By the reset key, over statement_confirm."""


@dataclass(frozen=True, slots=True)
class RecoverBegin(Fields):
    """Ask for a record, NO_ID for the newest."""

    LAYOUT = Struct(">16s")
    record_id: bytes


@dataclass(frozen=True, slots=True)
class Offer(Fields):
    """What a guess needs, and what it costs."""

    LAYOUT = Struct(">16s32s16s32s32sIBB40sBBHIIQ32s")
    vault_id: bytes
    user: bytes
    record_id: bytes
    server_key: bytes
    salt: bytes
    memory_kib: int
    passes: int
    lanes: int
    token: bytes
    """One attempt's, 40 bytes."""
    left: int
    most: int
    lifetime_left: int
    wait: int
    """Seconds until the next attempt is taken."""
    delay: int
    """Seconds that follow if it is wrong."""
    log_seq: int
    log_head: bytes


@dataclass(frozen=True, slots=True)
class RecoverAttempt(Fields):
    """A guess."""

    LAYOUT = Struct(">16s40s96s")
    record_id: bytes
    token: bytes
    ke1: bytes


@dataclass(frozen=True, slots=True)
class Answered(Fields):
    """The answer to a guess, which has been charged."""

    LAYOUT = Struct(">320s16s32s")
    ke2: bytes
    attempt: bytes
    nonce: bytes


@dataclass(frozen=True, slots=True)
class RecoverFinish(Fields):
    """Show that the guess was right; or, with a signature of zeros, that it was not."""

    LAYOUT = Struct(">16s16s64s")
    record_id: bytes
    attempt: bytes
    signature: bytes
    """By the reset key, over statement_recover."""


@dataclass(frozen=True, slots=True)
class Released(Fields):
    """The wrapped root key."""

    LAYOUT = Struct(">80sQ32s")
    wrapped: bytes
    log_seq: int
    log_head: bytes


@dataclass(frozen=True, slots=True)
class Nothing(Fields):
    """An empty message."""

    LAYOUT = Struct(">")


@dataclass(frozen=True, slots=True)
class Owned(Fields):
    """What an account holds."""

    LAYOUT = Struct(">16s32s16s16s16sQ")
    vault_id: bytes
    user: bytes
    active: bytes
    pending: bytes
    kept: bytes
    sequence: int
    """Of the account's row: what a statement of its owner names, so that it counts once."""


@dataclass(frozen=True, slots=True)
class OwnerOrder(Fields):
    """Destroy a record, or revoke a registration that is not confirmed."""

    LAYOUT = Struct(">16sQ64s")
    record_id: bytes
    sequence: int
    signature: bytes
    """By the owner's key, over statement_order."""


@dataclass(frozen=True, slots=True)
class LogFrom(Fields):
    """Ask for entries of the account's log, from one on."""

    LAYOUT = Struct(">Q")
    seq: int


@dataclass(frozen=True, slots=True)
class LogEntry(Fields):
    """What happened to an account. Its hash is the next one's previous."""

    LAYOUT = Struct(">QQBBH16s32s")
    seq: int
    time: int
    event: int
    left: int
    lifetime: int
    record_id: bytes
    previous: bytes

    @property
    def hash(self) -> bytes:
        """32 bytes."""
        return hashlib.sha256(label(b"log") + self.pack()).digest()


class Event(IntEnum):
    """What an entry of the log tells."""

    REGISTERED = 1
    CONFIRMED = 2
    CHARGED = 3
    RECOVERED = 4
    FAILED = 5
    DESTROYED = 6
    REVOKED = 7
    REQUESTED = 8
