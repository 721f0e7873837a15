"""Key slots: exact to the byte, and as hard to fool as password envelopes."""

from __future__ import annotations

import hashlib

import pytest

from strongroom import (
    DamagedError,
    KdfParameters,
    LimitError,
    Password,
    RootKey,
    StrongroomError,
    UnsupportedError,
    WrongKeyError,
)
from strongroom.keys.slot import SLOT_PASSWORD, make_slot, open_slot, parse_slot

REPO_ID = bytes(range(32))
LEN = 224
BODY_AT = 72
CREATED = 1_700_000_000


@pytest.fixture(scope="module")
def root() -> RootKey:
    return RootKey(bytes(range(100, 132)))


class Remembering(Password):
    """Stretches once for each salt and cost, so that a test can try many slots."""

    def stretch(self, salt: bytes, parameters: KdfParameters) -> bytes:
        known = self.__dict__.setdefault("known", {})
        if (salt, parameters) not in known:
            known[salt, parameters] = super().stretch(salt, parameters)
        return known[salt, parameters]


@pytest.fixture(scope="module")
def password() -> Password:
    return Remembering("correct horse", kdf=KdfParameters(64 * 1024, 3, 1))


@pytest.fixture(scope="module")
def stored(root: RootKey, password: Password) -> bytes:
    return make_slot(password, REPO_ID, root, created=CREATED)


def digested(content: bytes) -> bytes:
    return content + hashlib.sha256(content).digest()


def altered(stored: bytes, place: int, value: bytes) -> bytes:
    """Changed, with a digest that fits again."""
    return digested(stored[:place] + value + stored[place + len(value) : -32])


def test_a_slot_has_the_fields_of_the_format(stored: bytes) -> None:
    assert len(stored) == LEN
    assert stored[:16] == bytes.fromhex("8953524B0D0A1A0A 0001 01 00 00000078")
    assert stored[32:64] == REPO_ID
    assert int.from_bytes(stored[64:72], "big") == CREATED
    assert stored[72:80] == bytes.fromhex("00010000 03 01 0000")
    slot = parse_slot(stored, doing="x")
    assert (slot.slot_id, slot.repo_id) == (stored[16:32], REPO_ID)
    assert (slot.kind, slot.created) == (SLOT_PASSWORD, CREATED)
    assert slot.kdf == KdfParameters(64 * 1024, 3, 1)
    assert slot.body == stored[BODY_AT:-32]


def test_a_password_opens_its_slot_and_no_other_does(
    stored: bytes, root: RootKey, password: Password
) -> None:
    slot = parse_slot(stored, doing="x")
    assert open_slot(slot, password, doing="x") == root
    with pytest.raises(WrongKeyError, match="wrong password"):
        open_slot(slot, Password("correct horsf"), doing="x")


def test_the_key_is_not_in_a_slot_and_slots_differ(
    stored: bytes, root: RootKey, password: Password
) -> None:
    assert root.to_bytes() not in stored
    again = make_slot(password, REPO_ID, root, created=CREATED)
    assert again[16:32] != stored[16:32]
    assert again[80:112] != stored[80:112]


def test_every_byte_flipped_is_damage(stored: bytes) -> None:
    for place in range(LEN):
        flipped = stored[:place] + bytes([stored[place] ^ 0x40]) + stored[place + 1 :]
        with pytest.raises(DamagedError):
            parse_slot(flipped, doing="x")


def test_every_byte_altered_on_purpose_is_refused(stored: bytes, password: Password) -> None:
    for place in range(LEN - 32):
        if 64 <= place < 72:
            continue  # the date is what the maker says it is
        changed = altered(stored, place, bytes([stored[place] ^ 0x40]))
        with pytest.raises(StrongroomError) as caught:
            open_slot(parse_slot(changed, doing="x"), password, doing="x")
        assert caught.value.exit_code in (12, 13, 14), place


def test_every_length_but_its_own_is_damage(stored: bytes) -> None:
    for length in range(LEN):
        with pytest.raises(DamagedError):
            parse_slot(stored[:length], doing="x")
        if length != LEN - 32:
            with pytest.raises(DamagedError):
                parse_slot(digested(stored[:length]), doing="x")
    for more in (b"\0", b"\0" * 9, b"x" * 5000):
        with pytest.raises(DamagedError):
            parse_slot(digested(stored[:-32] + more), doing="x")


@pytest.mark.parametrize(("place", "value"), [(8, b"\0\2"), (8, b"\xff\xff")])
def test_a_newer_version_is_unsupported(stored: bytes, place: int, value: bytes) -> None:
    with pytest.raises(UnsupportedError, match="it has version"):
        parse_slot(altered(stored, place, value), doing="x")


def test_an_unknown_kind_is_read_but_not_opened(stored: bytes, password: Password) -> None:
    slot = parse_slot(altered(stored, 10, b"\2"), doing="x")
    assert (slot.kind, slot.kdf) == (2, None)
    with pytest.raises(UnsupportedError):
        open_slot(slot, password, doing="x")


@pytest.mark.parametrize("cost", ["0000ffff0301", "004000010301", "000100000201", "000100001101"])
def test_costs_out_of_range_are_unsupported(stored: bytes, cost: str) -> None:
    with pytest.raises(UnsupportedError, match="out of range"):
        parse_slot(altered(stored, BODY_AT, bytes.fromhex(cost)), doing="x")


def test_an_unusual_cost_needs_permission_before_memory_is_taken(
    stored: bytes, password: Password
) -> None:
    costly = altered(stored, BODY_AT, (2 << 20).to_bytes(4, "big"))
    with pytest.raises(LimitError, match="unusually costly"):
        open_slot(parse_slot(costly, doing="x"), password, doing="x")


def test_a_date_of_any_size_is_read(stored: bytes, root: RootKey, password: Password) -> None:
    slot = parse_slot(altered(stored, 64, b"\xff" * 8), doing="x")
    assert slot.created == 2**64 - 1
    assert open_slot(slot, password, doing="x") == root
