"""What is signed, by the owner's key or by the one that a password gives. docs/VAULT.md, 3."""

from __future__ import annotations

import hashlib

from strongroom.vault.messages import Opened, OwnerOrder, RegisterFinish
from strongroom.vault.wire import label


def statement_register(opened: Opened, finish: RegisterFinish) -> bytes:
    """What the owner signs to register."""
    hashes = hashlib.sha256(finish.upload).digest() + hashlib.sha256(finish.wrapped).digest()
    return label(b"register") + opened.pack() + hashes + finish.owner_pk + finish.reset_pk


def statement_confirm(vault_id: bytes, record_id: bytes, ke1_hash: bytes, nonce: bytes) -> bytes:
    """What the reset key signs to confirm."""
    return label(b"confirm") + vault_id + record_id + ke1_hash + nonce


def statement_recover(
    vault_id: bytes, record_id: bytes, attempt: bytes, ke1_hash: bytes, nonce: bytes
) -> bytes:
    """What the reset key signs after a right guess."""
    return label(b"recover") + vault_id + record_id + attempt + ke1_hash + nonce


def statement_order(verb: bytes, vault_id: bytes, user: bytes, order: OwnerOrder) -> bytes:
    """What the owner signs; verb: b"destroy" or b"revoke"."""
    return label(verb) + vault_id + user + order.record_id + order.sequence.to_bytes(8, "big")
