"""Which etcd keeps the rows, and how it is reached: the table [etcd] of the configuration."""

from __future__ import annotations

import ipaddress
import urllib.parse
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from strongroom.errors import UsageError

_PATHS: Final = ("ca", "certificate", "key", "password_file")


@dataclass(frozen=True, slots=True)
class Access:
    """What leads to it."""

    endpoints: tuple[str, ...]
    """http or https://host:port of its members, as clients reach them."""
    prefix: str = "strongroom/"
    """Of all keys of the vault."""
    ca: Path | None = None
    """PEM, the only ones to trust; None: those the system trusts."""
    certificate: Path | None = None
    """PEM, shown to etcd; with key."""
    key: Path | None = None
    user: str = ""
    password_file: Path | None = None
    """Its first line."""
    scrub_every: int = 3600
    """Seconds, at least, between two times that history is compacted and files are defragmented."""

    def __post_init__(self) -> None:
        """Raises UsageError."""
        if not self.endpoints or not self.prefix.isascii():
            raise UsageError("[etcd]: endpoints are one or more addresses, prefix is ASCII")
        for endpoint in self.endpoints:
            _check(endpoint)
        if (self.certificate is None) != (self.key is None):
            raise UsageError("[etcd]: certificate and key go together")
        if bool(self.user) != (self.password_file is not None):
            raise UsageError("[etcd]: user and password_file go together")
        if self.scrub_every < 1:
            raise UsageError("[etcd]: scrub_every is 1 or more")


def read_access(values: Any, folder: Path) -> Access:
    """Of the table; paths are relative to folder. Raises UsageError."""
    kinds = {field.name: str for field in fields(Access)} | {"endpoints": list, "scrub_every": int}
    if not isinstance(values, dict) or not set(values) <= set(kinds) or "endpoints" not in values:
        raise UsageError(f"[etcd] has endpoints, {', '.join(list(kinds)[1:])}, nothing else")
    for name, value in values.items():
        if type(value) is not kinds[name]:
            raise UsageError(f"[etcd]: {name} is not as it should be")
    if any(not isinstance(endpoint, str) for endpoint in values["endpoints"]):
        raise UsageError("[etcd]: endpoints are texts")
    paths = {name: folder / values[name] for name in _PATHS if name in values}
    endpoints = tuple(endpoint.rstrip("/") for endpoint in values["endpoints"])
    return Access(**{**values, **paths, "endpoints": endpoints})


def is_loopback(host: str) -> bool:
    """Whether nobody else can listen in."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check(endpoint: str) -> None:
    try:
        parts = urllib.parse.urlsplit(endpoint)
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port
    except ValueError:
        sound = None
    if not sound or parts.path or parts.query or parts.fragment or parts.username:
        raise UsageError(f"[etcd]: {endpoint!r} is no address: https://host:2379")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise UsageError(
            f"[etcd]: {endpoint} without TLS: others could listen in", hint="use https://"
        )
