"""Vault slots: exact to the byte, signed by their owner, and hard to fool."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom import DamagedError
from strongroom.keys.slot import SLOT_LEN_MAX, SLOT_VAULT, frame_slot, parse_slot
from strongroom.keys.vault_slot import VaultPlace, make_vault_slot, read_vault_slot

REPO_ID = bytes(range(32))
OWNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OWNER_PK = OWNER.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
RECORDS = ((b"r" * 16, b"k" * 32), (b"s" * 16, b"l" * 32))
PLACE = VaultPlace(b"v" * 16, OWNER_PK, "https://vault.example:8765", RECORDS)


def read(stored: bytes) -> VaultPlace:
    return read_vault_slot(parse_slot(stored, doing="testing"), doing="testing")


def made(place: VaultPlace = PLACE) -> bytes:
    return make_vault_slot(place, REPO_ID, OWNER, created=7)


def body_of(stored: bytes) -> bytes:
    return stored[72:-32]


def framed(stored: bytes, body: bytes) -> bytes:
    """With another body, and a digest that fits."""
    return frame_slot(SLOT_VAULT, stored[16:32], REPO_ID, 7, body)


def test_a_slot_is_laid_out_as_the_format_says() -> None:
    stored = made()
    body = body_of(stored)
    url = PLACE.url.encode()
    assert stored[10] == SLOT_VAULT == 2
    assert body[:48] == PLACE.vault_id + OWNER_PK
    assert body[48:52] == bytes([2, 0, 0, len(url)])
    assert body[52:148] == b"".join(id_ + key for id_, key in RECORDS)
    assert body[148:-64] == url
    statement = b"strongroom/1 vault-slot\0" + REPO_ID + stored[16:32] + body[:-64]
    OWNER.public_key().verify(body[-64:], statement)
    assert stored[-32:] == hashlib.sha256(stored[:-32]).digest()


@pytest.mark.parametrize("records", [RECORDS, RECORDS[:1]])
def test_what_was_made_is_read(records: tuple[tuple[bytes, bytes], ...]) -> None:
    place = replace(PLACE, records=records)
    assert read(made(place)) == place


def test_every_changed_byte_is_damage() -> None:
    stored = made()
    body = body_of(stored)
    for place in range(len(body)):
        changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        with pytest.raises(DamagedError):
            read(framed(stored, changed))
    for length in (0, 51, 52, len(body) - 1):
        with pytest.raises(DamagedError):
            read(framed(stored, body[:length]))
    with pytest.raises(DamagedError):
        read(framed(stored, body + b"x"))


def test_a_slot_belongs_to_its_id_and_repository() -> None:
    stored = made()
    for slot_id, repo_id in ((bytes(16), REPO_ID), (stored[16:32], bytes(32))):
        with pytest.raises(DamagedError, match="authentication"):
            read(frame_slot(SLOT_VAULT, slot_id, repo_id, 7, body_of(stored)))


@pytest.mark.parametrize(
    "changes",
    [
        {"records": ()},
        {"records": (*RECORDS, RECORDS[0])},
        {"url": ""},
        {"url": "x" * 1025},
        {"url": "https://é"},
        {"owner_pk": bytes(32)},
    ],
    ids=str,
)
def test_a_place_that_is_none_is_not_written(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"slot|ascii"):
        made(replace(PLACE, **changes))  # type: ignore[arg-type]


def test_the_longest_slot_fits() -> None:
    assert len(made(replace(PLACE, url="https://" + "x" * 1016))) <= SLOT_LEN_MAX


@settings(max_examples=300)
@given(body=st.binary(max_size=400))
def test_no_bytes_crash_the_reader(body: bytes) -> None:
    with pytest.raises(DamagedError):
        read(framed(made(), body))
