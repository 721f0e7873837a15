"""What client and password make of each other."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

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


# --- docs/VAULT.md, 2, written down once more ---


def hkdf(key: bytes, info: bytes, length: int = 32) -> bytes:
    """RFC 5869, without salt."""
    prk = hmac.digest(bytes(32), key, "sha256")
    made, block = b"", b""
    for number in range(1, 4):
        block = hmac.digest(prk, block + info + bytes([number]), "sha256")
        made += block
    return made[:length]


def key_of(name: str, key: bytes, context: bytes, length: int = 32) -> bytes:
    return hkdf(key, b"strongroom/1 vault " + name.encode() + b"\0" + context, length)


VECTORS = {
    "stretched": "c23b4c8627187af80b6e2d70b92d6e29d8a7669d595aeafdc729c13f6214f5b4",
    "password": "551b84ad3bf3536ee2ded5aafc0c42e6c79eb36a5241f643fbca7d9ab0eae257",
    "wrong": "da5c2c8bfe1fddbb13e1d4c51b102a7f65ddd4dd98eef7fe0ee7bf5ff1690a21",
    "wrapped": (
        "40e0ed9dc9f15c3ecd4ea20ab57fde816775626d4c6a8026e9eebf003d93338d4a0b0c1abc2adcd3"
        "a8a6a3278b0a2d9ffbb56967e0dd80fd0ba80d3a072ce3e0c0870b2605a78fbca522335bd076a858"
    ),
    "reset": "8191c302b87055a33faa2a336d5503b6efc9f1cb7562bf524fd7044eea3ede37",
    "owner": "31e64d4926b83d0fc98cb9f31582ecb6e20ad27f349f46fdb565e3c3a9e7ee49",
}


def test_the_keys_of_a_record_are_those_that_are_documented() -> None:
    """Once by a second derivation, once by numbers: neither may change."""
    context = b"v" * 16 + b"r" * 16 + b"k" * 32 + b"\1"
    salt = hashlib.sha256(b"strongroom/1 vault salt\0" + context + bytes(32) + b"anna").digest()
    password = "caf\u00e9".encode()
    argon = Argon2id(salt=salt, length=32, iterations=3, lanes=1, memory_cost=64 * 1024)
    long = argon.derive(password)
    wrap = key_of("wrap", EXPORT, context, 64)
    sealed = AESGCM(wrap[32:]).encrypt(bytes(12), bytes(range(32)), context)
    seeds = [key_of("reset", EXPORT, context), key_of("owner", bytes(range(32)), b"v" * 16)]
    keys = [public_of(Ed25519PrivateKey.from_private_bytes(seed)).hex() for seed in seeds]
    expected = {
        "stretched": long.hex(),
        "password": key_of("password", long, context).hex(),
        "wrong": key_of("wrong", long, context).hex(),
        "wrapped": (wrap[:32] + sealed).hex(),
        "reset": keys[0],
        "owner": keys[1],
    }
    made = stretched("cafe\u0301")
    assert {
        "stretched": made.hex(),
        "password": opaque_password(made, NAME),
        "wrong": wrong_tag(made, NAME).hex(),
        "wrapped": wrap_root(EXPORT, NAME, ROOT).hex(),
        "reset": public_of(reset_key(EXPORT, NAME)).hex(),
        "owner": public_of(owner_key(ROOT, NAME.vault_id)).hex(),
    } == expected
    assert expected == VECTORS


def test_a_root_key_under_another_commitment_is_refused() -> None:
    """The vault could else seal one that opens under two passwords, and learn which was used."""
    wrapped = wrap_root(EXPORT, NAME, ROOT)
    for commitment in (bytes(32), wrap_root(bytes(64), NAME, ROOT)[:32]):
        with pytest.raises(DamagedError):
            unwrap_root(EXPORT, NAME, commitment + wrapped[32:])
