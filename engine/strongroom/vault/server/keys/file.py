"""Keys in a file, which root on this machine can take."""

from __future__ import annotations

import hmac
import os
import secrets
import stat
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from strongroom.errors import DamagedError, SourceError, UsageError
from strongroom.vault.server.newfile import replace_file, write_new
from strongroom.vault.wire import ID_LEN, NO_ID, label

_BEGINNING = "strongroom vault key 2"
_KEY_LEN = 32
_NONCE_LEN = 12
_MAX_LEN = 1 << 20
_FIRST: Final = 1


class FileKeys:
    """See Source. Lines of: what it is, the vault's id; then a generation and its secret each."""

    hardware = False

    def __init__(self, path: Path) -> None:
        """Raises SourceError, DamagedError; UsageError where others can read it."""
        self._path = path
        self._lock = threading.Lock()
        self._keys: dict[int, tuple[AESGCM, bytes]] = {}
        self.vault_id, _ = self._read()

    @classmethod
    def make(cls, path: Path) -> FileKeys:
        """A new file with a first generation, durable, mode 0600. Raises TargetError; UsageError
        where there is one."""
        text = _text(secrets.token_bytes(ID_LEN), {_FIRST: secrets.token_bytes(_KEY_LEN)})
        write_new(path, text, why="a vault's key is never replaced")
        return cls(path)

    def describe(self) -> str:
        """See Source."""
        return f"keys from the file {self._path}, no hardware module"

    def generations(self) -> frozenset[int]:
        """See Source."""
        # Read in turn too: what was read before must not replace what was read after.
        with self._lock:
            # After a move into a module its owner may take the file away while processes run on.
            found = self._read()[1] if self._path.exists() else {}
            self._keys = {n: _derived(self.vault_id, secret) for n, secret in found.items()}
        return frozenset(found)

    def check(self, generation: int) -> None:
        """See Source."""
        self._of(generation)

    def create(self, generation: int) -> None:
        """See Source. The file is replaced as a whole."""
        vault_id, found = self._read()
        if generation not in found:
            found[generation] = secrets.token_bytes(_KEY_LEN)
            replace_file(self._path, _text(vault_id, found))

    def destroy_before(self, generation: int) -> None:
        """See Source. What its blocks held may be found on the disk for a while."""
        vault_id, found = self._read()
        kept = {n: secret for n, secret in found.items() if n >= generation}
        if kept != found:
            replace_file(self._path, _text(vault_id, kept))

    def mac(self, generation: int, data: bytes) -> bytes:
        """See Source."""
        return hmac.digest(self._of(generation)[1], data, "sha256")

    def seal(self, generation: int, record_id: bytes, secret: bytes, context: bytes) -> bytes:
        """See Source. The nonces are random: good for 2^32 records."""
        nonce = secrets.token_bytes(_NONCE_LEN)
        return NO_ID + nonce + self._of(generation)[0].encrypt(nonce, secret, context)

    def unseal(self, generation: int, sealed: bytes, context: bytes) -> bytes:
        """See Source."""
        nonce, encrypted = sealed[ID_LEN : ID_LEN + _NONCE_LEN], sealed[ID_LEN + _NONCE_LEN :]
        try:
            return self._of(generation)[0].decrypt(nonce, encrypted, context)
        except (InvalidTag, ValueError):
            raise DamagedError("unsealing a record: authentication failed") from None

    def forget(self, record_id: bytes) -> None:
        """See Source. There are none."""

    def records(self) -> Iterable[bytes]:
        """See Source. There are none."""
        return ()

    def _of(self, generation: int) -> tuple[AESGCM, bytes]:
        with self._lock:
            found = self._keys.get(generation)
        if found is None:
            raise SourceError(f"keys of generation {generation} are not in {self._path}")
        return found

    def _read(self) -> tuple[bytes, dict[int, bytes]]:
        path = self._path
        try:
            with path.open(encoding="ascii") as file:
                mode = os.fstat(file.fileno()).st_mode
                lines = file.read(_MAX_LEN).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"reading the vault's key {path}: {error}") from None
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise UsageError(f"the vault's key {path} can be read by others", hint="chmod 600 it")
        try:
            beginning, vault_id = lines[0], bytes.fromhex(lines[1])
            found = dict(_parsed(line) for line in lines[2:])
        except (IndexError, ValueError):
            beginning, vault_id, found = "", b"", {}
        lengths = {len(secret) for secret in found.values()}
        if beginning != _BEGINNING or len(vault_id) != ID_LEN or lengths - {_KEY_LEN}:
            raise DamagedError(f"{path} holds no key of a vault", hint="put it back from a copy")
        return vault_id, found


def _parsed(line: str) -> tuple[int, bytes]:
    generation, secret = line.split(" ")
    return int(generation), bytes.fromhex(secret)


def _text(vault_id: bytes, found: dict[int, bytes]) -> str:
    lines = [_BEGINNING, vault_id.hex(), *(f"{n} {found[n].hex()}" for n in sorted(found))]
    return "".join(f"{line}\n" for line in lines)


def _derived(vault_id: bytes, secret: bytes) -> tuple[AESGCM, bytes]:
    okm = HKDFExpand(SHA256(), 64, label(b"keys") + vault_id).derive(secret)
    return AESGCM(okm[:32]), okm[32:]
