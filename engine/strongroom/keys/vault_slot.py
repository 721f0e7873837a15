"""Vault slots: where a password brings the root key back from. docs/FORMAT.md, section 8.1."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from strongroom.errors import DamagedError
from strongroom.keys.schedule import label
from strongroom.keys.slot import ID_LEN, SLOT_VAULT, Slot, frame_slot

URL_LEN_MAX: Final = 1024
RECORDS_MAX: Final = 2

_HEAD = struct.Struct(">16s32sBBH")
_RECORD = struct.Struct(">16s32s")
_SIGNATURE_LEN = 64


@dataclass(frozen=True, slots=True)
class VaultPlace:
    """A vault, the account's owner there, and the records that may hold this root key."""

    vault_id: bytes
    owner_pk: bytes
    url: str
    records: tuple[tuple[bytes, bytes], ...]
    """One or two of (record id, OPAQUE server key), the older first."""


def make_vault_slot(
    place: VaultPlace, repo_id: bytes, owner: Ed25519PrivateKey, *, created: int
) -> bytes:
    """A new slot as stored, under a random id. owner: the key that belongs to place.owner_pk."""
    url = place.url.encode("ascii")
    if not 1 <= len(place.records) <= RECORDS_MAX or not 1 <= len(url) <= URL_LEN_MAX:
        raise ValueError("a vault slot has one or two records, and a URL")
    if owner.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw) != place.owner_pk:
        raise ValueError("a vault slot is signed by its owner")
    slot_id = os.urandom(ID_LEN)
    body = _HEAD.pack(place.vault_id, place.owner_pk, len(place.records), 0, len(url))
    body += b"".join(_RECORD.pack(*record) for record in place.records) + url
    signature = owner.sign(_statement(repo_id, slot_id, body))
    return frame_slot(SLOT_VAULT, slot_id, repo_id, created, body + signature)


def read_vault_slot(slot: Slot, *, doing: str) -> VaultPlace:
    """What a slot of kind SLOT_VAULT says; its owner signed it, whoever that is. Raises
    DamagedError."""
    body, signature = slot.body[:-_SIGNATURE_LEN], slot.body[-_SIGNATURE_LEN:]
    if len(body) < _HEAD.size:
        raise DamagedError(f"{doing}: vault slot: too short")
    vault_id, owner_pk, count, zero, url_len = _HEAD.unpack_from(body)
    records_end = _HEAD.size + count * _RECORD.size
    whole = records_end + url_len
    if (
        zero
        or not 1 <= count <= RECORDS_MAX
        or not 1 <= url_len <= URL_LEN_MAX
        or whole != len(body)
    ):
        raise DamagedError(f"{doing}: vault slot: its fields contradict each other")
    try:
        key = Ed25519PublicKey.from_public_bytes(owner_pk)
        key.verify(signature, _statement(slot.repo_id, slot.slot_id, body))
        url = body[records_end:].decode("ascii")
    except (InvalidSignature, ValueError):
        raise DamagedError(f"{doing}: vault slot: authentication failed") from None
    if not url.isprintable():
        raise DamagedError(f"{doing}: vault slot: its URL is none")
    records = tuple(_RECORD.iter_unpack(body[_HEAD.size : records_end]))
    return VaultPlace(vault_id, owner_pk, url, records)


def _statement(repo_id: bytes, slot_id: bytes, body: bytes) -> bytes:
    return label(b"vault-slot", repo_id, slot_id, body)
