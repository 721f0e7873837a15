"""What comes from the password, and what from the root key. docs/VAULT.md, 2."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from strongroom.errors import DamagedError, UnsupportedError
from strongroom.keys.password import KdfParameters, Password
from strongroom.keys.rootkey import RootKey
from strongroom.vault.wire import SUITE, Stretch, label

# Each wrapping key seals one root key, once, so the nonce may be constant.
_NONCE = bytes(12)


@dataclass(frozen=True, slots=True)
class RecordName:
    """Which record of which vault, and its OPAQUE server key: everything is bound to it."""

    vault_id: bytes
    record_id: bytes
    server_key: bytes

    @property
    def context(self) -> bytes:
        """65 bytes."""
        return self.vault_id + self.record_id + self.server_key + bytes([SUITE])


def stretch(
    password: Password, name: RecordName, *, account: str, salt: bytes, cost: Stretch
) -> bytes:
    """32 bytes, by Argon2id. Raises UnsupportedError for a cost that a vault must not ask for."""
    if not cost.allowed:
        raise UnsupportedError(
            f"the vault asks for key derivation with {cost.memory_kib} KiB, {cost.passes} passes, "
            f"{cost.lanes} lanes, which is too weak or too costly",
            hint="do not use this vault: it may be after the password",
        )
    salted = hashlib.sha256(label(b"salt") + name.context + salt + account.encode()).digest()
    return password.stretch(salted, KdfParameters(cost.memory_kib, cost.passes, cost.lanes))


def opaque_password(stretched: bytes, name: RecordName) -> str:
    """What OPAQUE takes for the password: 64 hexadecimal digits."""
    return _derive(stretched, b"password", name.context).hex()


def wrong_tag(stretched: bytes, name: RecordName) -> bytes:
    """By which a guess known to be wrong is recognised on this machine: 32 bytes."""
    return _derive(stretched, b"wrong", name.context)


def wrap_root(export_key: bytes, name: RecordName, root: RootKey) -> bytes:
    """A commitment and the root key, encrypted: 80 bytes."""
    commitment, key = _wrap_keys(export_key, name)
    return commitment + AESGCM(key).encrypt(_NONCE, root.to_bytes(), name.context)


def unwrap_root(export_key: bytes, name: RecordName, wrapped: bytes) -> RootKey:
    """Raises DamagedError."""
    commitment, key = _wrap_keys(export_key, name)
    try:
        if not hmac.compare_digest(commitment, wrapped[:32]):
            raise InvalidTag
        return RootKey(AESGCM(key).decrypt(_NONCE, wrapped[32:], name.context))
    except InvalidTag:
        raise DamagedError(
            "the vault returned another root key than was given to it",
            hint="do not trust this vault; pass the 64 digits with --key-file",
        ) from None


def reset_key(export_key: bytes, name: RecordName) -> Ed25519PrivateKey:
    """Shows that a guess was right."""
    return Ed25519PrivateKey.from_private_bytes(_derive(export_key, b"reset", name.context))


def owner_key(root: RootKey, vault_id: bytes) -> Ed25519PrivateKey:
    """Shows who owns what is in the vault."""
    seed = _derive(root.to_bytes(), b"owner", vault_id)
    return Ed25519PrivateKey.from_private_bytes(seed)


def public_of(key: Ed25519PrivateKey) -> bytes:
    """32 bytes."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def _wrap_keys(export_key: bytes, name: RecordName) -> tuple[bytes, bytes]:
    okm = _derive(export_key, b"wrap", name.context, length=64)
    return okm[:32], okm[32:]


def _derive(key: bytes, what: bytes, context: bytes, *, length: int = 32) -> bytes:
    """HKDF-SHA256 without salt (RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=label(what) + context).derive(
        key
    )
