"""The operator's configuration: a TOML file, beside it by default everything it names."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from strongroom.errors import SourceError, UsageError
from strongroom.vault.server.access import Access, is_loopback, read_access
from strongroom.vault.server.hsm import Hsm, read_hsm
from strongroom.vault.server.policy import Policy

_PATHS: Final = ("database", "key_file", "accounts", "witness", "tls_certificate", "tls_key")
_NEEDED: Final = ("listen", "accounts")
_TABLES: Final = ("policy", "etcd", "hsm")

TEMPLATE: Final = """\
# strongroom vault: docs/VAULT.md. Paths are relative to this file.

# Other addresses than loopback ones need tls_certificate and tls_key.
listen = "{listen}"
accounts = "vault.accounts"
{optional}{tables}
[policy]
# attempts = 10
# lifetime = 100
# delays = [0, 0, 0, 60, 300, 900, 3600, 14400, 86400, 86400]   # seconds, before each attempt
# attempt_window = 600
# pending = 900
# confirms = 3
# request_delay = 604800
# kept = 2592000
"""


@dataclass(frozen=True, slots=True)
class Config:
    """What `vault init` wrote and an operator may change."""

    path: Path
    host: str
    port: int
    """0: any that is free."""
    database: Path | None
    """SQLite's; or else etcd."""
    etcd: Access | None
    key_file: Path | None
    """Keys in a file. Beside a module: those of before, until they are rotated."""
    hsm: Hsm | None
    accounts: Path
    witness: Path | None
    """A file on another disk."""
    tls_certificate: Path | None
    tls_key: Path | None
    policy: Policy

    @property
    def scheme(self) -> str:
        """http or https."""
        return "http" if self.tls_certificate is None else "https"


def read_config(path: Path) -> Config:
    """Raises SourceError, UsageError."""
    try:
        text = path.read_text("utf-8")
        values = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"reading {path}: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"reading {path}: {error}") from None
    unknown = set(values) - {*_NEEDED, *_PATHS, *_TABLES}
    missing = set(_NEEDED) - set(values)
    if unknown or missing:
        what = f"{min(unknown)} is unknown" if unknown else f"{min(missing)} is missing"
        raise UsageError(f"reading {path}: {what}")
    if ("database" in values) == ("etcd" in values):
        raise UsageError(f"reading {path}: either database or [etcd] keeps the rows")
    if not {"key_file", "hsm"} & set(values):
        raise UsageError(f"reading {path}: key_file or [hsm] keeps the keys")
    strings = {name: value for name, value in values.items() if name not in _TABLES}
    if any(not isinstance(value, str) or not value for value in strings.values()):
        raise UsageError(f"reading {path}: all but policy, etcd and hsm are texts")
    host, port = _address(strings.pop("listen"))
    folder = path.absolute().parent
    found = {name: folder / value for name, value in strings.items()}
    config = Config(
        path=path,
        host=host,
        port=port,
        database=found.get("database"),
        etcd=read_access(values["etcd"], folder) if "etcd" in values else None,
        key_file=found.get("key_file"),
        hsm=read_hsm(values["hsm"], folder) if "hsm" in values else None,
        accounts=found["accounts"],
        witness=found.get("witness"),
        tls_certificate=found.get("tls_certificate"),
        tls_key=found.get("tls_key"),
        policy=_policy(values.get("policy", {}), path),
    )
    _check_tls(config, path)
    return config


def _check_tls(config: Config, path: Path) -> None:
    if (config.tls_certificate is None) != (config.tls_key is None):
        raise UsageError(f"reading {path}: tls_certificate and tls_key go together")
    if config.tls_certificate is None and not is_loopback(config.host):
        raise UsageError(
            f"reading {path}: listen on {config.host} without TLS: others could listen in",
            hint="set tls_certificate and tls_key, or listen on 127.0.0.1",
        )


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"listen is an address and a port, not {listen!r}")
    return host, int(port)


def _policy(values: Any, path: Path) -> Policy:
    names = {field.name for field in fields(Policy)}
    if not isinstance(values, dict) or not set(values) <= names:
        raise UsageError(f"reading {path}: [policy] has {', '.join(sorted(names))}, nothing else")
    numbers: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in values.items()
    }
    for name, value in numbers.items():
        whole = value if isinstance(value, tuple) else (value,)
        if (name == "delays") != isinstance(value, tuple) or any(type(n) is not int for n in whole):
            raise UsageError(f"reading {path}: {name} is not as it should be")
    return Policy(**numbers)
