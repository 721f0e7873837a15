"""The config: exact to the byte, and able to tell a wrong key from damage."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pytest

from repository.support import CONFIG, REPO_ID, ROOT, MemoryStore
from strongroom import (
    DamagedError,
    NoRepositoryError,
    ObjectMissingError,
    RootKey,
    UnsupportedError,
    WrongKeyError,
)
from strongroom.repository.config import make_config, parse_config, read_config
from strongroom.repository.session import SessionKeys

LEN = 144


def digested(content: bytes) -> bytes:
    return content + hashlib.sha256(content).digest()


def test_a_config_has_the_fields_of_the_format() -> None:
    stored = CONFIG.stored
    assert len(stored) == LEN
    assert stored[:16] == bytes.fromhex("895352430D0A1A0A 0001 0001 00000000")
    assert stored[16:48] == REPO_ID
    assert stored[48:80] == CONFIG.public_key
    assert stored[112:] == hashlib.sha256(stored[:112]).digest()
    assert CONFIG.digest == hashlib.sha256(stored).digest()
    assert parse_config(stored, doing="x") == CONFIG


def test_a_config_depends_on_key_and_id_alone() -> None:
    assert make_config(ROOT, REPO_ID) == CONFIG
    assert make_config(ROOT, bytes(32)).public_key != CONFIG.public_key
    assert make_config(RootKey(bytes(32)), REPO_ID).public_key != CONFIG.public_key


def test_another_key_is_a_wrong_key() -> None:
    assert CONFIG.belongs_to(ROOT)
    assert not CONFIG.belongs_to(RootKey(bytes(32)))
    with pytest.raises(WrongKeyError, match="another repository, or it is mistyped"):
        CONFIG.keys(RootKey(bytes(32)), doing="x")


def test_the_keys_of_a_repository_differ_and_are_not_shown() -> None:
    keys = CONFIG.keys(ROOT, doing="x")
    every = {keys.wrap, keys.chunk, keys.log, keys.sign, keys.check}
    assert len(every) == 5
    assert all(len(key) == 32 for key in every)
    assert repr(keys) == str(keys) == "RepositoryKeys(hidden)"
    session = SessionKeys(ROOT, CONFIG.repo_id, keys.chunk)
    assert repr(session) == str(session) == "SessionKeys(hidden)"
    # Reporters of errors list what they can.
    assert not isinstance(keys, Iterable)
    assert not isinstance(session, Iterable)


def test_every_byte_flipped_is_damage() -> None:
    for place in range(LEN):
        stored = bytearray(CONFIG.stored)
        stored[place] ^= 0x40
        with pytest.raises(DamagedError):
            parse_config(bytes(stored), doing="x")


def test_every_other_length_is_damage() -> None:
    for length in range(LEN):
        for stored in (CONFIG.stored[:length], digested(CONFIG.stored[:length])):
            if len(stored) != LEN:
                with pytest.raises(DamagedError):
                    parse_config(stored, doing="x")
    for more in (b"\0", bytes(4000)):
        with pytest.raises(DamagedError):
            parse_config(digested(CONFIG.stored[:112] + more), doing="x")


@pytest.mark.parametrize("place", [9, 11])
def test_a_newer_version_or_suite_is_unsupported(place: int) -> None:
    newer = CONFIG.stored[:place] + b"\2" + CONFIG.stored[place + 1 : 112]
    for stored in (digested(newer), digested(newer + bytes(99)), digested(newer[:12])):
        with pytest.raises(UnsupportedError, match="it has version"):
            parse_config(stored, doing="x")


def test_a_zero_field_that_is_not_zero_is_damage() -> None:
    for place in range(12, 16):
        changed = CONFIG.stored[:place] + b"\1" + CONFIG.stored[place + 1 : 112]
        with pytest.raises(DamagedError):
            parse_config(digested(changed), doing="x")


def test_an_altered_id_is_a_wrong_key_and_an_altered_public_key_too() -> None:
    for place in (16, 48, 80):
        changed = CONFIG.stored[:place] + b"\xff" + CONFIG.stored[place + 1 : 112]
        with pytest.raises(WrongKeyError):
            parse_config(digested(changed), doing="x").keys(ROOT, doing="x")


def test_no_config_is_no_repository() -> None:
    with pytest.raises(NoRepositoryError, match="there is no repository at memory"):
        read_config(MemoryStore(None), doing="x")


@pytest.mark.parametrize("name", ["log/0000000000000001", "segments/ab/" + "ab" * 16])
def test_no_config_beside_data_is_damage(name: str) -> None:
    store = MemoryStore(None)
    store.put(name, b"x")
    with pytest.raises(ObjectMissingError, match="its config is missing"):
        read_config(store, doing="x")
