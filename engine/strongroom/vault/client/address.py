"""Addresses of vaults: HTTPS, or HTTP on this machine; after # the fingerprint of the owner."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import urllib.parse
from dataclasses import dataclass
from typing import Final

from strongroom.errors import UsageError
from strongroom.vault.wire import label

FINGERPRINT_LEN: Final = 32
"""Hexadecimal digits."""

_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a vault is."""

    scheme: str
    host: str
    port: int

    @property
    def url(self) -> str:
        """As it is stored and compared."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse_address(text: str) -> tuple[Address, str | None]:
    """The address, and the fingerprint if there is one. Raises UsageError."""
    try:
        parts = urllib.parse.urlsplit(text)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        raise UsageError(f"{text!r} is no address of a vault") from None
    extra = (parts.username, parts.password, parts.query, parts.path.strip("/"))
    if parts.scheme not in _PORTS or not host or any(extra) or not text.isascii():
        raise UsageError(
            f"{text!r} is no address of a vault", hint="it looks like https://vault.example:8765"
        )
    if parts.scheme == "http" and not _is_loopback(host):
        raise UsageError(
            f"{text}: without TLS others could listen in", hint="use an https:// address"
        )
    if parts.fragment and not re.fullmatch(f"[0-9a-f]{{{FINGERPRINT_LEN}}}", parts.fragment):
        raise UsageError(
            f"{text}: after # stands the owner's fingerprint, {FINGERPRINT_LEN} digits"
        )
    return Address(parts.scheme, host, port), parts.fragment or None


def fingerprint(owner_pk: bytes) -> str:
    """By which people and sheets know an owner."""
    return hashlib.sha256(label(b"fingerprint") + owner_pk).hexdigest()[:FINGERPRINT_LEN]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
