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

ADDRESSES_MAX: Final = 3
_HOST_MAX: Final = 253
_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a process of a vault is."""

    scheme: str
    host: str
    port: int

    @property
    def url(self) -> str:
        """As it is stored and compared."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Of the processes that serve one vault; any of them serves any step."""

    each: tuple[Address, ...]

    @property
    def url(self) -> str:
        """As they are stored."""
        return ",".join(address.url for address in self.each)

    def named_in(self, url: str) -> set[Address]:
        """Those of them that are among what was stored. Raises UsageError."""
        return set(self.each) & {_parse(one) for one in url.split(",")}


def parse_address(text: str) -> tuple[Addresses, str | None]:
    """One or several with commas between, and the fingerprint if there is one. Raises
    UsageError."""
    urls, sharp, fragment = text.partition("#")
    if sharp and not re.fullmatch(f"[0-9a-f]{{{FINGERPRINT_LEN}}}", fragment):
        raise UsageError(
            f"{text}: after # stands the owner's fingerprint, {FINGERPRINT_LEN} digits"
        )
    each = tuple(dict.fromkeys(_parse(url) for url in urls.split(",")))
    if len(each) > ADDRESSES_MAX:
        raise UsageError(f"a vault has {ADDRESSES_MAX} addresses at most")
    return Addresses(each), fragment or None


def _parse(text: str) -> Address:
    try:
        parts = urllib.parse.urlsplit(text)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
        host.encode("idna")  # else looking it up would fail in its own way
    except ValueError:
        raise UsageError(f"{text!r} is no address of a vault") from None
    extra = (parts.username, parts.password, parts.query, parts.path.strip("/"))
    sound = parts.scheme in _PORTS and 0 < len(host) <= _HOST_MAX and text.isascii()
    if not sound or any(extra):
        raise UsageError(
            f"{text!r} is no address of a vault", hint="it looks like https://vault.example:8765"
        )
    if parts.scheme == "http" and not _is_loopback(host):
        raise UsageError(
            f"{text}: without TLS others could listen in", hint="use an https:// address"
        )
    return Address(parts.scheme, host, port)


def fingerprint(owner_pk: bytes) -> str:
    """By which people and sheets know an owner."""
    return hashlib.sha256(label(b"fingerprint") + owner_pk).hexdigest()[:FINGERPRINT_LEN]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
