"""What client and password make of each other."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from strongroom import DamagedError, Password, RootKey, UnsupportedError
from strongroom.vault.client.derive import (
    RecordName,
    opaque_password,
    owner_key,
    public_of,
    reset_key,
    stretch,
    unwrap_root,
    wrap_root,
    wrong_tag,
)
from strongroom.vault.wire import Stretch

NAME = RecordName(b"v" * 16, b"r" * 16, b"k" * 32)
OTHERS = [
    replace(NAME, vault_id=bytes(16)),
    replace(NAME, record_id=bytes(16)),
    replace(NAME, server_key=bytes(32)),
]
COST = Stretch(64 * 1024, 3, 1)
ROOT = RootKey(bytes(range(32)))
EXPORT = bytes(range(64))


def stretched(text: str, name: RecordName = NAME, account: str = "anna") -> bytes:
    return stretch(Password(text), name, account=account, salt=bytes(32), cost=COST)


def test_a_password_is_the_same_however_it_was_typed() -> None:
    assert stretched("caf\u00e9") == stretched("cafe\u0301")


def test_stretching_is_bound_to_account_and_record() -> None:
    one = stretched("password")
    for other in (stretched("password", account="bob"), stretched("password", OTHERS[2])):
        assert other != one


def test_stretching_is_as_documented() -> None:
    class Told(Password):
        def stretch(self, salt: bytes, parameters: object) -> bytes:
            assert parameters.memory_kib == COST.memory_kib  # type: ignore[attr-defined]
            return salt

    salt = stretch(Told("x"), NAME, account="anna", salt=b"s" * 32, cost=COST)
    context = NAME.vault_id + NAME.record_id + NAME.server_key + b"\1"
    expected = b"strongroom/1 vault salt\0" + context + b"s" * 32 + b"anna"
    assert salt == hashlib.sha256(expected).digest()


@pytest.mark.parametrize(
    "cost",
    [
        Stretch(64 * 1024 - 1, 3, 4),
        Stretch(64 * 1024, 2, 4),
        Stretch(1024 * 1024 + 1, 3, 4),
        Stretch(64 * 1024, 17, 4),
        Stretch(64 * 1024, 3, 0),
    ],
    ids=str,
)
def test_weak_or_absurd_stretching_is_refused_before_it_is_done(cost: Stretch) -> None:
    with pytest.raises(UnsupportedError, match="too weak or too costly"):
        stretch(Password("x"), NAME, account="a", salt=bytes(32), cost=cost)


def test_what_was_wrapped_is_unwrapped_by_the_same_record_only() -> None:
    wrapped = wrap_root(EXPORT, NAME, ROOT)
    assert len(wrapped) == 80
    assert ROOT.to_bytes() not in wrapped
    assert unwrap_root(EXPORT, NAME, wrapped) == ROOT
    for other in OTHERS:
        with pytest.raises(DamagedError):
            unwrap_root(EXPORT, other, wrapped)
    for place in range(80):
        changed = wrapped[:place] + bytes([wrapped[place] ^ 1]) + wrapped[place + 1 :]
        with pytest.raises(DamagedError):
            unwrap_root(EXPORT, NAME, changed)


def test_every_use_has_a_key_of_its_own() -> None:
    secrets = [
        opaque_password(bytes(32), NAME),
        wrong_tag(bytes(32), NAME).hex(),
        public_of(reset_key(EXPORT, NAME)).hex(),
        public_of(owner_key(ROOT, NAME.vault_id)).hex(),
        *(public_of(reset_key(EXPORT, other)).hex() for other in OTHERS),
        *(opaque_password(bytes(32), other) for other in OTHERS),
        public_of(owner_key(ROOT, bytes(16))).hex(),
    ]
    assert len(set(secrets)) == len(secrets)
