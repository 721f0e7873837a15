"""Who may ask. A token is <account>:<64 hexadecimal digits>; a file holds what proves it."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
from pathlib import Path
from typing import Protocol

from strongroom.errors import SourceError, UsageError
from strongroom.vault.server.newfile import replace_file

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)
_NOBODY = bytes(32)
_NEVER = 2**63


class Verifier(Protocol):
    """Tells accounts by their tokens. Thread-safe."""

    def account_of(self, token: str, now: int) -> str | None:
        """None, in the same time, for a wrong token, an expired one, and no such account."""


class TokenFile:
    """Lines of: account, SHA-256 of its token, and the second it expires or 0; read again when the
    file changes."""

    def __init__(self, path: Path) -> None:
        """Raises SourceError, UsageError."""
        self._path = path
        self._lock = threading.Lock()
        self._read_at = (0, 0, 0)
        self._known: dict[str, tuple[bytes, int]] = {}
        self._refresh()

    def account_of(self, token: str, now: int) -> str | None:
        """See Verifier. Raises SourceError, UsageError when the file cannot be read."""
        with self._lock:
            self._refresh()
            known = self._known
        account = token.rpartition(":")[0]
        expected, expires = known.get(account, (_NOBODY, 0))
        shown = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        right = hmac.compare_digest(shown, expected)
        return account if right and now < expires else None

    def add(self, account: str, *, expires: int = 0) -> str:
        """A new account, or a new token for one: the token. Raises UsageError, TargetError."""
        if not _NAME.fullmatch(account):
            raise UsageError(
                f"{account!r} is no name for an account: letters, digits and . _ @ -, at most 64"
            )
        token = f"{account}:{secrets.token_hex(32)}"
        digest = hashlib.sha256(token.encode()).hexdigest()
        kept = [line for line in self._lines() if line.split()[:1] != [account]]
        replace_file(
            self._path, "".join(f"{line}\n" for line in [*kept, f"{account} {digest} {expires}"])
        )
        return token

    def _refresh(self) -> None:
        try:
            found = self._path.stat()
        except OSError as error:
            raise SourceError(f"reading {self._path}: {error.strerror}") from None
        at = (found.st_mtime_ns, found.st_ino, found.st_size)
        if at != self._read_at:
            self._known = dict(map(_parse, self._lines()))
            self._read_at = at

    def _lines(self) -> list[str]:
        try:
            text = self._path.read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"reading {self._path}: {error}") from None
        return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _parse(line: str) -> tuple[str, tuple[bytes, int]]:
    try:
        account, digest, expires = line.split()
        known = (bytes.fromhex(digest), int(expires) or _NEVER)
    except ValueError:
        account, known = "", (b"", 0)
    if not _NAME.fullmatch(account) or len(known[0]) != 32:
        raise UsageError("a line of the accounts file is not: account digest expiry")
    return account, known
