"""The vault's own keys. Here they come from a file; a hardware module may keep them instead."""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from strongroom.errors import DamagedError, SourceError, UsageError
from strongroom.vault.server.newfile import write_new
from strongroom.vault.wire import ID_LEN, label

_BEGINNING = "strongroom vault key 1"
_KEY_LEN = 32
_NONCE_LEN = 12


class Keeper(Protocol):
    """Holds the keys of one vault. Thread-safe."""

    @property
    def vault_id(self) -> bytes:
        """16 bytes."""

    def describe(self) -> str:
        """Where the keys are, for the operator."""

    def check(self) -> None:
        """Raise SourceError unless the keys can be used now."""

    def seal(self, secret: bytes, context: bytes) -> bytes:
        """secret encrypted, 28 bytes longer, bound to context."""

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """Raises DamagedError."""

    def mac(self, name: bytes, data: bytes) -> bytes:
        """32 bytes; names part uses."""


class FileKeeper:
    """A Keeper whose keys lie in a file, so that root on this machine can take them."""

    def __init__(self, vault_id: bytes, secret: bytes, *, source: str) -> None:
        self.vault_id = vault_id
        self._source = source
        okm = HKDFExpand(SHA256(), 64, label(b"keys") + vault_id).derive(secret)
        self._seal, self._mac = AESGCM(okm[:32]), okm[32:]

    @classmethod
    def create(cls, path: Path) -> FileKeeper:
        """New keys in a new file, durable, mode 0600. Raises TargetError; UsageError where there
        is one."""
        vault_id, secret = secrets.token_bytes(ID_LEN), secrets.token_bytes(_KEY_LEN)
        text = f"{_BEGINNING}\n{vault_id.hex()}\n{secret.hex()}\n"
        write_new(path, text, why="a vault's key is never replaced")
        return cls(vault_id, secret, source=str(path))

    @classmethod
    def load(cls, path: Path) -> FileKeeper:
        """Raises SourceError, DamagedError; UsageError where others can read it."""
        try:
            with path.open(encoding="ascii") as file:
                mode = os.fstat(file.fileno()).st_mode
                lines = file.read(4096).split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"reading the vault's key {path}: {error}") from None
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise UsageError(f"the vault's key {path} can be read by others", hint="chmod 600 it")
        try:
            beginning, vault_id, secret = lines[0], bytes.fromhex(lines[1]), bytes.fromhex(lines[2])
        except (IndexError, ValueError):
            beginning, vault_id, secret = "", b"", b""
        if beginning != _BEGINNING or len(vault_id) != ID_LEN or len(secret) != _KEY_LEN:
            raise DamagedError(f"{path} holds no key of a vault", hint="put it back from a copy")
        return cls(vault_id, secret, source=str(path))

    def describe(self) -> str:
        """See Keeper."""
        return f"keys from the file {self._source}, no hardware module"

    def check(self) -> None:
        """See Keeper. They are in memory."""

    def seal(self, secret: bytes, context: bytes) -> bytes:
        """See Keeper. The nonces are random: good for 2^32 records."""
        nonce = secrets.token_bytes(_NONCE_LEN)
        return nonce + self._seal.encrypt(nonce, secret, context)

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """See Keeper."""
        try:
            return self._seal.decrypt(sealed[:_NONCE_LEN], sealed[_NONCE_LEN:], context)
        except InvalidTag:
            raise DamagedError("unsealing a record: authentication failed") from None

    def mac(self, name: bytes, data: bytes) -> bytes:
        """See Keeper."""
        return hmac.digest(self._mac, label(name) + data, "sha256")
