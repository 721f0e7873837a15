"""strongroom key add-vault"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import click

from strongroom.cli.asking import prompt
from strongroom.cli.console import Console
from strongroom.cli.options import FILE, with_console, with_repository
from strongroom.cli.private import write_private
from strongroom.cli.secret_options import with_own_secret, with_vault
from strongroom.cli.secrets import (
    SecretOptions,
    VaultOptions,
    first_line,
    read_secret_file,
)
from strongroom.cli.vaulted import account_of, vault
from strongroom.errors import TargetExistsError
from strongroom.keys.password import Password
from strongroom.keys.sheet import recovery_sheet, vault_part
from strongroom.keys.strength import check_strength
from strongroom.repository.unlock import unlock
from strongroom.stores.local import LocalStore


@dataclass(frozen=True, slots=True)
class _Asked:
    """What only this verb is told."""

    password_file: Path | None
    sheet: Path | None
    force: bool

    def password(self) -> Password:
        """The one to be. Raises UsageError."""
        if self.password_file is not None:
            password = Password(first_line(read_secret_file(self.password_file)))
        else:
            hint = "pass --vault-password-file FILE"
            password = Password(prompt("Vault password: ", confirm=True, hint=hint))
        if not self.force:
            check_strength(password)
        return password


@click.command("add-vault")
@click.argument("url")
@click.option("--vault-password-file", type=FILE, help="File with the password for the vault.")
@click.option("--sheet", type=FILE, help="Write a recovery sheet that names vault and token.")
@click.option("--force", is_flag=True, help="Also beside a password slot; also a weak password.")
@with_vault
@with_repository
@with_own_secret
@with_console
def command(
    *,
    url: str,
    store: LocalStore,
    secret: SecretOptions,
    vault_password_file: Path | None,
    sheet: Path | None,
    force: bool,
    console: Console,
    **options: VaultOptions,
) -> None:
    """Let a password bring the key back, by a vault that counts the guesses.

    Ten wrong guesses in a row destroy what the vault holds; the 64 digits go on opening the
    repository. On a new machine it takes the repository, the account's token and the password. A
    password that is at the vault already is replaced.

    \b
    strongroom key add-vault https://vault.example:8765 -r /mnt/backup --key-file my.key \\
        --token-file my.token --vault-password-file pw --sheet print-me.txt
    """
    asked = _Asked(vault_password_file, sheet, force)
    if sheet is not None and sheet.exists():
        raise TargetExistsError(f"writing {sheet}: it exists", hint="choose another name")
    doing = f"adding a vault to {store.url}"
    account = account_of(options["vault"]._replace(url=url))
    credential = secret.credential(console, confirm=False, piped=False)
    unlocked = unlock(store, credential, doing=doing)
    if not force:
        vault().check_alone(store, unlocked.config, doing=doing)
    slot_id, place = vault().register(store, unlocked.root, account, asked.password(), doing=doing)
    named = f"{place.url}#{vault().fingerprint(place.owner_pk)}"
    if sheet is not None:
        text = recovery_sheet(
            unlocked.root,
            repository=store.url,
            repo_id=unlocked.config.repo_id,
            made=time.strftime("%Y-%m-%d"),
        ) + vault_part(
            repository=store.url,
            vault=named,
            token=account.token,
            own_certificate=account.certificate is not None,
        )
        write_private(sheet, text, doing=f"writing the recovery sheet to {sheet}")
    console.say(f"{store.url}: added key slot {slot_id.hex()}")
    console.say(f"on a new machine: --vault {named}, with token and password")
    console.emit(repository=store.url, slot=slot_id.hex(), vault=named)
