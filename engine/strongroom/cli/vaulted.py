"""Asking a vault. What does so is loaded only then."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from strongroom.cli.console import Console
from strongroom.cli.secrets import SecretOptions, VaultOptions, first_line, read_secret_file
from strongroom.errors import StrongroomError, UsageError
from strongroom.keys.envelope import Credential
from strongroom.keys.rootkey import RootKey
from strongroom.stores import Store

if TYPE_CHECKING:
    from strongroom.ops.vault import Account, Connection


def vault() -> Any:
    """strongroom.ops.vault. Raises StrongroomError where its packages are missing."""
    try:
        return importlib.import_module("strongroom.ops.vault")
    except ModuleNotFoundError as error:
        raise StrongroomError(
            f"asking a vault: the package {error.name} is missing",
            hint='pip install "strongroom[vault]"',
        ) from None


def account_of(options: VaultOptions | None) -> Account:
    """Which vault, and who asks. Raises UsageError, SourceError."""
    if options is None or options.token_file is None:
        raise UsageError(
            "no token was given, and a vault answers only to its accounts",
            hint="pass --token-file FILE",
        )
    token = first_line(read_secret_file(options.token_file))
    pem = None
    if options.certificate is not None:
        pem = read_secret_file(options.certificate).decode("ascii", "replace")
    account: Account = vault().Account(options.url or None, token, pem)
    return account


def connect(store: Store, options: VaultOptions | None, *, doing: str) -> Connection:
    """The repository's vault. Raises UsageError, DamagedError."""
    account = account_of(options)
    connection: Connection = vault().connect(store, account, doing=doing)
    return connection


def credential_of(
    store: Store, secret: SecretOptions, console: Console, *, doing: str, piped: bool = False
) -> Credential:
    """What opens a repository: as SecretOptions.credential, or by one guess at its vault."""
    options = secret.vault
    if options is None or not secret.asks_vault:
        return secret.credential(console, confirm=False, piped=piped)
    secret.check_one(piped=piped)
    root: RootKey = vault().recover(
        connect(store, options, doing=doing),
        options.password,
        tell=console.say,
        remember=options.remember,
        doing=doing,
    )
    return root
