"""strongroom key add-password"""

from __future__ import annotations

import time

import click

from strongroom.cli.console import Console
from strongroom.cli.options import with_console, with_repository
from strongroom.cli.secret_options import with_new_password, with_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.cli.vaulted import credential_of
from strongroom.keys.strength import check_strength
from strongroom.repository.slots import add_slot, check_no_vault
from strongroom.repository.unlock import unlock
from strongroom.stores.local import LocalStore


@click.command("add-password")
@with_repository
@with_secret
@with_new_password
@with_console
def command(
    *, store: LocalStore, secret: SecretOptions, new: SecretOptions, force: bool, console: Console
) -> None:
    """Add a password to those that open a repository.

    \b
    strongroom key add-password -r /mnt/backup --key-file my.key
    strongroom key add-password -r /mnt/backup --password-file pw --new-password-file pw2
    """
    doing = f"adding a password to {store.url}"
    unlocked = unlock(store, credential_of(store, secret, console, doing=doing), doing=doing)
    if not force:
        check_no_vault(store, unlocked.config, doing=doing)
    password = new.new_password()
    if not force:
        check_strength(password)
    slot = add_slot(
        store,
        unlocked.config,
        unlocked.root,
        password,
        created=int(time.time()),
        doing=doing,
    )
    console.say(f"{store.url}: added key slot {slot.slot_id.hex()}")
    console.emit(repository=store.url, slot=slot.slot_id.hex())
