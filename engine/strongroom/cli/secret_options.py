"""Options that say where a key or password comes from. Loading them loads what opens envelopes, so
verbs without a key keep off."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from strongroom.cli.options import FILE
from strongroom.cli.secrets import SecretOptions, VaultOptions


def with_own_secret(function: Callable[..., Any]) -> Callable[..., Any]:
    """Where the key or password comes from, gathered into `secret`; never the secret itself."""

    @click.option("--key-file", type=FILE, help="File with the 64 digits of the key.")
    @click.option("--password-file", type=FILE, help="File whose first line is the password.")
    @click.option("--password-command", help="Command that prints the password.")
    @click.option(
        "--password-fd", type=click.IntRange(0, 2**31 - 1), help="Descriptor to read it from."
    )
    @click.option(
        "--allow-kdf", is_flag=True, help="Open passwords that cost over 1 GiB or 8 passes."
    )
    @functools.wraps(function)
    def wrapped(
        *,
        key_file: Path | None,
        password_file: Path | None,
        password_command: str | None,
        password_fd: int | None,
        allow_kdf: bool,
        **rest: Any,
    ) -> Any:
        secret = SecretOptions(key_file, password_file, password_command, password_fd, allow_kdf)
        return function(secret=secret, **rest)

    return wrapped


def vault_url(help_: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """--vault, with or without a URL: url is None, empty or the URL."""
    return click.option("--vault", "url", is_flag=False, flag_value="", metavar="[URL]", help=help_)


def with_secret(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a repository, whose key a vault may give."""

    @with_own_secret
    @with_vault
    @click.option("--vault-password-file", type=FILE, help="File with the vault's password.")
    @vault_url(
        "Let a vault give the key; URL may be left out where this machine knows it. With "
        "--key-file: where the vault is, no more."
    )
    @functools.wraps(function)
    def wrapped(
        *,
        secret: SecretOptions,
        vault: VaultOptions,
        url: str | None,
        vault_password_file: Path | None,
        **rest: Any,
    ) -> Any:
        if url is None and vault_password_file is not None:
            url = ""
        vault = vault._replace(url=url, password_file=vault_password_file)
        return function(secret=secret._replace(vault=vault), **rest)

    return wrapped


def with_vault(function: Callable[..., Any]) -> Callable[..., Any]:
    """Who asks a vault, and whom to trust as one, gathered into `vault`."""

    @click.option("--token-file", type=FILE, help="File with the token of the vault's account.")
    @click.option("--vault-cert", type=FILE, help="PEM: trust this certificate of a vault only.")
    @click.option(
        "--remember/--no-remember", default=True, help="Keep which of a vault's guesses were wrong."
    )
    @functools.wraps(function)
    def wrapped(
        *, token_file: Path | None, vault_cert: Path | None, remember: bool, **rest: Any
    ) -> Any:
        options = VaultOptions(None, token_file, None, vault_cert, remember)
        return function(vault=options, **rest)

    return wrapped


def with_new_password(function: Callable[..., Any]) -> Callable[..., Any]:
    """Where a new password comes from, gathered into `new`, and --force for a weak one."""

    @click.option("--new-password-file", type=FILE, help="File whose first line is the new one.")
    @click.option("--new-password-command", help="Command that prints the new password.")
    @click.option(
        "--new-password-fd", type=click.IntRange(0, 2**31 - 1), help="Descriptor to read it from."
    )
    @click.option(
        "--force", is_flag=True, help="Take a password that is easy to guess, or beside a vault."
    )
    @functools.wraps(function)
    def wrapped(
        *,
        new_password_file: Path | None,
        new_password_command: str | None,
        new_password_fd: int | None,
        **rest: Any,
    ) -> Any:
        new = SecretOptions(None, new_password_file, new_password_command, new_password_fd, False)
        return function(new=new, **rest)

    return wrapped
