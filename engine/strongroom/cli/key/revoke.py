"""strongroom key revoke"""

from __future__ import annotations

import click

from strongroom.cli.console import Console
from strongroom.cli.options import with_console, with_repository
from strongroom.cli.secret_options import with_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.cli.vaulted import connect, credential_of, vault
from strongroom.repository.unlock import unlock
from strongroom.stores.local import LocalStore


@click.command("revoke")
@with_repository
@with_secret
@with_console
def command(*, store: LocalStore, secret: SecretOptions, console: Console) -> None:
    """Stop a registration at the vault that is waiting to replace yours.

    Whoever has your token, and not your key, can ask for one; it waits 7 days.

    \b
    strongroom key revoke -r /mnt/backup --key-file my.key --token-file my.token
    """
    doing = f"revoking at the vault of {store.url}"
    unlocked = unlock(store, credential_of(store, secret, console, doing=doing), doing=doing)
    revoked = vault().revoke_request(connect(store, secret.vault, doing=doing), unlocked.root)
    words = "it is revoked; ask for another token" if revoked else "nothing is waiting"
    console.say(f"{store.url}: {words}")
    console.emit(repository=store.url, revoked=revoked)
